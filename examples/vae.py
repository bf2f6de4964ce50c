"""A variational autoencoder (Kingma and Welling 2014, "Auto-encoding variational Bayes").

Maximised is the evidence lower bound
    ELBO(x) = E_q(z|x) [log p(x|z)] - KL(q(z|x) || p(z)),   q = N(mu(x), sigma(x)^2), p = N(0, 1)
with z = mu + sigma eps, so that the gradient passes through the draw. Both terms come from torch.distributions. The
KL's weight rises during the first steps, lest the decoder learn to ignore z (Bowman et al. 2016).
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.utils.data import DataLoader, Dataset

SIZE = 14


class Bars(Dataset):
    """Binary pictures of a bar: two numbers, its angle and its offset, say all there is. (1, 14, 14)"""

    def __init__(self, n):
        angle, offset = torch.pi * torch.rand(n, 1, 1), torch.empty(n, 1, 1).uniform_(-3, 3)
        axis = torch.linspace(-6.5, 6.5, SIZE)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        distance = x * angle.cos() + y * angle.sin() - offset
        self.images = (distance.abs() < 1.5).to(angle.dtype).unsqueeze(1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i]


class VAE(nn.Module):
    def __init__(self, latent=2, hidden=128):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(SIZE * SIZE, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.mu, self.raw_sigma = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, SIZE * SIZE),
            nn.Unflatten(1, (1, SIZE, SIZE)),
        )  # fmt: skip
        self.register_buffer("zero", torch.zeros(latent))
        self.register_buffer("one", torch.ones(latent))

    @property
    def prior(self):
        return Independent(Normal(self.zero, self.one), 1)

    def encode(self, x):
        h = self.encoder(x)
        return Independent(Normal(self.mu(h), F.softplus(self.raw_sigma(h)) + 1e-4), 1)

    def decode(self, z):
        return Independent(Bernoulli(logits=self.decoder(z)), 3)

    def forward(self, x):
        """-> log p(x|z) and KL(q || p), of each picture: (N,), (N,)"""
        q = self.encode(x)
        z = q.rsample()
        return self.decode(z).log_prob(x), kl_divergence(q, self.prior)


@torch.no_grad()
def importance_weighted_bound(model, x, samples):
    """log p(x) >= E log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x)   (Burda et al. 2016)"""
    q = model.encode(x)
    z = q.sample((samples,))  # (K, N, latent)
    log_likelihood = model.decode(z.flatten(0, 1)).log_prob(x.repeat(samples, 1, 1, 1)).view(samples, -1)
    weights = log_likelihood + model.prior.log_prob(z) - q.log_prob(z)
    return torch.logsumexp(weights, dim=0) - torch.tensor(float(samples)).log()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(Bars(1024), batch_size=64, shuffle=True)
    test = Bars(128).images
    model = VAE()
    optimizer = torch.optim.Adamax(model.parameters(), lr=4e-3)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for x in train:
            log_likelihood, kl = model(x)
            beta = min(1.0, len(losses) / (0.25 * args.steps))
            loss = (beta * kl - log_likelihood).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    with torch.no_grad():
        log_likelihood, kl = model(test)
    print(f"test: ELBO {(log_likelihood - kl).mean().item():.3f}, KL {kl.mean().item():.3f}")
    print(f"with 32 samples {importance_weighted_bound(model, test, 32).mean().item():.3f}")
    picture = model.decode(model.prior.sample((1,))).mean[0, 0]
    for row in picture[::2].tolist():
        print("".join(" .:*#"[min(4, int(5 * p))] for p in row))
    return losses


if __name__ == "__main__":
    main()
