"""ResNet: residual networks (残差网络), in which every block learns what to add to its input.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (CVPR 2016), sections 3 and 4, table 1; names of
parameters and initial weights as in torchvision, so that its checkpoints load. As there, the bottleneck's 3x3
convolution takes the stride, and not the first 1x1.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)  # the batch norm behind has the bias


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The shortcut's map W_s where the shape changes (equation 2): 1x1 convolution; None where the identity fits."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))


class BasicBlock(nn.Module):
    """y = relu(F(x) + W_s x), F = bn(conv3x3(relu(bn(conv3x3(x))))): (N, in_channels, H, W) -> (N, width, H/s, W/s).

    W_s is the identity (identity mapping) wherever input and output have one shape. Through the sum the gradient of y
    reaches x unchanged, beside what F makes of it: dL/dx = dL/dy (W_s + dF/dx) where relu passes. `shortcut=False`
    gives the plain network that the paper compares with: y = relu(F(x)).
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: bool = True):
        super().__init__()
        self.shortcut = shortcut
        self.conv1 = conv3x3(in_channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(in_channels, width, stride) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + skipped(self, x))


class Bottleneck(nn.Module):
    """y = relu(F(x) + W_s x), F = 1x1 to `width`, 3x3, 1x1 to 4 `width`: (N, in_channels, H, W) -> (N, 4 width, H/s, W/s).

    The costly 3x3 works on a quarter of the channels (figure 5).
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1, shortcut: bool = True):
        super().__init__()
        self.shortcut = shortcut
        self.conv1 = conv1x1(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, width * self.expansion)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(in_channels, width * self.expansion, stride) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + skipped(self, x))


Block = BasicBlock | Bottleneck


def skipped(block: Block, x: Tensor) -> Tensor | float:
    """What the shortcut of `block` adds to its F(x)."""
    if not block.shortcut:
        return 0.0
    return x if block.downsample is None else block.downsample(x)


# depth -> block, blocks per stage (table 1); the depth counts the convolutions of F, the first one and the linear layer
DEPTHS: dict[int, tuple[type[Block], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}


class ResNet(nn.Module):
    """(N, 3, H, W) -> logits (N, num_classes).

        conv 7x7, stride 2; batch norm; ReLU; max pool 3x3, stride 2   (N, 64, H / 4, W / 4)
        four stages of blocks; all but the first begin with stride 2   (N, 512 * expansion, H / 32, W / 32)
        the mean of each channel; linear                               (N, num_classes)

    `widths` and `blocks` give other sizes; `small_images=True` begins with a 3x3 convolution and no pooling, for 32x32
    pixels (section 4.2); `shortcut=False` is the plain network of the same depth.
    """

    def __init__(
        self,
        block: type[Block],
        blocks: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512),
        small_images: bool = False,
        shortcut: bool = True,
    ):
        super().__init__()
        self.conv1: nn.Conv2d
        self.maxpool: nn.Module
        if small_images:
            self.conv1 = conv3x3(in_channels, widths[0])
        else:
            self.conv1 = nn.Conv2d(in_channels, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        channels = widths[0]
        self.stage_names = [f"layer{k + 1}" for k in range(len(blocks))]
        for k, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            layers = []
            for i in range(count):
                layers.append(block(channels, width, 2 if k > 0 and i == 0 else 1, shortcut))
                channels = width * block.expansion
            self.add_module(self.stage_names[k], nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
        return self.fc(self.avgpool(x).flatten(1))


def resnet(depth: int, num_classes: int = 1000, **options) -> ResNet:
    """ResNet-18, -34 or -50 of table 1; `options` as for `ResNet`. ValueError for another depth."""
    if depth not in DEPTHS:
        raise ValueError(f"resnet: depth must be one of {', '.join(map(str, DEPTHS))}, not {depth}")
    block, blocks = DEPTHS[depth]
    return ResNet(block, blocks, num_classes, **options)


def cifar_resnet(
    depth: int, num_classes: int = 10, width: int = 16, in_channels: int = 3, shortcut: bool = True
) -> ResNet:
    """The network for 32x32 images of section 4.2: three stages of n basic blocks, depth = 6 n + 2 (20, 32, 44, 56, 110).

    Its shortcuts between stages are projections (option B). ValueError for another depth.
    """
    count, rest = divmod(depth - 2, 6)
    if rest or count < 1:
        raise ValueError(f"cifar_resnet: depth must be 6 n + 2, not {depth}")
    widths = (width, 2 * width, 4 * width)
    return ResNet(BasicBlock, [count] * 3, num_classes, in_channels, widths, small_images=True, shortcut=shortcut)


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """The Euclidean norm of the gradient of each convolution's weight, from the first layer to the last."""
    return {
        name: float(layer.weight.grad.norm())
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and layer.weight.grad is not None
    }
