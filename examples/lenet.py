"""LeNet-5 reads digits (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition").

The network keeps what was peculiar to 1998: tanh, average pooling with a learned scale and bias for each map, and a
table that says which maps of the second layer look at which of the first. The digits are those of a seven-segment
display, drawn with random thickness, shifted, blurred and noisy.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

#   0
# 1   2     the seven segments, each as (rows, columns) of a 20 x 12 box
#   3
# 4   5
#   6
SEGMENTS = [((0, 2), (0, 12)), ((0, 10), (0, 2)), ((0, 10), (10, 12)), ((9, 11), (0, 12)),
            ((10, 20), (0, 2)), ((10, 20), (10, 12)), ((18, 20), (0, 12))]  # fmt: skip
DIGITS = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011"]


class SegmentDigits(Dataset):
    """image: (1, 32, 32), label: 0 to 9; the i-th example is the same whenever it is asked for."""

    def __init__(self, n, seed):
        generator = torch.Generator().manual_seed(seed)
        self.labels = torch.randint(10, (n,), generator=generator)
        self.images = torch.zeros(n, 1, 32, 32)
        for image, label in zip(self.images, self.labels.tolist(), strict=True):
            down, right = torch.randint(-4, 5, (2,), generator=generator).tolist()
            for lit, ((top, bottom), (left, end)) in zip(DIGITS[label], SEGMENTS, strict=True):
                if lit == "1":
                    image[0, 6 + top : 6 + bottom, 10 + left : 10 + end] = 1.0  # writes into self.images
            image.copy_(image.roll((down, right), dims=(1, 2)))
        self.images = F.avg_pool2d(self.images, 3, stride=1, padding=1)
        self.images += 0.3 * torch.randn(self.images.shape, generator=generator)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], self.labels[i]


class Subsampling(nn.Module):
    """S2 and S4: the mean of 2 x 2 pixels, times a weight and plus a bias of its own for each map."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):  # (N, C, H, W) -> (N, C, H/2, W/2)
        return F.avg_pool2d(x, 2) * self.weight + self.bias


class PartlyConnected(nn.Conv2d):
    """C3: a convolution whose output maps each see some of the input maps only (table I of the paper)."""

    TABLE = ["012", "123", "234", "345", "450", "501", "0123", "1234", "2345", "3450", "4501", "5012", "0134", "1245",
             "0235", "012345"]  # fmt: skip

    def __init__(self):
        super().__init__(6, 16, 5)
        mask = torch.zeros(16, 6, 1, 1)
        for out, sees in enumerate(self.TABLE):
            mask[out, [int(i) for i in sees]] = 1
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias)


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.s2 = nn.Conv2d(1, 6, 5), Subsampling(6)
        self.c3, self.s4 = PartlyConnected(), Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6, self.output = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):  # (N, 1, 32, 32)
        x = torch.tanh(self.s2(self.c1(x)))  # (N, 6, 14, 14)
        x = torch.tanh(self.s4(self.c3(x)))  # (N, 16, 5, 5)
        x = torch.tanh(self.c5(x)).flatten(start_dim=1)  # (N, 120)
        return self.output(torch.tanh(self.f6(x)))  # (N, 10)


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = sum((model(images).argmax(dim=-1) == labels).sum() for images, labels in loader)
    return hits.item() / len(loader.dataset)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(SegmentDigits(640, seed=1), batch_size=32, shuffle=True)
    test = DataLoader(SegmentDigits(200, seed=2), batch_size=100)
    model = LeNet5()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, labels in train:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break
        scheduler.step()
    print(f"test accuracy {accuracy(model, test):.3f}")
    return losses


if __name__ == "__main__":
    main()
