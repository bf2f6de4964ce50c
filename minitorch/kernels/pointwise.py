"""Activations and their gradients: one pass over memory each.

NumPy computes x / (1 + exp(-x)) in four passes, each of which reads and writes an array that left the cache long ago.
Here one loop does it all, element by element as it is written down, and LLVM turns the loop into vector code, because
the functions from elementary.py contain neither calls nor branches.

Each table row below is a formula: of x, or of the gradient g and what the forward pass has kept (its input x or its
output z). `kind` makes constants of the element type, without which Numba would compute in float64.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from . import threads
from .elementary import exp as exp_of
from .elementary import normal
from .elementary import tanh as tanh_of
from .jit import njit, plain, take
from .registry import accelerates

__all__: list[str] = []

TASK = 16384  # elements of a task
OPTIONS = dict(fastmath={"contract"}, error_model="numpy")
ROOT_2_OVER_PI, CUBIC = math.sqrt(2 / math.pi), 0.044715
PER_ROOT_2PI = 1 / math.sqrt(2 * math.pi)


def exp(kind, x):
    return exp_of(x)


def tanh(kind, x):
    return tanh_of(x)


def relu(kind, x):
    return kind(0) if x < kind(0) else x  # NaN and -0 stay


def relu_backward(kind, z, g):
    return kind(0) if z <= kind(0) else g


def sigmoid(kind, x):
    return kind(1) / (kind(1) + exp_of(-x))


def sigmoid_backward(kind, g, z):
    return g * ((kind(1) - z) * z)


def tanh_backward(kind, g, z):
    return g * (kind(1) - z * z)


def silu_kernel(kind, x):
    return x / (kind(1) + exp_of(-x))


def silu_backward(kind, g, x):
    s = kind(1) / (kind(1) + exp_of(-x))
    return g * (s * (x * (kind(1) - s) + kind(1)))


def gelu_exact(kind, x):
    return x * normal(x)[0]


def gelu_exact_backward(kind, g, x):
    cumulative, bell = normal(x)
    return g * (cumulative + x * (bell * kind(PER_ROOT_2PI)))


def gelu_tanh(kind, x):
    t = tanh_of(kind(ROOT_2_OVER_PI) * (x + kind(CUBIC) * x * x * x))
    return kind(0.5) * x * (kind(1) + t)


def gelu_tanh_backward(kind, g, x):
    square = x * x
    t = tanh_of(kind(ROOT_2_OVER_PI) * x * (kind(1) + kind(CUBIC) * square))
    slope = kind(ROOT_2_OVER_PI) * (kind(1) + kind(3 * CUBIC) * square)
    return g * (kind(0.5) * (kind(1) + t) + kind(0.5) * x * (kind(1) - t * t) * slope)


OF_ONE = {f.__name__: f for f in (exp, tanh, relu, sigmoid, silu_kernel, gelu_exact, gelu_tanh)}
OF_TWO = {
    f.__name__: f
    for f in (relu_backward, sigmoid_backward, tanh_backward, silu_backward, gelu_exact_backward, gelu_tanh_backward)
}


# The loops below hold the name of a formula, not the formula itself: Numba keys its cache on disk by what a function
# holds, and a name is the same in every process.


def at_x(name, kind, x):
    raise NotImplementedError("at_x is for compiled code")


def at_gradient(name, kind, g, kept):
    raise NotImplementedError("at_gradient is for compiled code")


@overload(at_x, jit_options=dict(forceinline=True))
def formula_at_x(name, kind, x):
    if isinstance(name, types.StringLiteral):
        function = njit(OF_ONE[name.literal_value], forceinline=True, **OPTIONS)
        return lambda name, kind, x: function(kind, x)
    return None


@overload(at_gradient, jit_options=dict(forceinline=True))
def formula_at_gradient(name, kind, g, kept):
    if isinstance(name, types.StringLiteral):
        function = njit(OF_TWO[name.literal_value], forceinline=True, **OPTIONS)
        return lambda name, kind, g, kept: function(kind, g, kept)
    return None


def of_one(name):
    """The kernel out[i] = formula(x[i]), with its caller."""

    @njit(**OPTIONS)
    def loop(counter, x, out):
        """One thread. x, out: flat."""
        start = take(counter) * TASK
        while start < len(x):
            a, b = x[start : start + TASK], out[start : start + TASK]
            for i in range(len(a)):
                b[i] = at_x(name, x.dtype.type, a[i])
            start = take(counter) * TASK

    def kernel(input):
        if input.flags.carray:
            out = np.empty(input.shape, input.dtype)
            x, flat = input.reshape(-1), out.reshape(-1)
        else:
            out = np.empty_like(input)
            x, flat = input.copy("K").ravel("K"), out.ravel("K")
        if x.size <= TASK:
            loop(np.zeros(1, np.int64), x, flat)
        else:
            threads.run(loop, threads.threads_for(4 * x.size), x, flat)
        return out

    return kernel


def of_two(name):
    """The kernel out[i] = formula(g[i], kept[i]), with its caller."""

    @njit(**OPTIONS)
    def loop(counter, g, kept, out):
        """One thread. g, kept, out: flat."""
        start = take(counter) * TASK
        while start < len(g):
            a, b, c = g[start : start + TASK], kept[start : start + TASK], out[start : start + TASK]
            for i in range(len(a)):
                c[i] = at_gradient(name, g.dtype.type, a[i], b[i])
            start = take(counter) * TASK

    def kernel(grad, kept):
        if grad.shape != kept.shape:
            grad, kept = np.broadcast_arrays(grad, kept)
        g, k = plain(grad), plain(kept)
        out = np.empty(k.shape, k.dtype)
        arrays = g.reshape(-1), k.reshape(-1), out.reshape(-1)
        if out.size <= TASK:
            loop(np.zeros(1, np.int64), *arrays)
        else:
            threads.run(loop, threads.threads_for(5 * out.size), *arrays)
        return out

    return kernel


for name in OF_ONE:
    accelerates(name)(of_one(name))
for name in OF_TWO:
    accelerates(name)(of_two(name))
