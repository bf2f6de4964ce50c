"""Where is what: SSD on the world of shapes."""

from __future__ import annotations

import minitorch
from minitorch import Tensor, from_numpy, no_grad
from minitorch.models import SSD
from minitorch.models.average_precision import Objects, mean_average_precision
from minitorch.models.ssd import multibox_loss, training_targets
from minitorch.vision.datasets import Shapes
from minitorch.vision.datasets.shapes import KINDS

from .system import Reached, system
from .training import EVALUATION_BATCH, fit, pixels_of


def scenes(count: int, seed: int, side: int) -> tuple[Tensor, list[Objects]]:
    """images float32 (count, 3, side, side) about 0, and what is in each; boxes in the unit square."""
    world = Shapes(count, seed, side).scenes
    true = [Objects(from_numpy(scene.boxes / side), from_numpy(scene.labels)) for scene in world]
    return pixels_of(world), true


@no_grad()
def detections(model: SSD, images: Tensor) -> list[Objects]:
    model.eval()
    return [found for part in images.split(EVALUATION_BATCH) for found in model.detect(part)]


@system(
    metric="mean average precision at IoU 0.5, on 200 test scenes",
    at_least=0.8,
    baseline="the same network before training",
)
def ssd(
    seed: int = 0,
    images: int = 1000,
    side: int = 64,
    width: int = 8,
    epochs: int = 20,
    batch_size: int = 16,
    lr: float = 0.004,
) -> Reached:
    """SSD: boxes and kinds of the shapes in a scene."""
    train, true = scenes(images, seed, side)
    test, test_true = scenes(200, seed + 1, side)
    minitorch.manual_seed(seed)
    model = SSD(len(KINDS), side, widths=(width, 2 * width, 4 * width, 8 * width, 8 * width))
    baseline = mean_average_precision(detections(model, test), test_true)
    classes, offsets = training_targets(model.anchors, true)

    def loss(x: Tensor, wanted: Tensor, wanted_offsets: Tensor) -> Tensor:
        return multibox_loss(*model(x), wanted, wanted_offsets)

    losses = fit(model, loss, [train, classes, offsets], epochs, batch_size, lr)
    found = detections(model, test)
    at = {f"mAP at IoU {t}": mean_average_precision(found, test_true, t) for t in (0.5, 0.75)}
    details = {"train loss": losses, "anchors": len(model.anchors)} | at
    return Reached(at["mAP at IoU 0.5"], baseline, details)
