"""Compile every kernel ahead of its first use, for `minitorch kernels compile`.

Compiled code depends on types, not on sizes: running each kernel once on a few numbers compiles all there is, and
leaves it in the cache on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from ..draws import DRAWS
from ..generator import Generator
from .registry import KERNELS, accelerated, accelerated_draw

__all__ = ["EXAMPLES", "compile_all"]

DTYPES = ("float32", "float64")
# The parameters of draws that need some.
ONES = {dtype: np.ones(16, dtype) for dtype in DTYPES}
DRAW_EXAMPLES: dict[str, list[tuple]] = {
    "gammas": [(ones,) for ones in ONES.values()],
    "poissons": [(ONES["float64"],)],
    "binomials": [(ones, ones) for ones in ONES.values()],
    "bernoulli": [(0.5,)],
    "remainders": [(5, 0, False), (2**40, 0, True)],
}
CONV = dict(stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)


def image(dtype):
    return np.ones((2, 2, 6, 6), dtype)


def weight(dtype):
    return np.ones((2, 2, 3, 3), dtype)


def rows(dtype):
    return np.ones((3, 4), dtype)


def vector(dtype):
    return np.ones((2, 1, 1), dtype)


LAYER = dict(dims=(1,), eps=1e-5)
BATCH = dict(dims=(0, 2, 3), eps=1e-5)


def normalize_all(run, dtype):
    """Images, whose planes are strips of memory, vectors, and rows."""
    run(image(dtype), vector(dtype), vector(dtype), **BATCH)
    run(rows(dtype), np.ones((4,), dtype), np.ones((4,), dtype), dims=(0,), eps=1e-5)
    run(rows(dtype), rows(dtype)[0], rows(dtype)[0], **LAYER)


def normalize_backward(run, dtype):
    statistics = [vector(dtype)[None]] * 2
    run(image(dtype), *statistics, image(dtype), *statistics, vector(dtype), **BATCH)
    row = np.ones((1, 4), dtype)
    run(rows(dtype), row, row, rows(dtype), row, row, row[0], dims=(0,), eps=1e-5)
    column = np.ones((3, 1), dtype)
    run(rows(dtype), column, column, rows(dtype), column, column, row[0], **LAYER)


EXAMPLES: dict[str, Callable] = {
    "conv2d": lambda run, dtype: run(image(dtype), weight(dtype), **CONV),
    "conv2d_input": lambda run, dtype: run(image(dtype), weight(dtype), size=(2, 2, 6, 6), **CONV),
    "conv2d_weight": lambda run, dtype: run(image(dtype), image(dtype), size=(2, 2, 3, 3), **CONV),
    "matmul": lambda run, dtype: run(rows(dtype), rows(dtype).T),
    "max_pool2d_with_indices": lambda run, dtype: run(
        image(dtype), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False
    ),
    "scatter_planes": lambda run, dtype: run(rows(dtype), np.zeros((3, 4), np.int64), size=(3, 5), n=1),
    "batch_norm_train": normalize_all,
    "instance_norm": lambda run, dtype: run(image(dtype), vector(dtype), vector(dtype), dims=(2, 3), eps=1e-5),
    "group_norm": lambda run, dtype: run(image(dtype), vector(dtype), vector(dtype), dims=(2, 3), eps=1e-5),
    "layer_norm": lambda run, dtype: run(rows(dtype), rows(dtype)[0], rows(dtype)[0], **LAYER),
    "batch_norm_eval": lambda run, dtype: run(image(dtype), *[vector(dtype)] * 4, eps=1e-5),
    "norm_backward": normalize_backward,
    "root_mean_square_norm": lambda run, dtype: run(rows(dtype), rows(dtype)[0], **LAYER),
    "rms_norm_backward": lambda run, dtype: run(rows(dtype), rows(dtype), rows(dtype)[0], **LAYER),
    "softmax": lambda run, dtype: run(rows(dtype), dim=1),
    "log_softmax": lambda run, dtype: run(rows(dtype), dim=1),
    "softmax_backward": lambda run, dtype: run(rows(dtype), rows(dtype), dim=1),
    "log_softmax_backward": lambda run, dtype: run(rows(dtype), rows(dtype), dim=1),
}


def compile_all(report: Callable | None = None) -> Iterator[tuple[str, str, float, bool]]:
    """Compile all kernels for float32 and float64, and the random draws.

    Yields (kernel, dtype, seconds, whether it came from the cache).
    report: called with the name of each kernel before it is compiled. Kernels share code, which counts for the first.
    """
    from .jit import cache_folder

    kernels = [(name, dtype) for name in KERNELS for dtype in DTYPES]
    for name, dtype in [*kernels, ("random draws", "all")]:
        if report is not None:
            report(f"{name} {dtype}")
        before = sum(1 for _ in cache_folder.rglob("*.nbc"))
        start = time.perf_counter()
        if name in KERNELS:
            EXAMPLES[name](accelerated(name), dtype)
        else:
            compile_draws()
        seconds = time.perf_counter() - start
        yield name, dtype, seconds, sum(1 for _ in cache_folder.rglob("*.nbc")) == before


def compile_draws() -> None:
    for name in DRAWS:
        for parameters in DRAW_EXAMPLES.get(name, [()]):
            accelerated_draw(name)(Generator(), 16, *parameters)
