"""A convolutional generative adversarial network (Goodfellow et al. 2014; Radford et al. 2016, "DCGAN").

The discriminator D tells pictures from forgeries, the generator G forges:
    D minimises  E [softplus(-D(x))] + E [softplus(D(G(z)))],    G minimises  E [softplus(-D(G(z)))]
(softplus(-d) is the binary cross-entropy of a logit d with the label 1). D's layers are divided by their spectral
norm, so that it cannot grow arbitrarily steep (Miyato et al. 2018, "Spectral normalization").
"""

import argparse

import torch
import torch.nn as nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, TensorDataset


def rings(n, size=16):
    """Rings of random place and radius, grey levels in [-1, 1]. (n, 1, size, size)"""
    centre = torch.empty(n, 2, 1).uniform_(6, 10)
    radius = torch.empty(n, 1, 1).uniform_(3, 5)
    off = (torch.arange(size) + 0.5 - centre) ** 2  # (n, 2, size)
    distance = (off[:, 0].unsqueeze(2) + off[:, 1].unsqueeze(1)).sqrt()
    return (2 * torch.exp(-((distance - radius) ** 2)) - 1).unsqueeze(1)


class Generator(nn.Module):
    def __init__(self, latent, channels=16):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, 2 * channels, 4, bias=False), nn.BatchNorm2d(2 * channels), nn.ReLU(True),
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(True),
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z):  # (N, latent) -> (N, 1, 16, 16), by way of 4 x 4 and 8 x 8
        return self.main(z[:, :, None, None])


class Discriminator(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.main = nn.Sequential(
            spectral_norm(nn.Conv2d(1, channels, 4, stride=2, padding=1)), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.1),
            spectral_norm(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1)), nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(), spectral_norm(nn.Linear(2 * channels * 16, 1)),
        )  # fmt: skip

    def forward(self, x):
        return self.main(x).squeeze(1)  # (N,) logits


def initialise(module):
    if isinstance(module, nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.05)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    latent = 16
    loader = DataLoader(TensorDataset(rings(512)), batch_size=32, shuffle=True, drop_last=True)
    generator, discriminator = Generator(latent).apply(initialise), Discriminator()
    criterion = nn.BCEWithLogitsLoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999), eps=1e-4)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999), eps=1e-4)
    fixed = torch.randn(64, latent)

    losses = []
    while len(losses) < args.steps:
        for (real,) in loader:
            fake = generator(torch.randn(len(real), latent))

            optimizer_d.zero_grad()
            score_real, score_fake = discriminator(real), discriminator(fake.detach())
            loss_d = criterion(score_real, torch.ones_like(score_real)) + criterion(
                score_fake, torch.zeros_like(score_fake)
            )
            loss_d.backward()
            optimizer_d.step()

            optimizer_g.zero_grad()
            discriminator.requires_grad_(False)  # the generator's turn: no gradients for the other side's weights
            score = discriminator(fake)
            loss_g = criterion(score, torch.ones_like(score))
            loss_g.backward()
            discriminator.requires_grad_(True)
            optimizer_g.step()

            losses.append(loss_d.item() + loss_g.item())
            print(
                f"step {len(losses)} loss {losses[-1]:.6f} discriminator {loss_d.item():.4f} generator {loss_g.item():.4f}"
            )
            if len(losses) == args.steps:
                break

    generator.eval()
    discriminator.eval()
    with torch.no_grad():
        fake = generator(fixed)
        print(f"mean grey level: real {rings(256).mean().item():.3f}, forged {fake.mean().item():.3f}")
        norms = [
            torch.linalg.matrix_norm(m.weight.flatten(1), ord=2).item()
            for m in discriminator.main
            if hasattr(m, "weight")
        ]
    print("largest singular values of D: " + ", ".join(f"{norm:.3f}" for norm in norms))
    for row in fake[0, 0, ::2].tolist():
        print("".join(" .:*#"[min(4, int(2.5 * (value + 1)))] for value in row))
    return losses


if __name__ == "__main__":
    main()
