"""Rounding errors where they are worst: ten million terms, awkward axes, bad scales, cancellation.

    python -m parity accuracy --size 10000000

Each case is one operation on one kind of numbers along one axis. The truth is torch's result in float64 on the same
(already rounded) numbers. The measure is the largest error of any element of the result, in ulps of the largest true
element; where terms cancel, the unit is that ulp plus what the truth moves when every input moves by up to one rounding
unit. minitorch may have at most twice torch's error, and one unit. Where the truth does not fit the dtype,
and torch says so (infinity of the right sign, or NaN), minitorch must say so too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

import minitorch

from .bridge import ToMinitorch
from .harness import to_array
from .ulps import LARGEST, spacing

FLOOR = 1.0  # ulps
STEP = 42_000  # the number of elements is a multiple of this, so that every shape divides it


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n)


NUMBERS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "0.1": lambda rng, n: np.full(n, 0.1),
    "normal": normal,
    "positive": lambda rng, n: rng.uniform(0, 1, n),
    "1e30": lambda rng, n: 1e30 * rng.standard_normal(n),
    "1e-30": lambda rng, n: 1e-30 * rng.standard_normal(n),
    "1e4 +- 0.1": lambda rng, n: 1e4 + 0.1 * rng.standard_normal(n),
    "alternating": lambda rng, n: np.where(np.arange(n) % 2, -1.0, 1.0) * rng.uniform(0.9, 1.1, n),
    "sorted": lambda rng, n: np.sort(rng.standard_normal(n)),
}
HALF_RANGE = ("1e30", "1e-30")  # outside float16

# name -> (shape of n elements, the dimension to work along)
AXES: dict[str, Callable[[int], tuple[tuple[int, ...], int]]] = {
    "all of (N)": lambda n: ((n,), 0),
    "0 of (N, 2)": lambda n: ((n // 2, 2), 0),
    "1 of (2, N)": lambda n: ((2, n // 2), 1),
    "0 of (N, 300)": lambda n: ((n // 300, 300), 0),
    "1 of (8, N, 7)": lambda n: ((8, n // 56, 7), 1),
}

Operation = Callable[[Any, Any, int], Any]  # (library, tensor, dimension)
ALONG: dict[str, Operation] = {
    "sum": lambda lib, x, d: x.sum(d),
    "mean": lambda lib, x, d: x.mean(d),
    "nansum": lambda lib, x, d: x.nansum(d),
    "norm": lambda lib, x, d: lib.linalg.vector_norm(x, 2, d),
    "norm, p = 3": lambda lib, x, d: lib.linalg.vector_norm(x, 3, d),
    "norm, p = 1": lambda lib, x, d: lib.linalg.vector_norm(x, 1, d),
    "var": lambda lib, x, d: x.var(d),
    "std": lambda lib, x, d: x.std(d),
    "softmax": lambda lib, x, d: x.softmax(d),
    "log_softmax": lambda lib, x, d: x.log_softmax(d),
    "logsumexp": lambda lib, x, d: x.logsumexp(d),
    "cumsum": lambda lib, x, d: x.cumsum(d),
    "logcumsumexp": lambda lib, x, d: x.logcumsumexp(d),
    "prod": lambda lib, x, d: x.prod(d),
    "cumprod": lambda lib, x, d: x.cumprod(d),
    "dot": lambda lib, x, d: lib.linalg.vecdot(x, x, dim=d),
    "diff of cumsum": lambda lib, x, d: x.cumsum(d).diff(dim=d),
}


def heads(lib, x, causal: bool):
    """Queries and keys of a size that leaves the softmax something to decide."""
    x = x.flatten()[: x.numel() // 64 * 64].reshape(1, -1, 64)
    return lib.nn.functional.scaled_dot_product_attention(x.tanh(), x.flip(1).tanh(), x, is_causal=causal)


def recurrent(kind: str, lib, x, d):
    """64 steps of a layer whose weights are drawn from the same seed in both libraries."""
    lib.manual_seed(0)
    layer = getattr(lib.nn, kind)(16, 32).to(x.dtype)
    return layer(x.flatten()[: x.numel() // 1024 * 1024].reshape(64, -1, 16))[0].detach()


def convolution(size: int, part: str, lib, x, d):
    """A convolution of two images with 32 channels, or the gradient of its input or weight."""
    lib.manual_seed(0)
    layer = lib.nn.Conv2d(32, 32, size, padding=size // 2, bias=False).to(x.dtype)
    images = x.flatten()[: 2 * 32 * 24 * 24].reshape(2, 32, 24, 24)
    seen = images.detach().requires_grad_()
    y = layer(seen)
    if part == "output":
        return y.detach()
    return lib.autograd.grad(y, seen if part == "input" else layer.weight, images.flip(0).tanh())[0]


LAST = ("1 of (2, N)", "all of (N)")  # operations on the last dimensions run here
OTHERS: dict[str, Operation] = {
    "layer_norm": lambda lib, x, d: lib.nn.functional.layer_norm(x, x.shape[-1:]),
    "group_norm": lambda lib, x, d: lib.nn.functional.group_norm(x.reshape(1, 2, -1), 2),
    "batch_norm": lambda lib, x, d: lib.nn.functional.batch_norm(x.reshape(-1, 2), None, None, training=True),
    "rms_norm": lambda lib, x, d: lib.nn.functional.rms_norm(x, x.shape[-1:]),
    "matmul, long sums": lambda lib, x, d: x.reshape(2, -1) @ x.reshape(2, -1).t(),
    "matrix-vector": lambda lib, x, d: x.reshape(-1, 1000) @ x.reshape(-1, 1000)[0],
    "cross_entropy": lambda lib, x, d: lib.nn.functional.cross_entropy(
        x.reshape(-1, 10), lib.zeros(x.numel() // 10, dtype=lib.int64)
    ),
    "mse_loss": lambda lib, x, d: lib.nn.functional.mse_loss(x, x * 0.5),
    "attention": lambda lib, x, d: heads(lib, x, False),
    "attention, causal": lambda lib, x, d: heads(lib, x, True),
    **{kind: partial(recurrent, kind) for kind in ("RNN", "LSTM", "GRU")},
    **{
        f"convolution {size} x {size}, {part}": partial(convolution, size, part)
        for size in (1, 3, 5)
        for part in ("output", "input", "weight")
    },
}
SHORT = ("attention", "attention, causal", "RNN", "LSTM", "GRU", *(name for name in OTHERS if "convolution" in name))
SIZES: dict[str, int] = dict.fromkeys(SHORT, 65_536) | {
    "logcumsumexp": 100_000,
    "cumprod": 1_000_000,
    "diff of cumsum": 100_000,
}  # at most


@dataclass
class Measured:
    """One case: the errors of both sides in units, and whether that will do."""

    operation: str
    axis: str
    numbers: str
    dtype: str
    ours: float = 0.0
    theirs: float = 0.0
    message: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.dtype} {self.numbers}, {self.axis}"

    @property
    def good(self) -> bool:
        return not self.message and self.ours <= 2 * self.theirs + FLOOR


def cases(size: int, dtype: str) -> Iterator[tuple[str, Operation, str, str]]:
    """(operation, how to call it, axis, numbers)"""
    for numbers in NUMBERS:
        if dtype == "float16" and numbers in HALF_RANGE:
            continue
        for name, operation in ALONG.items():
            for axis in AXES:
                yield name, operation, axis, numbers
        for name, operation in OTHERS.items():
            for axis in LAST:
                yield name, operation, axis, numbers


def run(size: int, dtypes: tuple[str, ...], only: str | None = None) -> Iterator[Measured]:
    """Every case; ``only``: operations whose name contains this."""
    for dtype in dtypes:
        for name, operation, axis, numbers in cases(size, dtype):
            if only is None or only in name:
                yield measure(name, operation, axis, numbers, dtype, min(size, SIZES.get(name, size)))


def measure(name: str, operation: Operation, axis: str, numbers: str, dtype: str, size: int) -> Measured:
    """The worst errors of one case. Where minitorch's seems too large, three more drawings tell chance from habit.

    torch runs in one thread: with more, the order in which it adds, and so its error, depends on how many there are.
    """
    found = Measured(name, axis, numbers, dtype)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for seed in range(4):
            once(found, operation, size, seed)
            if found.good or found.message:
                break
    finally:
        torch.set_num_threads(threads)
    return found


def once(found: Measured, operation: Operation, size: int, seed: int) -> None:
    rng = np.random.default_rng([size, seed])
    shape, dim = AXES[found.axis](size - size % STEP)
    values = NUMBERS[found.numbers](rng, int(np.prod(shape)))
    if "prod" in found.operation:  # factors near 1, or nothing is left of the product
        values = 1 + 1e-4 * values
    given = torch.from_numpy(values).to(getattr(torch, found.dtype)).reshape(shape)
    right = to_array(operation(torch, given, dim))[0].astype(np.float64)
    left = to_array(operation(minitorch, ToMinitorch().tensor(given), dim))[0].astype(np.float64)
    true = operation(torch, given.double(), dim).numpy()
    if left.shape != true.shape:
        found.message = f"shape {left.shape} where torch has {true.shape}"
        return
    counted = np.isfinite(true) & (np.abs(true) <= LARGEST[found.dtype])
    expected = np.where(np.isnan(true), true, np.copysign(np.inf, true))
    beyond = ~counted & ~(np.abs(true) < 1.01 * LARGEST[found.dtype]) & same(right, expected) & ~same(left, expected)
    if beyond.any():
        i = tuple(np.argwhere(beyond)[0])
        found.message = f"{left[i]} where torch has {right[i]} and the truth is {true[i]}"
    if not counted.any() or beyond.any():
        return
    unit = float(spacing(np.abs(true[counted]).max(), found.dtype))
    ours, theirs = worst(left, true, counted, unit), worst(right, true, counted, unit)
    if ours > 2 * theirs + FLOOR:
        eps = torch.finfo(given.dtype).eps
        shift = given.double() * (1 + eps * torch.from_numpy(rng.uniform(-1, 1, shape)))
        unit += float(np.abs(operation(torch, shift, dim).numpy()[counted] - true[counted]).max())
        ours, theirs = worst(left, true, counted, unit), worst(right, true, counted, unit)
    found.ours, found.theirs = max(found.ours, ours), max(found.theirs, theirs)


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def worst(value: np.ndarray, true: np.ndarray, counted: np.ndarray, unit: float) -> float:
    error = float(np.abs(value[counted] - true[counted]).max()) / unit
    return error if np.isfinite(error) else float("inf")


def report(console: Console, found: Sequence[Measured], size: int) -> None:
    """A line for each operation and dtype: its worst case. Then every case that is too inaccurate."""
    table = Table(title=f"worst rounding errors, {size:,} elements", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("operation", "dtype", "cases", "ulps", "torch's ulps", "worst where"):
        table.add_column(name, justify="right" if "ulps" in name or name == "cases" else "left", overflow="fold")
    groups: dict[tuple[str, str], list[Measured]] = {}
    for case in found:
        groups.setdefault((case.operation, case.dtype), []).append(case)
    for (operation, dtype), group in groups.items():
        worst_case = max(group, key=lambda c: (not c.good, c.ours - 2 * c.theirs))
        style = None if all(c.good for c in group) else "bold red"
        cells = (f"{worst_case.ours:.3g}", f"{worst_case.theirs:.3g}", f"{worst_case.numbers}, {worst_case.axis}")
        table.add_row(operation, dtype, str(len(group)), *cells, style=style)
    console.print(table)
    for case in found:
        if not case.good:
            text = case.message or f"an error of {case.ours:.3g} ulps where torch has {case.theirs:.3g}"
            console.print(f"{case.operation} {case.dtype} {case.numbers}, {case.axis}: {text}", markup=False)
    good = sum(case.good for case in found)
    console.print(f"{good} of {len(found)} cases are at most twice torch's error and one ulp", style="bold")
