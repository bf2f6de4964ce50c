"""Measure the limits of crossovers.py on the machine at hand, for `minitorch kernels tune`.

Each limit lies between two ways of computing the same thing, one of which pays from some size on. Both are timed in turns over a
range of sizes; the limit is the smallest size from which on (or the largest up to which) the second way was never slower.
Not among them are ALONE and ALONE_VECTOR, which say when OpenBLAS begins to use several threads: they are its own limits.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import conv_ways, crossovers, depthwise_ways
from .matmul import matmul

__all__ = ["LIMITS", "Row", "measure", "written"]


class Row(NamedTuple):
    """One size: seconds of the way that is taken below the limit, and of the one taken from it on."""

    size: int
    below: float
    above: float


def seconds(functions: list[Callable], rounds: int) -> list[float]:
    """The median time of each, called in turns."""
    for function in functions:
        function()  # compiled
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            start = time.process_time()  # not what others take of the machine
            function()
            taken.append(time.process_time() - start)
    return [statistics.median(taken) for taken in times]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def two_rows() -> Iterator[tuple]:
    for n in (32, 64, 96, 128, 192, 256, 384, 512):
        a, b = draw(2, n), draw(n, n)
        yield b.size, partial(np.dot, a, b), partial(matmul, a, b)


def tiny_products() -> Iterator[tuple]:
    for n in (6, 5, 4, 3, 2):  # from the largest: plain loops pay below the limit
        a, b = draw(1000, n, n), draw(1000, n, n)
        yield n**3, partial(np.matmul, a, b), partial(matmul, a, b)


def convolution(part: str, ways: tuple[str, str], shapes: list[tuple]) -> Iterator[tuple]:
    """For (size, images, inputs, outputs, pixels of a side, kernel) two functions of conv_ways.py, by name."""
    for size, batch, inputs, outputs, side, kernel in shapes:
        x, w, y = (
            draw(batch, inputs, side, side),
            draw(outputs, inputs, kernel, kernel),
            draw(batch, outputs, side, side),
        )
        params = ((1, 1), (kernel // 2,) * 2, (1, 1), 1, 4)
        p = conv_ways.problem(x.shape, w.shape, (side, side), *params)
        arrays = {"forward": (x, w, y), "weight": (x, y, w)}[part]
        yield size, *[partial(getattr(conv_ways, way), p, *arrays) for way in ways]


def channels() -> Iterator[tuple]:
    shapes: list[tuple] = [(o, 8, 16, o, 14, 5) for o in (2, 4, 6, 8, 10, 12, 14, 16, 20)]
    yield from convolution("forward", ("pixels_forward", "channels_forward"), shapes)


def tiles(part: str, ways: tuple[str, str]) -> Iterator[tuple]:
    for inputs in (64, 256):
        shapes = [(n * (s // 2) ** 2, n, inputs, inputs, s, 3) for n, s in
                  ((1, 6), (1, 8), (1, 10), (1, 14), (2, 14), (4, 14), (8, 14))]  # fmt: skip
        yield from convolution(part, ways, shapes)


def planes() -> Iterator[tuple]:
    """From the smallest: one run over the plane pays up to the limit."""
    batch, channels = 4, 64
    for side in (7, 14, 20, 28, 32, 40, 48, 56):
        x, w, y = draw(batch, channels, side, side), draw(channels, 1, 3, 3), draw(batch, channels, side, side)
        p = conv_ways.problem(x.shape, w.shape, (side, side), (1, 1), (1, 1), (1, 1), channels, 4)
        ways = depthwise_ways.depthwise_forward, depthwise_ways.small_forward
        yield side * side, *[partial(way, p, x, w, y) for way in ways]


UP_TO = ("TINY_PRODUCTS", "SMALL_PLANE")  # limits up to which the second way pays

LIMITS: dict[str, Callable[[], Iterator[tuple]]] = {
    "TWO_ROWS": two_rows,
    "TINY_PRODUCTS": tiny_products,
    "CHANNELS": channels,
    "WINOGRAD": lambda: tiles("forward", ("channels_forward", "winograd_forward")),
    "SMALL_PLANE": planes,
    "WINOGRAD_WEIGHT": lambda: tiles("weight", ("channels_weight", "winograd_weight")),
}


def measure(name: str, rounds: int = 9) -> tuple[list[Row], int]:
    """The rows of one limit and the limit they give; several rows of one size count as their mean ratio."""
    rows = [Row(size, *seconds([below, above], rounds)) for size, below, above in LIMITS[name]()]
    gains: dict[int, list[float]] = {}
    for row in rows:
        gains.setdefault(row.size, []).append(row.below / row.above)
    limit = None
    for size in sorted(gains, reverse=name not in UP_TO):  # from where the second way must be the faster one
        if statistics.geometric_mean(gains[size]) < 1:
            break
        limit = size
    return rows, limit if limit is not None else getattr(crossovers, name)


def written(limits: dict[str, int]) -> str:
    """The text of crossovers.py with these numbers in it."""
    text = Path(crossovers.__file__).read_text()
    for name, limit in limits.items():
        text = re.sub(rf"(?m)^{name} = [^#\n]*?(?=\s+#|$)", f"{name} = {limit}", text)
    return text
