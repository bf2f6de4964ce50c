"""DenseNet (Huang, Liu, van der Maaten and Weinberger 2017, "Densely connected convolutional networks").

Every layer of a block sees all maps before it: x_l = H_l([x_0, x_1, ..., x_{l-1}]). H is norm-relu-conv twice: first
1 x 1 to four times the growth rate (the bottleneck), then 3 x 3 to the growth rate. The concatenations make memory
the bottleneck, so H's first half is not kept but computed again in the backward pass (Pleiss et al. 2017,
"Memory-efficient implementation of DenseNets"): `torch.utils.checkpoint`.

The task is regression: how many blobs of light are in the picture, and where is their centre of mass?
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset


def blobs(n, size=24, most=5):
    """images: (n, 1, size, size) with 1 to `most` Gaussian blobs; targets: (n, 3), count and centre, all in [0, 1]"""
    count = torch.randint(1, most + 1, (n, 1))
    shown = torch.arange(most) < count  # (n, most)
    place = torch.rand(n, most, 2)
    grid = (torch.arange(size) + 0.5) / size
    down = torch.exp(-0.5 * ((grid - place[..., :1]) / 0.06) ** 2)  # (n, most, size)
    right = torch.exp(-0.5 * ((grid - place[..., 1:]) / 0.06) ** 2)
    images = torch.einsum("nk,nky,nkx->nyx", shown.to(place.dtype), down, right)
    centre = (place * shown.unsqueeze(-1)).sum(1) / count
    return images.unsqueeze(1) + 0.05 * torch.randn(n, 1, size, size), torch.cat([count / most, centre], dim=1)


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth, dropout):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = dropout

    def bottleneck(self, *maps):
        return self.conv1(F.relu(self.norm1(torch.cat(maps, dim=1))))

    def forward(self, maps):
        if self.training:
            y = checkpoint(self.bottleneck, *maps, use_reentrant=False)
        else:
            y = self.bottleneck(*maps)
        y = self.conv2(F.relu(self.norm2(y)))
        return F.dropout(y, p=self.dropout, training=self.training)


class DenseBlock(nn.ModuleList):
    def __init__(self, inputs, layers, growth, dropout):
        super().__init__(DenseLayer(inputs + i * growth, growth, dropout) for i in range(layers))

    def forward(self, x):
        maps = [x]
        for layer in self:
            maps.append(layer(maps))
        return torch.cat(maps, dim=1)


class DenseNet(nn.Module):
    def __init__(self, outputs, growth=8, layers=(3, 3, 3), dropout=0.1, compression=0.5):
        super().__init__()
        channels = 2 * growth
        parts = [nn.Conv2d(1, channels, 3, padding=1, bias=False)]
        for i, depth in enumerate(layers):
            parts.append(DenseBlock(channels, depth, growth, dropout))
            channels += depth * growth
            if i < len(layers) - 1:  # the transition: fewer maps, half the size
                fewer = int(compression * channels)
                parts += [
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, fewer, 1, bias=False),
                    nn.AvgPool2d(2),
                ]
                channels = fewer
        self.features = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, outputs)

    def forward(self, x):
        return torch.sigmoid(self.head(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*blobs(320)), batch_size=16, shuffle=True)
    test_images, test_targets = blobs(100)
    model = DenseNet(outputs=3)
    criterion = nn.SmoothL1Loss(beta=0.1)
    optimizer = torch.optim.Adamax(model.parameters(), lr=2e-3, eps=1e-2)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, targets in train:
            optimizer.zero_grad()
            loss = criterion(model(images), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    with torch.no_grad():
        predicted = model(test_images)
    error = (predicted - test_targets).abs().mean(dim=0)
    print(f"mean error: count {5 * error[0].item():.2f}, centre {24 * error[1:].mean().item():.2f} pixels")
    return losses


if __name__ == "__main__":
    main()
