"""AlexNet (Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks").

Five convolutions, of which three are split in two groups (the paper's two GPUs), local response normalisation,
overlapping 3 x 3 pooling with stride 2, dropout 0.5 before the two wide layers: the paper's network with a sixth of
its channels, for pictures of 64 x 64. The task is to tell gratings by their direction, in any colour.
"""

import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

DIRECTIONS = 6


class Gratings(Dataset):
    """Stripes in one of six directions, of random colour, frequency and phase. image: (3, 64, 64), label: the direction"""

    def __init__(self, n, size=64):
        self.labels = torch.arange(n) % DIRECTIONS
        angle = torch.pi * self.labels / DIRECTIONS
        frequency = 0.3 + 0.4 * torch.rand(n)
        phase = 2 * torch.pi * torch.rand(n)
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        along = angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y  # (n, size, size)
        stripes = (frequency[:, None, None] * along + phase[:, None, None]).sin()
        self.images = (0.5 + torch.rand(n, 3, 1, 1)) * stripes.unsqueeze(1) + 0.3 * torch.randn(n, 3, size, size)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i], self.labels[i]


def two_views(images):
    """The paper's augmentation: a random crop of 56 x 56 of each batch, and another intensity for each picture."""
    top, left = torch.randint(0, 9, (2,)).tolist()
    images = images[..., top : top + 56, left : left + 56]
    return images * torch.empty(len(images), 1, 1, 1).uniform_(0.8, 1.2)


class AlexNet(nn.Module):
    def __init__(self, classes, dropout=0.5):
        super().__init__()
        lrn = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}  # section 3.3
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=11, stride=2, padding=5), nn.ReLU(inplace=True),
            nn.LocalResponseNorm(**lrn), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(16, 42, kernel_size=5, padding=2, groups=2), nn.ReLU(inplace=True),
            nn.LocalResponseNorm(**lrn), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(42, 64, kernel_size=3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, kernel_size=3, padding=1, groups=2), nn.ReLU(inplace=True),
            nn.Conv2d(64, 42, kernel_size=3, padding=1, groups=2), nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )  # fmt: skip
        self.average = nn.AdaptiveAvgPool2d(2)  # whatever the picture's size, (N, 42, 2, 2)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(42 * 2 * 2, 128), nn.ReLU(inplace=True),
            nn.Dropout(dropout), nn.Linear(128, 128), nn.ReLU(inplace=True),
            nn.Linear(128, classes),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight, gain=nn.init.calculate_gain("relu"))
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(torch.flatten(self.average(self.features(x)), 1))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(Gratings(240), batch_size=16, shuffle=True)
    test = Gratings(60)
    model = AlexNet(DIRECTIONS)
    # section 5: momentum 0.9, weight decay 0.0005, the learning rate divided by 10 when progress stops
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[args.steps // 2, 3 * args.steps // 4])
    criterion = nn.CrossEntropyLoss()

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, labels in train:
            loss = criterion(model(two_views(images)), labels)
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    with torch.inference_mode():
        scores = torch.softmax(model(test.images), dim=1)
        top = scores.topk(2, dim=1).indices  # (60, 2): the paper counts the best and the best five guesses
        right = top == test.labels.unsqueeze(1)
    print(f"top-1 error {1 - right[:, 0].double().mean().item():.3f}")
    print(f"top-2 error {1 - right.any(dim=1).double().mean().item():.3f}")
    return losses


if __name__ == "__main__":
    main()
