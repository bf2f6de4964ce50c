"""Inference cost: int8 weights and activations, and pruning, against the float model's accuracy."""

from __future__ import annotations

import copy

from minitorch import nn, no_grad, optim
from minitorch.models.cost import flops, latency, state_bytes
from minitorch.models.pruning import Masks, apply_masks, magnitude_masks
from minitorch.models.quantisation import quantise
from minitorch.nn import functional as F
from minitorch.train import TrainConfig, Training

from .images import trained
from .system import Reached, system
from .training import accuracy, batches

SHARES = (0.5, 0.7, 0.8, 0.9, 0.95)


@system(
    metric="accuracy of the int8 model less that of the float model, in points of 100, on the held-out digits",
    at_least=-1.0,
    baseline="the same difference for LeNet with 2-bit weights: rounded to -1, 0, 1 times a scale for each channel",
)
def int8(seed: int = 0, epochs: int = 10, calibration: int = 256, retrain_lr: float = 0.0005) -> Reached:
    """LeNet in 8 bits, and with weights left out."""
    training, reached = trained(TrainConfig(epochs=epochs, seed=seed))
    data, model = training.data, training.model.eval()
    x, y = training.normalise(data.test_images.float()), data.test_labels
    full = accuracy(model, x, y)
    known = training.normalise(data.train_images[:calibration].float())
    eight = quantise(model, [known], integer=True)
    details = {
        "float accuracy": full,
        "int8 accuracy": accuracy(eight, x, y),
        "float bytes": state_bytes(model),
        "int8 bytes": state_bytes(eight),
        "flops": flops(model, x[:1]),
        "pruning": pruning_curve(training, retrain_lr),
    }
    batch_sizes = (1, 2, 4, 8, 16, 32, 64, 128)
    rows = {"float": latency(model, x[:1], batch_sizes), "int8": latency(eight, x[:1], batch_sizes[:5], repeats=5)}
    details["latency"] = {
        kind: [{"batch": row.batch, "seconds": row.seconds} for row in found] for kind, found in rows.items()
    }
    coarse = accuracy(ternary(model), x, y)
    return Reached(100 * (details["int8 accuracy"] - full), 100 * (coarse - full), details)


@no_grad()
def ternary(model: nn.Module) -> nn.Module:
    """A copy whose weights are scale_k * round(w / scale_k), scale_k = max |w_k|: three values for each channel."""
    rounded = copy.deepcopy(model)
    for layer in rounded.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            scale = layer.weight.flatten(1).abs().max(1).values.reshape(-1, *[1] * (layer.weight.dim() - 1))
            layer.weight.copy_((layer.weight / scale).round() * scale)
    return rounded


def pruning_curve(training: Training, lr: float) -> list[dict[str, float]]:
    """For each share of weights left out: test accuracy as they are, and after one more epoch with the rest."""
    data = training.data
    x, y = training.normalise(data.test_images.float()), data.test_labels
    curve = []
    for share in SHARES:
        model = copy.deepcopy(training.model)
        masks = magnitude_masks(model, share)
        apply_masks(model, masks)
        before = accuracy(model, x, y)
        retrain(model, masks, training, lr)
        curve.append({"share": share, "accuracy": before, "retrained": accuracy(model, x, y)})
    return curve


def retrain(model: nn.Module, masks: Masks, training: Training, lr: float) -> None:
    """One epoch in which the weights that were left out stay so."""
    data = training.data
    optimizer = optim.Adam(model.parameters(), lr=lr)
    model.train()
    for images, labels in batches([data.train_images, data.train_labels], 32, shuffled=True):
        optimizer.zero_grad()
        F.cross_entropy(model(training.normalise(images.float())), labels).backward()
        optimizer.step()
        apply_masks(model, masks)
