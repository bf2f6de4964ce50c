"""What a small operation costs: the price of the framework itself, since the arithmetic is next to nothing.

Every row runs the same expression on both libraries, on 10 x 10 float32 tensors, without and with gradient recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from .case import Case
from .libraries import Library

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda lib, t: t.x * t.y,
    "add": lambda lib, t: t.x + t.y,
    "matmul 8x8": lambda lib, t: t.m @ t.m,
    "sum": lambda lib, t: t.x.sum(),
    "mean": lambda lib, t: t.x.mean(),
    "relu": lambda lib, t: lib.relu(t.x),
    "exp": lambda lib, t: t.x.exp(),
    "softmax": lambda lib, t: lib.nn.functional.softmax(t.x, -1),
    "view": lambda lib, t: t.x.view(100),
    "transpose": lambda lib, t: t.x.transpose(0, 1),
    "index x[3]": lambda lib, t: t.x[3],
    "index x[1:5]": lambda lib, t: t.x[1:5],
    "cat": lambda lib, t: lib.cat([t.x, t.y]),
}


def tensors(library: Library, recorded: bool) -> SimpleNamespace:
    draw = np.random.default_rng(0)
    shapes = {"x": (10, 10), "y": (10, 10), "m": (8, 8)}
    made = {name: library.tensor(draw.standard_normal(shape).astype(np.float32)) for name, shape in shapes.items()}
    return SimpleNamespace(**{name: tensor.requires_grad_(recorded) for name, tensor in made.items()})


def operation(run: Callable[[Any, Any], Any], recorded: bool):
    def make(library: Library):
        lib, t = library.module, tensors(library, recorded)
        return lambda: run(lib, t)

    return make


def five_operations(library: Library) -> Callable[[], Any]:
    """Five operations forward, and their backward pass."""
    t = tensors(library, True)

    def step():
        t.x.grad = t.y.grad = None
        ((t.x * t.y + t.x).relu().exp()).sum().backward()
        return t.x.grad

    return step


def small_training_step(library: Library) -> Callable[[], Any]:
    """A training step of a 4-8-1 network on 16 samples: forward, loss, backward, SGD."""
    lib = library.module
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.ReLU(), lib.nn.Linear(8, 1))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, targets = lib.randn(16, 4), lib.randn(16, 1)

    def step():
        optimizer.zero_grad()
        loss = lib.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def cases(quick: bool) -> Iterator[Case]:
    """All rows; quick leaves none out, they are short."""
    for recorded, group in ((False, "one operation"), (True, "one operation, recorded")):
        for name, run in OPERATIONS.items():
            yield Case(group, name, operation(run, recorded))
    yield Case("several operations", "five operations forward and backward", five_operations)
    yield Case("several operations", "MLP 4-8-1 training step", small_training_step)
