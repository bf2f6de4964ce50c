"""A residual network (He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition").

y = relu(x + F(x)): a block learns what to add to its input, so gradients have a way past it. Three refinements of
later years: the last scale of every block starts at zero, so that a block starts as the identity; no weight decay on
scales and biases; a cosine learning rate after a warm-up (He et al. 2019, "Bag of tricks for image classification").
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 5


def textures(n, size=24):
    """Five kinds of correlated noise, told apart by the kernel that blurs them. images: (n, 3, size, size), labels: (n,)"""
    labels = torch.arange(n) % CLASSES
    kernels = torch.stack([
        torch.eye(5) / 2.2,  # stripes downwards
        torch.eye(5).flip(0) / 2.2,  # stripes upwards
        F.pad(torch.ones(5, 1), (2, 2)) / 2.2,  # upright
        F.pad(torch.ones(1, 5), (0, 0, 2, 2)) / 2.2,  # flat
        torch.ones(5, 5) / 5,  # clouds
    ])  # fmt: skip
    noise = torch.randn(n, 3, size + 4, size + 4)
    blurred = F.conv2d(noise.view(1, 3 * n, size + 4, size + 4),
                       kernels[labels].repeat_interleave(3, dim=0).unsqueeze(1), groups=3 * n)  # fmt: skip
    return blurred.view(n, 3, size, size), labels


def flip(images):
    """Turned half the time by 180 degrees, which leaves every texture what it is."""
    turn = torch.rand(len(images), 1, 1, 1) < 0.5
    return torch.where(turn, images.flip(2, 3), images)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.bn2.weight)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:  # option B of the paper: a projection
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.shortcut(x)
        return F.relu_(y)


class ResNet(nn.Module):
    def __init__(self, widths=(16, 32, 64), depth=2, classes=CLASSES):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.stages = nn.ModuleList()
        inputs = widths[0]
        for i, width in enumerate(widths):
            blocks = nn.Sequential()
            for j in range(depth):
                blocks.add_module(f"block{j}", BasicBlock(inputs, width, stride=2 if i > 0 and j == 0 else 1))
                inputs = width
            self.stages.append(blocks)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean(dim=(2, 3)))  # global average pooling: (N, 64, 6, 6) -> (N, 64)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*textures(480)), batch_size=16, shuffle=True)
    test_images, test_labels = textures(100)
    model = ResNet()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 5e-4}, {"params": plain}], lr=0.05, momentum=0.9, nesterov=True
    )
    warmup = max(1, args.steps // 10)
    scheduler = SequentialLR(
        optimizer,
        [LinearLR(optimizer, start_factor=0.1, total_iters=warmup), CosineAnnealingLR(optimizer, args.steps - warmup)],
        milestones=[warmup],
    )

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, labels in train:
            loss = F.cross_entropy(model(flip(images)), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    with torch.no_grad():
        hits = model.eval()(test_images).argmax(1).eq(test_labels)
    by_class = torch.zeros(CLASSES).scatter_add(0, test_labels, hits.to(test_images.dtype)) / (100 / CLASSES)
    print("accuracy by class " + " ".join(f"{a:.2f}" for a in by_class.tolist()))
    print(f"test accuracy {hits.double().mean().item():.3f}")
    return losses


if __name__ == "__main__":
    main()
