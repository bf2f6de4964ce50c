"""Which implementation of an operation runs: its NumPy reference, or a Numba kernel that gives the same answer.

    use("auto")     the faster of the two for the shapes at hand (the default)
    use("numba")    the kernel wherever there is one for the dtype
    use("numpy")    the references only

`use` also works as a context manager. It sets the `kernel` of each operation in REGISTRY, which is read at every
call. The table below says where each kernel lives and from what size on it pays. Its modules are imported, and
with them Numba, by the first call that is worth it. The choice depends on shapes and dtypes alone, never on what
ran before, so that a program gives the same bits every time.
"""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.op import REGISTRY
from ..draws import DRAWS
from . import blas, crossovers

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

__all__ = ["KERNELS", "Kernel", "accelerated", "accelerates", "accelerates_draw", "choose", "current", "use"]


class Kernel(NamedTuple):
    """module: the file in this package that holds the kernel.
    least: elements of the first input from which on `auto` considers it.
    worth: of the arrays and parameters, whether `auto` takes it then (None: always).
    instead: what `auto` runs where it does not take the kernel, if that is not the reference.
    """

    module: str
    least: int
    worth: Callable | None = None
    instead: Callable | None = None


NEVER = sys.maxsize  # the least size of a kernel that `auto` never takes


def tiny(input, other):
    """Batches of tiny matrices, for which np.matmul calls BLAS one by one."""
    return other.ndim > 2 and input.shape[-2] * other.shape[-2] * other.shape[-1] <= crossovers.TINY_PRODUCTS


def many_logits(grad, input, *others, **params):
    """The gradient of a loss may be one number; the work is the logits'."""
    return input.size >= KERNELS["cross_entropy_of_classes"].least


# Operations that are nothing but a function of NumPy, which ufuncs.py runs in several threads.
UFUNCS = {
    "add_tensors": np.add, "sub_tensors": np.subtract, "mul": np.multiply, "true_div": np.true_divide, "add_bias": np.add,
    "abs": np.abs, "sqrt": np.sqrt,
}  # fmt: skip

