"""The training loop that the larger systems share, and what they measure on held-out data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import minitorch
from minitorch import Tensor, from_numpy, nn, no_grad, optim, randperm
from minitorch.vision.datasets.shapes import Scene

EVALUATION_BATCH = 200


def pixels_of(scenes: Sequence[Scene]) -> Tensor:
    """Images of the world of shapes: float32 (N, 3, side, side) about 0."""
    images = np.stack([scene.image().transpose(2, 0, 1) for scene in scenes])
    return from_numpy((images / 64 - 2).astype(np.float32))


def batches(data: Sequence[Tensor], size: int, shuffled: bool) -> Iterator[list[Tensor]]:
    """data: tensors (N, ...) -> lists of tensors (at most `size`, ...), in an order drawn from the global generator."""
    count = len(data[0])
    order = randperm(count) if shuffled else minitorch.arange(count)
    for start in range(0, count, size):
        yield [part[order[start : start + size]] for part in data]


def fit(
    model: nn.Module,
    loss: Callable[..., Tensor],
    data: Sequence[Tensor],
    epochs: int,
    batch_size: int,
    lr: float,
    parameters: Iterable[Any] | None = None,
    warm_up: float = 0.1,
) -> list[float]:
    """Adam; the mean loss of each epoch. `loss(*batch)` is what is made small, by `parameters` (all of the model's).

    The rates rise along a line over the share `warm_up` of all steps T and fall to 0 along a cosine: at step t,
    with u = (t - warm_up T) / (T - warm_up T), to lr / 2 (1 + cos(pi u)).
    """
    model.train()
    optimizer = optim.Adam(model.parameters() if parameters is None else parameters, lr=lr)
    steps = epochs * math.ceil(len(data[0]) / batch_size)

    def share(step: int) -> float:
        rise = warm_up * steps
        return (step + 1) / rise if step + 1 < rise else (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2

    schedule = optim.lr_scheduler.LambdaLR(optimizer, share)
    history = []
    for _ in range(epochs):
        total, count = 0.0, 0
        for batch in batches(data, batch_size, shuffled=True):
            optimizer.zero_grad()
            value = loss(*batch)
            value.backward()
            optimizer.step()
            schedule.step()
            total, count = total + value.item() * len(batch[0]), count + len(batch[0])
        history.append(total / count)
    return history


@no_grad()
def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The share of inputs whose largest logit is that of their label, in evaluation mode."""
    model.eval()
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches([inputs, labels], EVALUATION_BATCH, False))
    return right / len(labels)
