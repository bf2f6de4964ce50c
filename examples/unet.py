"""U-Net marks every pixel (Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical image
segmentation").

Down: convolve, halve. Up: double (transposed convolution), join with the maps of the same size from the way down,
convolve. The loss is the cross-entropy of each pixel, weighted, plus one minus the Dice overlap
2 |A n B| / (|A| + |B|), which does not care how small the cells are (Milletari et al. 2016, "V-Net").
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def cells(n, size=36, most=4):
    """Bright ellipses under uneven light. images: (n, 1, size, size), masks: the same shape, 0 or 1"""
    centre = torch.empty(n, most, 2, 1, 1).uniform_(4, size - 4)
    radii = torch.empty(n, most, 2, 1, 1).uniform_(2.5, 6)
    tilt = torch.pi * torch.rand(n, most, 1, 1)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    dy, dx = y - centre[:, :, 0], x - centre[:, :, 1]  # (n, most, size, size)
    u = dy * tilt.cos() + dx * tilt.sin()
    v = dx * tilt.cos() - dy * tilt.sin()
    masks = ((u / radii[:, :, 0]) ** 2 + (v / radii[:, :, 1]) ** 2 < 1).any(dim=1, keepdim=True).to(tilt.dtype)
    light = F.interpolate(torch.rand(n, 1, 3, 3), size=(size, size), mode="bicubic", align_corners=True)
    return 0.8 * masks + light + 0.3 * torch.randn(n, 1, size, size), masks


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=False), nn.GroupNorm(4, outputs), nn.ELU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, padding_mode="reflect", bias=False), nn.GroupNorm(4, outputs), nn.ELU(),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self, widths=(8, 16, 32), dropout=0.2):
        super().__init__()
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip((1, *widths), widths, strict=False))
        self.dropout = nn.Dropout2d(dropout)  # whole maps at the deepest place
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (32, 16), (16, 8)
        self.widen = nn.ModuleList(nn.ConvTranspose2d(a, b, kernel_size=2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(DoubleConv(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], 1, kernel_size=1)

    def forward(self, x):
        kept = []
        for block in self.down[:-1]:
            x = block(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.dropout(self.down[-1](x))
        for widen, block in zip(self.widen, self.up, strict=True):
            x = block(torch.cat([kept.pop(), widen(x)], dim=1))
        return self.head(x)  # logits (N, 1, H, W)


def soft_dice(logits, masks, smooth=1.0):
    """1 - 2 |A n B| / (|A| + |B|) of each picture, with probabilities in the place of 0 and 1. Mean over the batch."""
    p, m = logits.sigmoid().flatten(1), masks.flatten(1)
    return (1 - (2 * (p * m).sum(1) + smooth) / (p.sum(1) + m.sum(1) + smooth)).mean()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*cells(160)), batch_size=8, shuffle=True)
    test_images, test_masks = cells(40)
    model = UNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3, amsgrad=True)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)

    losses = []
    while len(losses) < args.steps:
        model.train()
        total = 0.0
        for images, masks in train:
            logits = model(images)
            near = F.max_pool2d(masks, 5, stride=1, padding=2)  # 1 on the cells and two pixels around them
            loss = F.binary_cross_entropy_with_logits(logits, masks, weight=1 + near) + soft_dice(logits, masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            total += losses[-1]
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break
        scheduler.step(total)

    model.eval()
    with torch.no_grad():
        found = model(test_images) > 0
        truth = test_masks.bool()
        union = (found | truth).sum(dim=(1, 2, 3))
        overlap = (found & truth).sum(dim=(1, 2, 3)) / union.clamp_min(1)
    print(f"intersection over union: mean {overlap.mean().item():.3f} median {overlap.median().item():.3f}")
    print(f"learning rate {optimizer.param_groups[0]['lr']:.1e}")
    return losses


if __name__ == "__main__":
    main()
