"""A label for every pixel: U-Net on the world of shapes."""

from __future__ import annotations

import numpy as np

import minitorch
from minitorch import Tensor, from_numpy, nn, no_grad
from minitorch.models import UNet
from minitorch.nn import functional as F
from minitorch.vision.datasets import Shapes
from minitorch.vision.datasets.shapes import KINDS

from .system import Reached, system
from .training import EVALUATION_BATCH, batches, fit, pixels_of

CLASSES = len(KINDS) + 1  # 0 for the ground


def scenes(count: int, seed: int, side: int) -> tuple[Tensor, Tensor]:
    """images float32 (count, 3, side, side) about 0; classes int64 (count, side, side): 0, or kind + 1."""
    world = Shapes(count, seed, side).scenes
    classes = [np.append(0, scene.labels + 1)[scene.segmentation()] for scene in world]
    return pixels_of(world), from_numpy(np.stack(classes))


@no_grad()
def mean_iou(model: nn.Module, images: Tensor, classes: Tensor) -> tuple[float, list[float]]:
    """IoU_c = |pixels called c that are c| / |pixels called c or that are c|, over all images; their mean, and each."""
    model.eval()
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    for x, y in batches([images, classes], EVALUATION_BATCH, shuffled=False):
        np.add.at(counts, (y.numpy(), model(x).argmax(1).numpy()), 1)
    both = counts.diagonal()
    each = both / np.maximum(counts.sum(0) + counts.sum(1) - both, 1)
    return float(each.mean()), each.tolist()


@system(
    metric="mean IoU of the ground and six kinds of shapes, over the pixels of 200 test scenes",
    at_least=0.8,
    baseline="one 5x5 convolution, trained alike",
)
def unet(
    seed: int = 0,
    images: int = 800,
    side: int = 48,
    width: int = 8,
    epochs: int = 6,
    batch_size: int = 8,
    lr: float = 0.005,
) -> Reached:
    """U-Net: which pixels belong to which kind of shape."""
    train, test = scenes(images, seed, side), scenes(200, seed + 1, side)

    def learn(model: nn.Module) -> tuple[list[float], float, list[float]]:
        losses = fit(model, lambda x, y: F.cross_entropy(model(x), y), train, epochs, batch_size, lr)
        return losses, *mean_iou(model, *test)

    minitorch.manual_seed(seed)
    losses, value, each = learn(UNet(3, CLASSES, widths=(width, 2 * width, 4 * width)))
    _, baseline, _ = learn(nn.Conv2d(3, CLASSES, 5, padding=2))
    named = dict(zip(("ground", *KINDS), each, strict=True))
    return Reached(value, baseline, {"train loss": losses, "IoU": named})
