"""MobileNetV2 with the squeeze-and-excitation of V3 (Sandler et al. 2018, "Inverted residuals and linear bottlenecks";
Howard et al. 2019, "Searching for MobileNetV3").

A k x k convolution of C maps into C' costs k^2 C C' products a pixel; a depthwise one followed by a 1 x 1 costs
k^2 C + C C'. The evaluation uses the exponential moving average of the weights, w~ <- d w~ + (1 - d) w, which is
smoother than the weights themselves.
"""

import argparse
import itertools

import torch
import torch.nn as nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 4


def corners(n, size=32):
    """Which quarter holds the odd patch out? images: (n, 3, size, size), labels: (n,) in 0..3"""
    labels = torch.randint(CLASSES, (n,))
    tile = torch.randn(n, 3, 4, 4)
    images = tile.repeat(1, 1, size // 4, size // 4)  # a periodic pattern,
    half = size // 2
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[:, row * half : (row + 1) * half, column * half : (column + 1) * half].neg_()  # negative in one quarter
    return images + 0.5 * torch.randn(n, 3, size, size), labels


def conv_bn(inputs, outputs, kernel, stride=1, groups=1, activation=nn.ReLU6):
    padding = (kernel - 1) // 2
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, activation(inplace=True)) if activation else nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """x * hardsigmoid(W2 relu(W1 mean(x))): every map is turned up or down by what all maps hold (Hu et al. 2018)."""

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // reduction, 1), nn.ReLU(),
            nn.Conv2d(channels // reduction, channels, 1), nn.Hardsigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return x * self.gate(x)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = expand * inputs
        self.body = nn.Sequential(
            conv_bn(inputs, hidden, 1, activation=nn.Hardswish),
            conv_bn(hidden, hidden, 3, stride, groups=hidden, activation=nn.Hardswish),  # depthwise
            SqueezeExcite(hidden),
            conv_bn(hidden, outputs, 1, activation=None),  # linear: a relu would lose what so few maps hold
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet(classes):
    #        channels, stride, expansion
    table = [(8, 1, 1), (12, 2, 4), (12, 1, 4), (16, 2, 4), (16, 1, 4), (24, 2, 4)]
    layers, inputs = [conv_bn(3, 8, 3, stride=1)], 8
    for outputs, stride, expand in table:
        layers.append(InvertedResidual(inputs, outputs, stride, expand))
        inputs = outputs
    layers += [conv_bn(inputs, 64, 1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 4 * 4, classes)]
    return nn.Sequential(*layers)


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(dim=1) == labels).to(images.dtype).mean().item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*corners(640)), batch_size=16, shuffle=True)
    test = corners(100)
    model = mobilenet(CLASSES)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=0.1, momentum=0.9, weight_decay=4e-5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.98**epoch)
    criterion = nn.CrossEntropyLoss()

    losses = []
    while len(losses) < args.steps:
        model.train()
        for images, labels in train:
            loss = criterion(model(images), labels)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            average.update_parameters(model)
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    update_bn(itertools.islice(train, 8), average)  # the averaged weights have statistics of their own
    print(f"test accuracy {accuracy(model, *test):.3f}, of the averaged weights {accuracy(average, *test):.3f}")
    return losses


if __name__ == "__main__":
    main()
