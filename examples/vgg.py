"""VGG with batch normalisation (Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image
recognition"; Ioffe and Szegedy 2015, "Batch normalization").

Nothing but 3 x 3 convolutions: two of them see 5 x 5 pixels with 18/25 of the weights and one more nonlinearity. The
depth is a line of text: a number is a convolution with so many channels, M halves the picture.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

VGG11 = "64 M 128 M 256 256 M 512 512 M 512 512 M"  # configuration A of table 1
WIDTH = 1 / 8  # of the channels, so that a step takes a fraction of a second

SHAPES = ("disc", "square", "ring", "cross")


def draw(n, size=32):
    """Coloured shapes before a noisy ground; discs are common, crosses rare. images: (n, 3, size, size), labels: (n,)"""
    labels = torch.multinomial(torch.tensor([0.5, 0.25, 0.15, 0.1]), n, replacement=True)
    centre = torch.empty(n, 2, 1, 1).uniform_(11, 21)
    radius = torch.empty(n, 1, 1).uniform_(6, 10)
    rows, columns = torch.arange(size).view(-1, 1), torch.arange(size).view(1, -1)
    dy, dx = (rows - centre[:, 0]).abs(), (columns - centre[:, 1]).abs()  # (n, size, size)
    distance = torch.hypot(dy, dx)
    disc = distance < radius
    square = torch.maximum(dy, dx) < 0.8 * radius
    ring = disc & (distance > 0.6 * radius)
    cross = (torch.minimum(dy, dx) < 0.25 * radius) & (torch.maximum(dy, dx) < radius)
    masks = torch.stack([disc, square, ring, cross], dim=1)  # (n, 4, size, size)
    mask = masks[torch.arange(n), labels].unsqueeze(1)
    colour = torch.rand(n, 3, 1, 1) + 0.3
    return torch.where(mask, colour, torch.zeros(())) + 0.2 * torch.randn(n, 3, size, size), labels


def features(text, width):
    layers, channels = [], 3
    for word in text.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            out = int(int(word) * width)
            layers += [nn.Conv2d(channels, out, 3, padding="same", bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
    return nn.Sequential(*layers), channels


class VGG(nn.Module):
    def __init__(self, text, classes, width=WIDTH, dropout=0.5):
        super().__init__()
        self.features, channels = features(text, width)
        self.classifier = nn.Sequential(
            nn.Linear(channels, 128), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(128, classes),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.1)
                nn.init.zeros_(module.bias)

    def forward(self, x):  # (N, 3, 32, 32): five times halved, one pixel is left
        return F.log_softmax(self.classifier(self.features(x).flatten(1)), dim=1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    images, labels = draw(800)
    counts = torch.bincount(labels, minlength=len(SHAPES))
    # A rare shape is drawn as often as a common one; what imbalance is left, the loss weighs.
    sampler = WeightedRandomSampler((1 / counts[labels]).tolist(), num_samples=800)
    train = DataLoader(TensorDataset(images, labels), batch_size=32, sampler=sampler, drop_last=True)
    model = VGG(VGG11, len(SHAPES))
    criterion = nn.NLLLoss(weight=(counts.sum() / (4 * counts)) ** 0.25)
    optimizer = torch.optim.NAdam(model.parameters(), lr=4e-4, eps=1e-4)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")

    losses = []
    while len(losses) < args.steps:
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=10.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    images, labels = draw(200)
    with torch.no_grad():
        predicted = model(images).argmax(dim=1)
    confusion = torch.bincount(labels * len(SHAPES) + predicted, minlength=len(SHAPES) ** 2).view(len(SHAPES), -1)
    for name, row in zip(SHAPES, confusion.tolist(), strict=True):
        print(f"{name:8s}" + "".join(f"{count:5d}" for count in row))
    print(f"test accuracy {(confusion.trace() / confusion.sum()).item():.3f}")
    return losses


if __name__ == "__main__":
    main()
