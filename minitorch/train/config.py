"""What a training run is: its options, and the tables of what can be chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from .. import nn, optim
from ..models import MLP, VGG, CIFARQuick, LeNet
from ..models.resnet import cifar_resnet, resnet
from ..vision.datasets import CIFAR10, MNIST, Digits, FashionMNIST, SingleShapes

DATASETS: dict[str, type] = {
    "digits": Digits,
    "shapes": SingleShapes,
    "mnist": MNIST,
    "fashion-mnist": FashionMNIST,
    "cifar10": CIFAR10,
}
AT_HAND = (Digits, SingleShapes)  # shipped, or generated: there is nothing to download


def small_vgg(depth: int, channels: int, classes: int) -> VGG:
    """VGG for 32x32 pixels: batch norm, a quarter of the channels, and one pixel left for the linear layers."""
    widths = (16, 32, 64, 128, 128)
    return VGG(depth, classes, batch_norm=True, in_channels=channels, widths=widths, hidden=128, pooled=1)


def at_least_32(side: int, model: nn.Module) -> nn.Module:
    """Five stages halve the image five times: smaller ones get a border of zeros first."""
    return model if side >= 32 else nn.Sequential(nn.ZeroPad2d((33 - side) // 2), model)


# name -> model for images (channels, side, side) and a number of classes
MODELS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "lenet": LeNet,
    "cifar-quick": CIFARQuick,
    "resnet-8": lambda channels, side, classes: cifar_resnet(8, classes, in_channels=channels),
    "resnet-20": lambda channels, side, classes: cifar_resnet(20, classes, in_channels=channels),
    "resnet-18": lambda channels, side, classes: resnet(18, classes, in_channels=channels, small_images=True),
    "vgg-11": lambda channels, side, classes: at_least_32(side, small_vgg(11, channels, classes)),
    "vgg-16": lambda channels, side, classes: at_least_32(side, small_vgg(16, channels, classes)),
    "mlp": lambda channels, side, classes: MLP(channels * side * side, (256, 128), classes),
    "linear": lambda channels, side, classes: MLP(channels * side * side, (), classes),
}

# name -> (optimizer, its default learning rate here)
OPTIMIZERS: dict[str, tuple[Callable[..., optim.Optimizer], float]] = {
    "sgd": (optim.SGD, 0.03),
    "adam": (optim.Adam, 0.002),
    "adamw": (optim.AdamW, 0.002),
}
SCHEDULES = ("cosine", "constant")
KERNELS = ("auto", "numba", "numpy")


@dataclass(frozen=True)
class TrainConfig:
    """The options of a run; with code, data and processor they determine every bit of the result."""

    model: str = "lenet"
    dataset: str = "digits"
    epochs: int = 15
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    shift: int = 2
    seed: int = 0
    kernels: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (
            ("model", MODELS),
            ("dataset", DATASETS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("kernels", KERNELS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if self.momentum is not None and self.optimizer != "sgd":
            raise ValueError(f"momentum is an option of sgd; {self.optimizer} has none")
        for name, least in (("epochs", 1), ("batch_size", 1), ("shift", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @property
    def initial_lr(self) -> float:
        return OPTIMIZERS[self.optimizer][1] if self.lr is None else self.lr

    def make_optimizer(self, model: nn.Module) -> optim.Optimizer:
        options: dict[str, Any] = {"lr": self.initial_lr}
        if self.optimizer == "sgd":
            options["momentum"] = 0.9 if self.momentum is None else self.momentum
        if self.weight_decay is not None:
            options["weight_decay"] = self.weight_decay
        return OPTIMIZERS[self.optimizer][0](model.parameters(), **options)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, options: dict[str, Any]) -> TrainConfig:
        """From `as_dict`'s result; ValueError for options that this version does not know."""
        unknown = set(options) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown options: {', '.join(sorted(unknown))}")
        return cls(**options)
