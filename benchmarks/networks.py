"""The networks that are trained, written once: each takes the library, minitorch or torch, as its first argument.

MLP          784-256-10
LeNet        two convolutions and three linear layers on 28x28 (LeCun et al., 1998, with ReLU and max pooling)
CIFAR-quick  Caffe's three convolutions with 5x5 kernels on 32x32
ResNet-18    the CIFAR form of K. He et al. (2015): 3x3 stem, no pooling before the stages
GPT-mini     a decoder of 4 pre-norm blocks of width 128 with 4 heads, context 128, 65 characters
ViT-tiny     A. Dosovitskiy et al. (2021) at the width 192 with 12 blocks and 3 heads, patches of 4x4 on 32x32
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def mlp(lib):
    nn = lib.nn
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def lenet(lib):
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def cifar_quick(lib):
    nn = lib.nn
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True)),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, ceil_mode=True)),
        nn.Flatten(),
        *(nn.Linear(1024, 64), nn.Linear(64, 10)),
    )


def resnet18(lib):
    nn, relu = lib.nn, lib.nn.functional.relu

    class Block(nn.Module):
        """relu(x' + bn(conv(relu(bn(conv(x))))))     x' = x, or a 1x1 convolution of it where the shape changes"""

        def __init__(self, wide_in, wide, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(wide_in, wide, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(wide)
            self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(wide)
            self.shortcut = nn.Sequential()
            if stride != 1 or wide_in != wide:
                self.shortcut = nn.Sequential(nn.Conv2d(wide_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

        def forward(self, x):
            y = relu(self.bn1(self.conv1(x)))
            return relu(self.bn2(self.conv2(y)) + self.shortcut(x))

    layers, wide_in = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for wide, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(wide_in, wide, stride), Block(wide, wide, 1)]
        wide_in = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def transformer_block(lib, width: int, heads: int, causal: bool):
    nn, f = lib.nn, lib.nn.functional

    class Block(nn.Module):
        """x + attention(norm(x)), then x + mlp(norm(x)).   x: (N, T, width)"""

        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            n, t, _ = x.shape
            heads_of = (
                part.view(n, t, heads, width // heads).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).split(width, 2)
            )
            attended = f.scaled_dot_product_attention(*heads_of, is_causal=causal)
            x = x + self.project(attended.transpose(1, 2).reshape(n, t, width))
            return x + self.down(f.gelu(self.up(self.norm2(x))))

    return Block()


def gpt_mini(lib, vocabulary: int = 65, context: int = 128, width: int = 128, heads: int = 4, depth: int = 4):
    nn = lib.nn

    class GPT(nn.Module):
        """tokens (N, T) -> logits (N T, vocabulary)"""

        def __init__(self):
            super().__init__()
            self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(transformer_block(lib, width, heads, causal=True) for _ in range(depth)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

        def forward(self, tokens):
            x = self.token(tokens) + self.position(lib.arange(tokens.shape[1]))
            return self.head(self.norm(self.blocks(x))).flatten(0, 1)

    return GPT()


def vit_tiny(lib, width: int = 192, heads: int = 3, depth: int = 12):
    nn = lib.nn

    class ViT(nn.Module):
        """images (N, 3, 32, 32) -> logits (N, 10)"""

        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, width, 4, 4)
            self.cls, self.position = nn.Parameter(lib.zeros(1, 1, width)), nn.Parameter(0.02 * lib.randn(1, 65, width))
            self.blocks = nn.Sequential(*(transformer_block(lib, width, heads, causal=False) for _ in range(depth)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

        def forward(self, images):
            x = self.patches(images).flatten(2).transpose(1, 2)
            x = lib.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.position
            return self.head(self.norm(self.blocks(x))[:, 0])

    return ViT()


@dataclass(frozen=True)
class Network:
    """build: the model. batch: its input's shape; `tokens`: how many kinds, where the input is integers.

    optimizer: its class and arguments.
    """

    build: Callable[[Any], Any]
    batch: tuple[int, ...]
    optimizer: tuple[str, dict[str, Any]]
    classes: int = 10
    tokens: int = 0

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """A batch of inputs and of class numbers (one to each row of the logits), the same for every library."""
        draw = np.random.default_rng(0)
        if self.tokens:
            text = draw.integers(self.tokens, size=(self.batch[0], self.batch[1] + 1))
            return np.ascontiguousarray(text[:, :-1]), text[:, 1:].reshape(-1)
        return draw.standard_normal(self.batch).astype(np.float32), draw.integers(self.classes, size=self.batch[0])


MOMENTUM = ("SGD", dict(lr=0.01, momentum=0.9, weight_decay=1e-4))
NETWORKS: dict[str, Network] = {
    "MLP": Network(mlp, (64, 784), ("SGD", dict(lr=0.1))),
    "LeNet": Network(lenet, (64, 1, 28, 28), MOMENTUM),
    "CIFAR-quick": Network(cifar_quick, (64, 3, 32, 32), MOMENTUM),
    # At a rate of 0.01 the first step more than halves the loss, and the next loss of both libraries differs from that of
    # float64 in the fifth digit: what the rounding of one step becomes in the next grows with the rate.
    "ResNet-18": Network(resnet18, (16, 3, 32, 32), ("SGD", MOMENTUM[1] | dict(lr=0.0002))),
    "GPT-mini": Network(gpt_mini, (8, 128), ("AdamW", dict(lr=1e-3)), tokens=65),
    "ViT-tiny": Network(vit_tiny, (8, 3, 32, 32), ("AdamW", dict(lr=1e-3))),
}

QUICK_NETWORKS = ("MLP", "LeNet", "CIFAR-quick", "GPT-mini")  # a step takes less than half a second on one core


def training_step(network: Network, lib, inputs, targets) -> Callable[[], Any]:
    """A function that does one step (forward, loss, backward, optimizer) and returns the loss."""
    lib.manual_seed(0)
    model = network.build(lib)
    name, options = network.optimizer
    optimizer = getattr(lib.optim, name)(model.parameters(), **options)
    cross_entropy = lib.nn.functional.cross_entropy

    def step():
        loss = cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
