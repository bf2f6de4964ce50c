"""Compile every kernel ahead of its first use, for `minitorch kernels compile`.

Compiled code depends on types, not on sizes: running each kernel once on a few numbers compiles all there is, and
leaves it in the cache on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from ..draws import DRAWS
from ..generator import Generator
from . import blas, threads
from .registry import KERNELS, UFUNCS, accelerated, accelerated_draw

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
# Input channels, output channels, size and groups of a 3 x 3 convolution for each of its kernels: channels in the lanes,
# pixels in the lanes, Winograd's, depthwise in small and large planes.
LAYERS = {
    1: [(16, 16, 6, 1)],
    2: [(16, 16, 6, 1), (2, 2, 6, 1), (32, 32, 24, 1), (2, 2, 6, 2), (2, 2, 40, 2)],
    3: [(16, 16, 3, 1)],
}


def steps(gates, *inputs, **params):
    """A recurrent layer of 2 states over one step for one sequence; inputs: which of its arrays, in order."""

    def example(run, dtype):
        known = dict(x=(1, 1, 2 * gates), h=(1, 2), w=(2 * gates, 2), b=(2 * gates,), hs=(1, 1, 2), gates=(1, 1, 8))
        run(*[np.ones(known[name], dtype) for name in inputs], reverse=False, **params)

    return example


def image(dtype):
    return np.ones((2, 2, 6, 6), dtype)


def rows(dtype):
    return np.ones((3, 4), dtype)


def one(run, dtype, **params):
    run(rows(dtype), **params)


def two(run, dtype, **params):
    run(rows(dtype), rows(dtype), **params)


def wide(run, dtype, **params):
    run(np.ones((2, 8), dtype), **params)


def softmax_all(run, dtype):
    """A small table, a large one, and one whose rows lie side by side."""
    for shape, dim in (((3, 4), 1), ((3, 4, 2), 2), ((3, 16), 0)):
        run(np.ones(shape, dtype), dim=dim)


def softmax_backward(run, dtype):
    for shape, dim in (((3, 4), 1), ((3, 4, 2), 2), ((3, 16), 0)):
        run(np.ones(shape, dtype), np.ones(shape, dtype), dim=dim)


TAPS = dict(index=np.zeros((3, 2), np.int64), weight=np.ones((3, 2)))
ACTIVATIONS: dict[str, dict] = {
    "leaky": dict(slope=0.01),
    "exponential_linear": dict(negative=1.0, scale=1.0, rate=1.0),
    "softplus_kernel": dict(beta=1.0, threshold=20.0),
}


def tall(dtype):
    return np.ones((100, 4), dtype)


def vector(dtype):
    return np.ones((2, 1, 1), dtype)


LAYER = dict(dims=(1,), eps=1e-5)
MEAN = dict(ignore_index=-100, reduction="mean")
MEANS = dict(
    kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), ceil_mode=False, count_include_pad=True, divisor_override=None
)
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


def given_statistics(run, dtype):
    """Many elements of a channel, and few."""
    for size in (1, 64):
        x = np.ones((2, 1, size), dtype)
        run(x, x, x[0, :, :1], x[0, :, :1], eps=1e-5)


def convolve_all(n, part):
    """A convolution over n dimensions, or the gradient named by `part`, through every kernel there is."""

    def example(run, dtype):
        for inputs, outputs, size, groups in LAYERS[n]:
            params = dict(stride=(1,) * n, padding=(1,) * n, dilation=(1,) * n, groups=groups)
            x, y = (np.ones((1, channels, *[size] * n), dtype) for channels in (inputs, outputs))
            w = np.ones((outputs, inputs // groups, *[3] * n), dtype)
            if part == "":
                run(x, w, **params)
            elif part == "_input":
                run(y, w, size=x.shape, **params)
            else:
                run(x, y, size=w.shape, **params)

    return example


EXAMPLES: dict[str, Callable] = {
    **{f"conv{n}d{part}": convolve_all(n, part) for n in (1, 2, 3) for part in ("", "_input", "_weight")},
    "matmul": lambda run, dtype: [run(rows(dtype)[None], rows(dtype).T), run(tall(dtype), tall(dtype).T)],
    "mm": lambda run, dtype: run(rows(dtype), rows(dtype).T),
    "mv": lambda run, dtype: run(rows(dtype), rows(dtype)[0]),
    "dot": lambda run, dtype: run(rows(dtype)[0], rows(dtype)[0]),
    "max_pool2d_with_indices": lambda run, dtype: run(
        image(dtype), kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False
    ),
    "avg_pool2d": lambda run, dtype: run(image(dtype), **MEANS),
    "avg_pool2d_backward": lambda run, dtype: run(image(dtype)[..., :3, :3].copy(), size=image(dtype).shape, **MEANS),
    "scatter_planes": lambda run, dtype: run(rows(dtype), np.zeros((3, 4), np.int64), size=(3, 5), n=1),
    "batch_norm_train": normalize_all,
    "instance_norm": lambda run, dtype: run(image(dtype), vector(dtype), vector(dtype), dims=(2, 3), eps=1e-5),
    "group_norm": lambda run, dtype: run(image(dtype), vector(dtype), vector(dtype), dims=(2, 3), eps=1e-5),
    "layer_norm": lambda run, dtype: run(rows(dtype), rows(dtype)[0], rows(dtype)[0], **LAYER),
    "batch_norm_eval": lambda run, dtype: run(image(dtype), *[vector(dtype)] * 4, eps=1e-5),
    "batch_norm_eval_weight": given_statistics,
    "norm_backward": normalize_backward,
    "root_mean_square_norm": lambda run, dtype: run(rows(dtype), rows(dtype)[0], **LAYER),
    "rms_norm_backward": lambda run, dtype: run(rows(dtype), rows(dtype), rows(dtype)[0], **LAYER),
    **{
        name: partial(one, **ACTIVATIONS.get(name, {}))
        for name in (
            "exp",
            "sin",
            "cos",
            "tanh",
            "relu",
            "sigmoid",
            "silu_kernel",
            "gelu_exact",
            "gelu_tanh",
            "sign",
            "leaky",
            "hardswish_kernel",
            "exponential_linear",
            "softplus_kernel",
            "mish_kernel",
        )
    },
    **{
        f"{name}_backward": partial(two, **ACTIVATIONS.get(name, ACTIVATIONS.get(f"{name}_kernel", {})))
        for name in (
            "relu",
            "sigmoid",
            "tanh",
            "silu",
            "gelu_exact",
            "gelu_tanh",
            "leaky",
            "hardswish",
            "exponential_linear",
            "softplus",
            "mish",
        )
    },
    "sum_all": one,
    "mean_all": one,
    **dict.fromkeys(
        ("sum_dims", "mean_dims"),
        lambda run, dtype: [run(np.ones((9, 8), dtype), dim=dim, keepdim=False) for dim in ((0,), (1,))],
    ),
    **dict.fromkeys(("var_dims", "std_dims"), partial(wide, dim=(1,), correction=1, keepdim=False)),
    "vector_norm_dims": partial(wide, dim=(1,), ord=2, keepdim=False),
    "cumsum_dim": lambda run, dtype: [run(rows(dtype), dim=dim, reverse=False) for dim in (0, 1)],
    "add_rows": lambda run, dtype: run(rows(dtype), np.zeros(3, np.int64), size=(2, 4), coefficient=None),
    "add_at": lambda run, dtype: run(rows(dtype), np.zeros(3, np.int64), size=(2, 4)),
    "gather_at": lambda run, dtype: [run(rows(dtype), np.zeros((3, 4), np.int64), dim=d) for d in (0, 1)],
    "scatter_zeros": lambda run, dtype: [
        run(rows(dtype), np.zeros((3, 4), np.int64), dim=d, size=(3, 4)) for d in (0, 1)
    ],
    "topk_dim": partial(one, k=2, dim=1, largest=True),
    "copied": lambda run, dtype: run(np.ones((16, 16), dtype).T, order="C"),
    "resample": lambda run, dtype: [run(rows(dtype), dim=d, **TAPS) for d in (0, 1)],
    "resample_adjoint": lambda run, dtype: [run(rows(dtype)[:3, :3], dim=d, size=3, **TAPS) for d in (0, 1)],
    "mse": partial(two, reduction="mean"),
    "huber": partial(two, reduction="mean", delta=1.0),
    "smooth_l1": partial(two, reduction="mean", beta=1.0),
    "bce_with_logits": partial(two, reduction="mean"),
    "attention": lambda run, dtype: run(*[rows(dtype)] * 3, scale=1.0, causal=False),
    "attention_backward": lambda run, dtype: run(
        rows(dtype), rows(dtype)[:, 0], *[rows(dtype)] * 4, rows(dtype)[:, 0], scale=1.0, causal=False
    ),
    **dict.fromkeys(("softmax", "log_softmax"), softmax_all),
    **dict.fromkeys(("softmax_backward", "log_softmax_backward"), softmax_backward),
    "logsumexp_dims": partial(one, dim=(1,), keepdim=False),
    "cross_entropy_of_classes": lambda run, dtype: run(rows(dtype), np.zeros(3, np.int64), **MEAN),
    "rnn_steps": steps(1, "x", "h", "w", relu=False),
    "rnn_steps_backward": steps(1, "hs", "h", "w", "hs", relu=False),
    "lstm_steps": steps(4, "x", "h", "h", "w"),
    "lstm_steps_backward": steps(4, "hs", "hs", "x", "h", "h", "w", "hs", "hs", "gates"),
    "gru_steps": steps(3, "x", "h", "w", "b"),
    "gru_steps_backward": steps(3, "hs", "x", "h", "w", "b", "hs", "gates"),
    "cross_entropy_backward": lambda run, dtype: run(np.ones((), dtype), rows(dtype), np.zeros(3, np.int64), **MEAN),
    **{name: one if ufunc.nin == 1 else two for name, ufunc in UFUNCS.items()},
}


def compile_all(
    report: Callable | None = None, dtypes: Sequence[str] = DTYPES
) -> Iterator[tuple[str, str, float, bool]]:
    """Compile all kernels for `dtypes`, the random draws, the optimizers' steps, and what products and threads need.

    Yields (kernel, dtype, seconds, whether it came from the cache).
    report: called with the name of each kernel before it is compiled. Kernels share code, which counts for the first.
    """
    from .jit import cache_folder

    kernels = [(name, dtype) for name in KERNELS for dtype in dtypes]
    others = {"random draws": compile_draws, "optimizer steps": compile_steps, "products in pieces": compile_pieces}
    for name, dtype in [*kernels, *((name, "all") for name in others)]:
        if report is not None:
            report(f"{name} {dtype}")
        before = sum(1 for _ in cache_folder.rglob("*.nbc"))
        start = time.perf_counter()
        if name in KERNELS:
            EXAMPLES[name](accelerated(name), dtype)
        else:
            others[name]()
        seconds = time.perf_counter() - start
        yield name, dtype, seconds, sum(1 for _ in cache_folder.rglob("*.nbc")) == before


def compile_steps() -> None:
    from . import steps

    for dtype in DTYPES:
        many = [[np.ones(1, dtype) for _ in range(4)]]
        for momentum in (0, 0.9):
            steps.sgd(
                many,
                lr=0.1,
                momentum=momentum,
                dampening=0,
                weight_decay=0,
                nesterov=False,
                maximize=False,
                first=False,
            )
        options = dict(lr=0.1, beta1=0.9, beta2=0.9, eps=1e-8, weight_decay=0, decoupled=True, maximize=False, step=1.0)
        steps.adam(many, **options)


def compile_pieces() -> None:
    """What calls BLAS, and what waits for the other thread."""
    if blas.compiled() is not None:
        for dtype in DTYPES:
            square = np.ones((2, 2), dtype)
            blas.in_pieces(np.empty((2, 2), dtype), square, square, 1)
            blas.product_with_vector(np.empty(2, dtype), square, square[0], [slice(0, 2)])
    threads.run(lambda counter: None, 2)


def compile_draws() -> None:
    for name in DRAWS:
        for parameters in DRAW_EXAMPLES.get(name, [()]):
            accelerated_draw(name)(Generator(), 16, *parameters)
