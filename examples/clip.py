"""Contrastive learning of pictures and captions (Radford et al. 2021, "Learning transferable visual models from natural
language supervision").

N pictures and their N captions are embedded on the unit sphere. In the N x N matrix of scaled cosines
    logits = exp(s) I T^t
each row should be highest on the diagonal, and each column too: the loss is the mean of both cross-entropies (Oord et
al. 2018, InfoNCE). Classes never seen as labels are then told by writing them as captions.
"""

import argparse
import itertools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
SHAPES = ("square", "disc", "bar")
PLACES = ("left", "right")
KINDS = list(itertools.product(COLOURS, SHAPES, PLACES))  # 24
WORDS = ["<pad>", "a", "on", "the", *COLOURS, *SHAPES, *PLACES]
TEMPLATES = ("a {0} {1} on the {2}", "on the {2} a {0} {1}", "{0} {1} {2}")


def tokens(text, length=6):
    indices = [WORDS.index(word) for word in text.split()]
    return torch.tensor(indices + [0] * (length - len(indices)))


def picture(colour, shape, place, size=16):
    """(3, size, size)"""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    column = (3 if place == "left" else 11) + torch.randint(-1, 2, ()).item()
    row = torch.randint(5, 11, ()).item()
    dy, dx = (y - row).abs(), (x - column).abs()
    inside = {"square": (dy < 3) & (dx < 3), "disc": dy**2 + dx**2 < 8, "bar": (dy < 1) & (dx < 4)}[shape]
    return inside * torch.tensor(COLOURS[colour]).view(3, 1, 1) + 0.2 * torch.randn(3, size, size)


class Captioned(Dataset):
    def __init__(self, n):
        kinds = torch.randint(len(KINDS), (n,)).tolist()
        self.pictures = torch.stack([picture(*KINDS[kind]) for kind in kinds])
        written = torch.randint(len(TEMPLATES), (n,)).tolist()
        self.captions = torch.stack(
            [tokens(TEMPLATES[t].format(*KINDS[kind])) for t, kind in zip(written, kinds, strict=True)]
        )
        self.kinds = kinds

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        return self.pictures[i], self.captions[i], self.kinds[i]


class ImageEncoder(nn.Sequential):
    def __init__(self, width):
        super().__init__(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.GroupNorm(4, 16), nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.GELU(),
            nn.Flatten(), nn.Linear(32 * 4 * 4, width),
        )  # fmt: skip


class TextEncoder(nn.Module):
    def __init__(self, width, heads=2, dropout=0.1):
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), width, padding_idx=0)
        self.position = nn.Embedding(6, width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.projection = nn.Linear(width, width)

    def forward(self, captions):  # (N, L)
        x = self.embedding(captions) + self.position(torch.arange(captions.shape[1]))
        padded = captions == 0
        y, _ = self.attention(x, x, x, key_padding_mask=padded, need_weights=False)
        y = self.norm(x + y).masked_fill(padded.unsqueeze(-1), 0)
        return self.projection(y.sum(dim=1) / (~padded).sum(dim=1, keepdim=True))  # the mean of the words


class CLIP(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.image, self.text = ImageEncoder(width), TextEncoder(width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, pictures, captions):
        """-> logits (N pictures, M captions)"""
        i = F.normalize(self.image(pictures), dim=-1)
        t = F.normalize(self.text(captions), dim=-1)
        return self.log_scale.exp() * i @ t.T


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(Captioned(640), batch_size=32, shuffle=True, drop_last=True)
    test = Captioned(96)
    model = CLIP()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-5, weight_decay=0.1)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for pictures, captions, kinds in train:
            logits = model(pictures, captions)
            # the same thing may occur twice in a batch: every picture of a kind fits every caption of it
            same = (kinds.unsqueeze(0) == kinds.unsqueeze(1)).to(logits.dtype)
            target = same / same.sum(dim=1, keepdim=True)
            loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                model.log_scale.clamp_(0, math.log(100))
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    prompts = torch.stack([tokens("a {} {} on the {}".format(*kind)) for kind in KINDS])
    with torch.no_grad():
        told = model(test.pictures, prompts).argmax(dim=1).tolist()
    right = [
        [a == b for a, b in zip(KINDS[guess], KINDS[kind], strict=True)]
        for guess, kind in zip(told, test.kinds, strict=True)
    ]
    shares = torch.tensor(right).double().mean(dim=0).tolist()
    print(f"by captions alone: colour {shares[0]:.3f} shape {shares[1]:.3f} place {shares[2]:.3f}")
    print(f"scale {model.log_scale.exp().item():.2f}")
    return losses


if __name__ == "__main__":
    main()
