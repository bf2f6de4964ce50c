"""A vision Transformer (Dosovitskiy et al. 2021, "An image is worth 16x16 words").

A picture is cut into patches, each projected to a vector; a class token is put before them, positions are added, and
a Transformer encoder does the rest. The attention is written out with einsum. Small data sets need help (Touvron et
al. 2021, "Training data-efficient image transformers"): mixup, x = l x_i + (1 - l) x_j with l ~ Beta(a, a) and the
same for the labels, and stochastic depth, which leaves out whole branches for some of the pictures.
"""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Beta
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 4


def streaks(n, size=24):
    """A bright streak; the class is its direction: flat, upright or along a diagonal. images: (n, 1, size, size), labels: (n,)"""
    labels = torch.randint(CLASSES, (n,))
    directions = torch.tensor([[0, 1], [1, 0], [1, 1], [1, -1]])[labels]  # (n, 2): down, right
    centre = torch.randint(8, size - 8, (n, 2))
    grid = torch.arange(size)
    images = torch.zeros(n, size, size)
    for far in (-6, -4, -2, 0, 2, 4, 6):
        spot = centre + far * directions
        off = (grid - spot.unsqueeze(-1)) ** 2  # (n, 2, size)
        images += torch.exp(-(off[:, 0, :, None] + off[:, 1, None, :]) / 2.0)
    return (images + 0.1 * torch.randn(n, size, size)).unsqueeze(1), labels


class PatchEmbedding(nn.Module):
    """(N, C, H, W) -> (N, patches, width): a convolution with its stride as its size, written as a matrix product"""

    def __init__(self, channels, patch, width):
        super().__init__()
        self.patch = patch
        self.projection = nn.Linear(channels * patch * patch, width)

    def forward(self, x):
        patches = F.unfold(x, kernel_size=self.patch, stride=self.patch)  # (N, C p p, patches)
        return self.projection(patches.mT)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x):
        q, k, v = (layer(x).unflatten(-1, (self.heads, -1)) for layer in (self.query, self.key, self.value))
        scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / math.sqrt(q.shape[-1])
        y = torch.einsum("nhqk,nkhd->nqhd", scores.softmax(dim=-1), v)
        return self.out(y.flatten(-2))


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): 0 for a share p of the examples, x / (1 - p) for the others."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if self.p == 0 or not self.training:
            return x
        kept = x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(1 - self.p)
        return x * kept.div_(1 - self.p)


class Block(nn.Module):
    def __init__(self, width, heads, drop_path):
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads), DropPath(drop_path))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
            DropPath(drop_path),
        )

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.mlp(x)


class ViT(nn.Module):
    def __init__(self, size=24, patch=4, width=48, heads=4, layers=3, drop_path=0.1):
        super().__init__()
        self.patches = PatchEmbedding(1, patch, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*[Block(width, heads, p) for p in torch.linspace(0, drop_path, layers).tolist()])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)
        nn.init.trunc_normal_(self.position, std=0.02)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.zeros_(self.head.weight)

    def forward(self, x):
        x = self.patches(x)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*streaks(640)), batch_size=32, shuffle=True)
    test_images, test_labels = streaks(200)
    model = ViT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=max(1, args.steps // 3), T_mult=2)
    mix = Beta(0.2, 0.2)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, labels in train:
            share = mix.sample()
            order = torch.randperm(len(images))
            targets = F.one_hot(labels, CLASSES).to(images.dtype)
            images = torch.lerp(images[order], images, share)  # share x_i + (1 - share) x_j
            targets = torch.lerp(targets[order], targets, share)
            loss = F.cross_entropy(model(images), targets)  # probabilities as targets
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    with torch.no_grad():
        predicted = model(test_images).argmax(dim=-1)
    print(f"test accuracy {torch.eq(predicted, test_labels).to(images.dtype).mean().item():.3f}")
    nearest = F.cosine_similarity(model.position[0, 15], model.position[0, 1:], dim=-1).topk(3).indices
    print(f"the positions most like the one of patch 14: {sorted(nearest.tolist())}")
    return losses


if __name__ == "__main__":
    main()
