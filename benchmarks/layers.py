"""The convolutions of well-known networks, derived from short descriptions of the networks.

`Walk` goes through a network as its input would: it keeps the channels and the size of the feature map, and notes
each convolution on the way. A layer that comes again, in the same network or in another, is noted once.

    LeNet        Y. LeCun et al., Gradient-based learning applied to document recognition, 1998
    CIFAR-quick  Caffe's cifar10_quick, Y. Jia et al., 2014
    VGG-16       K. Simonyan, A. Zisserman, arXiv 1409.1556, configuration D
    ResNet       K. He et al., arXiv 1512.03385, table 1
    MobileNet    A. Howard et al., arXiv 1704.04861, table 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Layer:
    """A convolution: input (N, channels, *size), weight (out, channels / groups, *kernel)."""

    channels: int
    size: tuple[int, ...]
    out: int
    kernel: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def out_size(self) -> tuple[int, ...]:
        pairs = zip(self.size, self.kernel, strict=True)
        return tuple((n + 2 * self.padding - k) // self.stride + 1 for n, k in pairs)

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.out, self.channels // self.groups, *self.kernel)

    def flops(self, batch: int) -> float:
        """2 N O (C / groups) K L H' W': the same for the output and for both gradients."""
        return 2.0 * batch * prod(self.weight) * prod(self.out_size)

    def numbers(self, batch: int) -> float:
        """Input, weight and output: each of the three passes reads two of them and writes the third."""
        return float(batch * (self.channels * prod(self.size) + self.out * prod(self.out_size)) + prod(self.weight))

    @property
    def name(self) -> str:
        kernel, size = ("x".join(map(str, dims)) for dims in (self.kernel, self.size))
        stride = f" /{self.stride}" if self.stride > 1 else ""
        depthwise = (
            " depthwise" if self.groups == self.channels > 1 else f" in {self.groups} groups" * (self.groups > 1)
        )
        return f"{kernel}{stride}{depthwise} {self.channels}-{self.out} on {size}"


class Walk:
    """Channels and size of the feature map on the way through a network, and the convolutions met."""

    def __init__(self, channels: int, size: int) -> None:
        self.channels, self.size = channels, size
        self.layers: list[Layer] = []

    def conv(self, out: int, kernel: int, stride: int = 1, padding: int | None = None, groups: int = 1) -> Walk:
        """padding: by default as much as keeps the size (for stride 1)."""
        padding = kernel // 2 if padding is None else padding
        layer = Layer(self.channels, (self.size,) * 2, out, (kernel,) * 2, stride, padding, groups)
        self.layers.append(layer)
        self.channels, self.size = out, layer.out_size[0]
        return self

    def branch(self, out: int, kernel: int, stride: int) -> Walk:
        """A convolution beside the main path, which goes on from where it was."""
        channels, size = self.channels, self.size
        self.conv(out, kernel, stride, 0)
        self.channels, self.size = channels, size
        return self

    def pool(self, kernel: int, stride: int, padding: int = 0, up: bool = False) -> Walk:
        """up: the last window may reach over the edge."""
        self.size = (self.size + 2 * padding - kernel + (stride - 1) * up) // stride + 1
        return self


def lenet() -> Walk:
    return Walk(1, 28).conv(6, 5, padding=0).pool(2, 2).conv(16, 5, padding=0).pool(2, 2)


def cifar_quick() -> Walk:
    walk = Walk(3, 32)
    for out in (32, 32, 64):
        walk.conv(out, 5).pool(3, 2, up=True)
    return walk


def vgg16() -> Walk:
    walk = Walk(3, 224)
    for out, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            walk.conv(out, 3)
        walk.pool(2, 2)
    return walk


def resnet(blocks: tuple[int, ...], bottleneck: bool) -> Walk:
    walk = Walk(3, 224).conv(64, 7, 2).pool(3, 2, 1)
    for stage, times in enumerate(blocks):
        width = 64 * 2**stage
        out = 4 * width if bottleneck else width
        for block in range(times):
            stride = 2 if block == 0 and stage > 0 else 1
            if stride > 1 or walk.channels != out:
                walk.branch(out, 1, stride)
            if bottleneck:  # the stride in the 3x3, as torchvision has it
                walk.conv(width, 1).conv(width, 3, stride).conv(out, 1)
            else:
                walk.conv(width, 3, stride).conv(width, 3)
    return walk


def mobilenet() -> Walk:
    walk = Walk(3, 224).conv(32, 3, 2)
    steps = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    for out, stride in steps:
        walk.conv(walk.channels, 3, stride, groups=walk.channels).conv(out, 1)
    return walk


NETWORKS: dict[str, Callable[[], Walk]] = {
    "LeNet": lenet,
    "CIFAR-quick": cifar_quick,
    "ResNet-18": lambda: resnet((2, 2, 2, 2), bottleneck=False),
    "ResNet-50": lambda: resnet((3, 4, 6, 3), bottleneck=True),
    "MobileNet": mobilenet,
    "VGG-16": vgg16,
}

OTHERS: dict[str, list[Layer]] = {
    "1d": [
        Layer(64, (1000,), 64, (3,), padding=1),
        Layer(128, (400,), 128, (9,), padding=4),
        Layer(1, (16000,), 64, (80,), stride=4),
    ],
    "3d": [
        Layer(3, (16, 56, 56), 32, (3, 3, 3), padding=1),
        Layer(32, (8, 28, 28), 32, (3, 3, 3), padding=1),
    ],
}

# Transposed convolutions (the decoders of a DCGAN and of a U-Net), given by the convolution that each is the adjoint of:
# they go from its output back to its input.
TRANSPOSED: list[Layer] = [
    Layer(64, (16, 16), 128, (4, 4), 2, 1),
    Layer(3, (64, 64), 64, (4, 4), 2, 1),
    Layer(64, (56, 56), 128, (2, 2), 2),
]


def distinct(networks: Iterable[str]) -> dict[str, list[Layer]]:
    """The convolutions of each network that none before it has."""
    seen: set[Layer] = set()
    found: dict[str, list[Layer]] = {}
    for network in networks:
        fresh = list(dict.fromkeys(layer for layer in NETWORKS[network]().layers if layer not in seen))
        seen.update(fresh)
        found[network] = fresh
    return found