KERNELS: dict[str, Kernel] = {
    **{name: Kernel("ufuncs", 524288, instead=ufunc) for name, ufunc in UFUNCS.items()},
    **{f"conv{n}d{part}": Kernel("conv", 0) for n in (1, 2, 3) for part in ("", "_input", "_weight")},
    "matmul": Kernel("matmul", crossovers.PRODUCT, tiny, blas.matmul),
    "mm": Kernel("matmul", NEVER, instead=blas.mm),
    "mv": Kernel("matmul", NEVER, instead=blas.mv),
    "dot": Kernel("matmul", NEVER, instead=blas.dot),
    "max_pool2d_with_indices": Kernel("pool", 256),
    "scatter_planes": Kernel("pool", 256),
    "avg_pool2d": Kernel("average", 256),
    "avg_pool2d_backward": Kernel("average", 256),
    "batch_norm_train": Kernel("norm", 64),
    "batch_norm_eval": Kernel("norm_eval", 64),
    "batch_norm_eval_weight": Kernel("norm_eval", 64),
    "instance_norm": Kernel("norm", 64),
    "layer_norm": Kernel("norm", 64),
    "group_norm": Kernel("norm", 64),
    "norm_backward": Kernel("norm", 64),
    "root_mean_square_norm": Kernel("norm", 64),
    "rms_norm_backward": Kernel("norm", 64),
    "exp": Kernel("pointwise", 2048),
    "tanh": Kernel("pointwise", 512),
    "sin": Kernel("trigonometry", 1024),
    "cos": Kernel("trigonometry", 1024),
    "relu": Kernel("pointwise", 1024),
    "relu_backward": Kernel("pointwise", 512),
    "sigmoid": Kernel("pointwise", 512),
    "sigmoid_backward": Kernel("pointwise", 512),
    "tanh_backward": Kernel("pointwise", 512),
    "silu_kernel": Kernel("pointwise", 256),
    "silu_backward": Kernel("pointwise", 256),
    "gelu_exact": Kernel("pointwise", 64),
    "gelu_exact_backward": Kernel("pointwise", 64),
    "gelu_tanh": Kernel("pointwise", 256),
    "gelu_tanh_backward": Kernel("pointwise", 256),
    "sign": Kernel("pointwise", 1024),
    "leaky": Kernel("pointwise", 256),
    "leaky_backward": Kernel("pointwise", 256),
    "hardswish_kernel": Kernel("pointwise", 256),
    "hardswish_backward": Kernel("pointwise", 256),
    "exponential_linear": Kernel("pointwise", 256),
    "exponential_linear_backward": Kernel("pointwise", 256),
    "softplus_kernel": Kernel("pointwise", 256),
    "softplus_backward": Kernel("pointwise", 256),
    "mish_kernel": Kernel("pointwise", 256),
    "mish_backward": Kernel("pointwise", 256),
    "sum_all": Kernel("reduce", 16384),
    "mean_all": Kernel("reduce", 16384),
    "sum_dims": Kernel("reduce", 2048),
    "mean_dims": Kernel("reduce", 2048),
    "var_dims": Kernel("reduce", 256),
    "std_dims": Kernel("reduce", 256),
    "vector_norm_dims": Kernel("reduce", 16384),
    "cumsum_dim": Kernel("scan", 256),
    "add_rows": Kernel("indexing", 64),
    "add_at": Kernel("indexing", 64),
    "gather_at": Kernel("indexing", 512),
    "scatter_zeros": Kernel("indexing", 64),
    "topk_dim": Kernel("ranks", 256),
    "copied": Kernel("transpose", 4096),
    **dict.fromkeys(("mse", "huber", "smooth_l1", "bce_with_logits"), Kernel("losses", 2048)),
    "resample": Kernel("resample", 1024),
    "resample_adjoint": Kernel("resample", 1024),
    "attention": Kernel("attention", 256),
    "attention_backward": Kernel("attention", 256),
    "softmax": Kernel("softmax", 64),
    "log_softmax": Kernel("softmax", 64),
    "softmax_backward": Kernel("softmax", 64),
    "log_softmax_backward": Kernel("softmax", 64),
    "logsumexp_dims": Kernel("softmax", 64),
    "cross_entropy_of_classes": Kernel("cross_entropy", 64),
    **{f"{cell}_steps{part}": Kernel("recurrent", 16) for cell in ("rnn", "lstm", "gru") for part in ("", "_backward")},
    "cross_entropy_backward": Kernel("cross_entropy", 0, many_logits),
}

IMPLEMENTATIONS: dict[str, Callable] = {}  # filled by @accelerates as modules are imported


def accelerates(name: str) -> Callable:
    """Declare the decorated function (arrays in, arrays out) to be the kernel of the primitive `name`."""
    if name not in KERNELS:
        raise ValueError(f"accelerates: {name!r} has no entry in the table KERNELS of kernels/registry.py")

    def declare(function):
        IMPLEMENTATIONS[name] = function
        return function

    return declare


def accelerated(name: str) -> Callable:
    """The kernel of the primitive `name`; imports its module, and Numba, if need be."""
    if name not in IMPLEMENTATIONS:
        importlib.import_module(f".{KERNELS[name].module}", __package__)
    return IMPLEMENTATIONS[name]


