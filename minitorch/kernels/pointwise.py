"""Activations and their gradients: one pass over memory each.

NumPy computes x / (1 + exp(-x)) in four passes, each of which reads and writes an array that left the cache long ago.
Here one loop does it all, element by element as it is written down, and LLVM turns the loop into vector code, because
the functions from elementary.py contain neither calls nor branches.

Each table row below is a formula: of x, or of the gradient g and what the forward pass has kept (its input x or its
output z), and then of the operation's parameters. `kind` makes constants of the element type, without which Numba would
compute in float64. Both branches of a condition are computed and one is selected: a vector cannot jump.

Some formulas are rearranged so that nothing overflows or cancels, and so that little is computed:

    softplus(x)  = max(x, 0) + log1p(e^-|x|)
    tanh(ln(1 + e)) = n / (n + 2),  n = (1 + e)^2 - 1 = e (e + 2)                     for mish, e = e^x
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from . import threads
from .elementary import cumulative, expm1, log1p, normal
from .elementary import exp as exp_of
from .elementary import tanh as tanh_of
from .jit import njit, plain, take_many
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
    return x * cumulative(x)


def gelu_exact_backward(kind, g, x):
    below, bell = normal(x)
    return g * (below + x * (bell * kind(PER_ROOT_2PI)))


def gelu_tanh(kind, x):
    t = tanh_of(kind(ROOT_2_OVER_PI) * (x + kind(CUBIC) * x * x * x))
    return kind(0.5) * x * (kind(1) + t)


def gelu_tanh_backward(kind, g, x):
    square = x * x
    t = tanh_of(kind(ROOT_2_OVER_PI) * x * (kind(1) + kind(CUBIC) * square))
    slope = kind(ROOT_2_OVER_PI) * (kind(1) + kind(3 * CUBIC) * square)
    return g * (kind(0.5) * (kind(1) + t) + kind(0.5) * x * (kind(1) - t * t) * slope)


def sign(kind, x):
    return kind(1) if x > kind(0) else kind(-1) if x < kind(0) else kind(0)


def leaky(kind, x, slope):
    return x if x > kind(0) else x * kind(slope)


def leaky_backward(kind, g, x, slope):
    return g if x > kind(0) else g * kind(slope)


def hardswish_kernel(kind, x):
    inside = x + kind(3)
    inside = kind(0) if inside < kind(0) else inside
    return x * (kind(6) if inside > kind(6) else inside) * kind(1 / 6)


def hardswish_backward(kind, g, x):
    between = g * (x * kind(1 / 3) + kind(0.5)) if x < kind(3) else g
    return kind(0) if x <= kind(-3) else between


def exponential_linear(kind, x, negative, scale, rate):
    below = expm1((x if x < kind(0) else kind(0)) * kind(rate)) * kind(negative)
    return below if x <= kind(0) else x * kind(scale)  # NaN as it is


def exponential_linear_backward(kind, g, x, negative, scale, rate):
    return g * kind(scale) if x > kind(0) else g * (exp_of(x * kind(rate)) * kind(negative * rate))


def softplus_kernel(kind, x, beta, threshold):
    scaled = x * kind(beta)
    size = scaled if scaled > kind(0) else -scaled
    soft = ((scaled if scaled > kind(0) else kind(0)) + log1p(exp_of(-size))) / kind(beta)
    return x if scaled > kind(threshold) else soft


def softplus_backward(kind, g, x, beta, threshold):
    scaled = x * kind(beta)
    return g if scaled > kind(threshold) else g / (kind(1) + exp_of(-scaled))


FAR = 44  # tanh(softplus(44)) rounds to 1, and e^88 is a float32


def mish_kernel(kind, x):
    e = exp_of(kind(FAR) if x > kind(FAR) else x)
    n = e * (e + kind(2))
    return x * (n / (n + kind(2)))


def mish_backward(kind, g, x):
    e = exp_of(kind(FAR / 2) if x > kind(FAR / 2) else x)  # there e^2 squared is to be a float32
    n = e * (e + kind(2))
    part = kind(1) / (n + kind(2))
    return g * (n * part + x * (kind(4) * e * (kind(1) + e) * part * part))


OF_ONE = {
    f.__name__: f
    for f in (
        exp, tanh, relu, sigmoid, silu_kernel, gelu_exact, gelu_tanh, sign, leaky, hardswish_kernel,
        exponential_linear, softplus_kernel, mish_kernel,
    )
}  # fmt: skip
OF_TWO = {
    f.__name__: f
    for f in (
        relu_backward, sigmoid_backward, tanh_backward, silu_backward, gelu_exact_backward, gelu_tanh_backward,
        leaky_backward, hardswish_backward, exponential_linear_backward, softplus_backward, mish_backward,
    )
}  # fmt: skip


# The loops below hold the name of a formula, not the formula itself: Numba keys its cache on disk by what a function
# holds, and a name is the same in every process.


def at_x(name, kind, x, params):
    raise NotImplementedError("at_x is for compiled code")


def at_gradient(name, kind, g, kept, params):
    raise NotImplementedError("at_gradient is for compiled code")


@overload(at_x, jit_options=dict(forceinline=True))
def formula_at_x(name, kind, x, params):
    if isinstance(name, types.StringLiteral):
        function = njit(OF_ONE[name.literal_value], forceinline=True, **OPTIONS)
        return lambda name, kind, x, params: function(kind, x, *params)
    return None


@overload(at_gradient, jit_options=dict(forceinline=True))
def formula_at_gradient(name, kind, g, kept, params):
    if isinstance(name, types.StringLiteral):
        function = njit(OF_TWO[name.literal_value], forceinline=True, **OPTIONS)
        return lambda name, kind, g, kept, params: function(kind, g, kept, *params)
    return None


def units(formula):
    """What an element takes, as `threads_for` counts: the functions of elementary.py take ten times as long as the rest."""
    return 50 if {"exp_of", "tanh_of", "cumulative", "normal", "expm1", "log1p"} & set(formula.__code__.co_names) else 8


def parameters(formula, count):
    """The names of its parameters, which come after `kind` and `count` numbers."""
    return formula.__code__.co_varnames[1 + count : formula.__code__.co_argcount]


def of_one(name):
    """The kernel out[i] = formula(x[i]), with its caller."""
    names, each = parameters(OF_ONE[name], 1), units(OF_ONE[name])

    @njit(**OPTIONS)
    def loop(counter, x, out, params):
        """One thread. x, out: flat."""
        start = take_many(counter, len(x), TASK)
        while start < len(x):
            a, b = x[start : start + TASK], out[start : start + TASK]
            for i in range(len(a)):
                b[i] = at_x(name, x.dtype.type, a[i], params)
            start = take_many(counter, len(x), TASK)

    def kernel(input, **params):
        return each_element(loop, each, input, tuple([float(params[n]) for n in names]) if names else ())

    return kernel


def each_element(loop, each, input, *arguments):
    """The array that loop(counter, x, out, *arguments) fills from all elements of the input, in their order in memory.

    each: what an element takes, as `threads_for` counts.
    """
    if input.flags.carray:
        out = np.empty(input.shape, input.dtype)
        x, flat = input.reshape(-1), out.reshape(-1)
    else:
        out = np.empty_like(input)
        x, flat = input.copy("K").ravel("K"), out.ravel("K")
    if x.size <= TASK:
        loop(np.zeros(1, np.int64), x, flat, *arguments)
    else:
        threads.run(loop, threads.threads_for(each * x.size), x, flat, *arguments)
    return out


def of_two(name):
    """The kernel out[i] = formula(g[i], kept[i]), with its caller."""
    names, each = parameters(OF_TWO[name], 2), units(OF_TWO[name])

    @njit(**OPTIONS)
    def loop(counter, g, kept, out, params):
        """One thread. g, kept, out: flat."""
        start = take_many(counter, len(g), TASK)
        while start < len(g):
            a, b, c = g[start : start + TASK], kept[start : start + TASK], out[start : start + TASK]
            for i in range(len(a)):
                c[i] = at_gradient(name, g.dtype.type, a[i], b[i], params)
            start = take_many(counter, len(g), TASK)

    def kernel(grad, kept, **params):
        if grad.shape != kept.shape:
            grad, kept = np.broadcast_arrays(grad, kept)
        g, k = plain(grad), plain(kept)
        out = np.empty(k.shape, k.dtype)
        numbers = tuple([float(params[n]) for n in names]) if names else ()
        arrays = g.reshape(-1), k.reshape(-1), out.reshape(-1), numbers
        if out.size <= TASK:
            loop(np.zeros(1, np.int64), *arrays)
        else:
            threads.run(loop, threads.threads_for(each * out.size), *arrays)
        return out

    return kernel


for name in OF_ONE:
    accelerates(name)(of_one(name))
for name in OF_TWO:
    accelerates(name)(of_two(name))