def choose(name: str, reference: Callable, mode: str) -> Callable:
    """A function like `reference` that runs the kernel where `mode` asks for it."""
    if mode == "numpy":
        return reference
    _, least, worth, instead = KERNELS[name]
    if mode == "numba":
        least, worth = 0, None
    elif instead is not None:
        reference = instead
        if least == NEVER:
            return reference
    fast = None

    def chosen(first, *others, **params):
        dtype = first.dtype
        if first.size < least or (dtype is not FLOAT32 and dtype is not FLOAT64):
            return reference(first, *others, **params)
        for other in others:
            if other is not None and other.dtype is not dtype and other.dtype.kind != "i":
                return reference(first, *others, **params)
        if worth is not None and not worth(first, *others, **params):
            return reference(first, *others, **params)
        return fast(first, *others, **params) if fast is not None else load()(first, *others, **params)

    # `chosen` again for one array, and for arrays without parameters: small ones feel every step.

    def of_one(first, **params):
        if fast is None or first.size < least or (first.dtype is not FLOAT32 and first.dtype is not FLOAT64):
            return chosen(first, **params)
        return fast(first, **params)

    def one(first):
        return reference(first) if first.size < least else chosen(first)

    def pair(first, second):
        return reference(first, second) if first.size < least else chosen(first, second)

    def load() -> Callable:
        nonlocal fast
        try:
            fast = accelerated(name)
        except ImportError as error:
            if mode == "numba":
                raise
            warnings.warn(f"Numba cannot be imported, {name} runs in NumPy: {error}", stacklevel=3)
            fast = reference
        return fast

    op = REGISTRY[name]
    plain = least and op.variadic is None and not op.params and not op.reference.__defaults__
    if plain and len(op.inputs) == 1:
        return one
    if plain and len(op.inputs) == 2:
        return pair
    return of_one if len(op.inputs) == 1 and op.variadic is None and worth is None else chosen


# Random draws (`minitorch/draws.py`, `minitorch/rejection.py`). Their kernels give the same bits, so here what ran before may decide: once a draw
# was large enough to be worth loading Numba, its kernel takes the small ones too.

DRAW_KERNELS: dict[str, Callable] = {}  # filled by @accelerates_draw


def accelerates_draw(name: str) -> Callable:
    """Declare the decorated function (generator, count, *parameters) to be the kernel of the draw `name`."""
    if name not in DRAWS:
        raise ValueError(f"accelerates_draw: there is no draw {name!r}")

    def declare(function):
        DRAW_KERNELS[name] = function
        return function

    return declare


def accelerated_draw(name: str) -> Callable:
    """The kernel of the draw `name`; imports its module, and Numba, if need be."""
    if name not in DRAW_KERNELS:
        importlib.import_module(f".{DRAWS[name].module}", __package__)
    return DRAW_KERNELS[name]


def choose_draw(name: str, mode: str) -> Callable:
    """A function like the reference of the draw `name` that puts the kernel in its place where `mode` asks for it."""
    draw = DRAWS[name]
    if mode == "numpy":
        return draw.reference

    def chosen(generator, count, *parameters):
        if mode == "auto" and count < draw.least and name not in DRAW_KERNELS:
            return draw.reference(generator, count, *parameters)
        try:
            draw.kernel = accelerated_draw(name)
        except ImportError as error:
            if mode == "numba":
                raise
            warnings.warn(f"Numba cannot be imported, {name} runs in NumPy: {error}", stacklevel=3)
            draw.kernel = draw.reference
        return draw.kernel(generator, count, *parameters)

    return chosen


@functools.cache
def step_kernels() -> dict:
    return importlib.import_module(".steps", __package__).STEPS


def step_kernel(rule: str, params: list):
    """The kernel for an optimizer's rule of that name over `params`; None where NumPy is to run the rule itself."""
    if mode == "numpy" or (mode == "auto" and sum([p.array.size for p in params]) < 4096):
        return None
    try:
        return step_kernels().get(rule)
    except ImportError:
        if mode == "numba":
            raise
        return None


mode = "numpy"


def current() -> str:
    """The selection in force: "auto", "numba" or "numpy"."""
    return mode


class use:
    """Select the implementations: "auto", "numba" or "numpy"; in a `with` statement, until its end."""

    def __init__(self, selection: str) -> None:
        if selection not in ("auto", "numba", "numpy"):
            raise ValueError(f'kernels.use expects "auto", "numba" or "numpy", but got {selection!r}')
        self.before = mode
        select(selection)

    def __enter__(self) -> use:
        return self

    def __exit__(self, *exception) -> None:
        select(self.before)


def select(selection: str) -> None:
    global mode
    mode = selection
    for name in KERNELS.keys() & REGISTRY.keys():
        op = REGISTRY[name]
        op.kernel = choose(name, op.reference, selection)
    for name, draw in DRAWS.items():
        draw.kernel = choose_draw(name, selection)
