"""Softmax and its logarithm, logsumexp, and their kin.

softmax and log_softmax are fused: a forward and a backward kernel each. The backward is linear in the gradient, so its
own rules are made of it and of a few sums; `composite` says in Tensor operations what its kernel computes.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.op import FLOAT, GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..shapes import normalize_dim
from .arithmetic import neg
from .convert import copied, to_dtype
from .creation import ones_like
from .extrema import argmax_dim
from .pick import place
from .product import recurrence, shift
from .reduce import add_reduce, numpy_arguments, reduced_dims, spread, sum_dims
from .scan import accumulate, along

# Softmax.


def _exponentials(input: np.ndarray, dim: int):
    """e^(x - max) and its sum: nothing overflows, and the largest term is 1."""
    axis = (dim,) if input.ndim else ()
    shifted = input - np.maximum.reduce(input, axis, None, None, True)
    powers = np.exp(shifted)
    return shifted, powers, add_reduce(powers, axis, True)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(input=lambda g, z, dim: softmax_backward(g, z, dim=dim)),
    backward_name="SoftmaxBackward0",
)
def softmax(input, *, dim):
    """z_i = e^(x_i) / sum_j e^(x_j), j along `dim`"""
    if not input.size:
        return input.copy()
    _, powers, total = _exponentials(input, dim)
    powers /= total
    return powers


def _sum_along(x: Tensor, dim: int) -> Tensor:
    return sum_dims(x, dim=(dim,) if x.array.ndim else (), keepdim=True)


def _softmax_backward(grad, output, *, dim):
    return (grad - _sum_along(grad * output, dim)) * output


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        grad=lambda g, output, dim: softmax_backward(g, output, dim=dim),
        output=lambda g, grad, output, dim: (
            g * (grad - _sum_along(grad * output, dim)) - grad * _sum_along(g * output, dim)
        ),
    ),
    composite=_softmax_backward,
    backward_name="SoftmaxBackwardDataBackward0",
)
def softmax_backward(grad, output, *, dim):
    """x' = z (g - sum_j g_j z_j)"""
    # Where one z is near 1 the sum is near its g, and their difference is exact.
    return (grad - add_reduce(grad * output, (dim,) if grad.ndim else (), True)) * output


# Its logarithm.


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(input=lambda g, z, dim: log_softmax_backward(g, z, dim=dim)),
    backward_name="LogSoftmaxBackward0",
)
def log_softmax(input, *, dim):
    """z_i = x_i - ln(sum_j e^(x_j)), j along `dim`"""
    if not input.size:
        return input.copy()
    shifted, _, total = _exponentials(input, dim)
    shifted -= np.log(total)
    return shifted


def _log_softmax_backward(grad, output, *, dim):
    return grad - output.exp() * _sum_along(grad, dim)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        grad=lambda g, output, dim: g - _sum_along(g * output.exp(), dim),
        output=lambda g, grad, output, dim: -g * output.exp() * _sum_along(grad, dim),
    ),
    composite=_log_softmax_backward,
    backward_name="LogSoftmaxBackwardDataBackward0",
)
def log_softmax_backward(grad, output, *, dim):
    """x' = g - e^z sum_j g_j"""
    return grad - np.exp(output) * add_reduce(grad, (dim,) if grad.ndim else (), True)


# What programs call.


def _arguments(name: str, input: Tensor, dim, dtype, numpy_names: dict):
    if numpy_names:
        dim, _ = numpy_arguments(name, numpy_names, dim, False)
    if dim is None:
        raise TypeError(f"{name}() missing required argument: 'dim' (int)")
    if dtype is not None:
        input = to_dtype(input, dtype)
    if input.array.dtype.kind in "iub":
        raise NotImplementedError(f"{name}() is not implemented for {input.dtype}; give it a floating dtype=")
    return input, normalize_dim(dim, input.array.ndim, name)


@function(torch=("softmax", "special.softmax"))
def softmax_function(input: Tensor, dim: int | None = None, dtype=None, **numpy_names) -> Tensor:
    """Softmax along `dim`: z_i = e^(x_i) / sum_j e^(x_j). dtype: the type to convert to first.

    IndexError for a dimension out of range; NaN where all of a line is -inf.
    """
    if dtype is None and type(dim) is int and 0 <= dim < input.array.ndim and input.array.dtype.kind == "f":
        return softmax(input, dim=dim)
    input, dim = _arguments("softmax", input, dim, dtype, numpy_names)
    return softmax(input, dim=dim)


@function(torch=("log_softmax", "special.log_softmax"))
def log_softmax_function(input: Tensor, dim: int | None = None, dtype=None, **numpy_names) -> Tensor:
    """The logarithm of softmax along `dim`: z_i = x_i - ln sum_j e^(x_j). dtype: the type to convert to first."""
    if dtype is None and type(dim) is int and 0 <= dim < input.array.ndim and input.array.dtype.kind == "f":
        return log_softmax(input, dim=dim)
    input, dim = _arguments("log_softmax", input, dim, dtype, numpy_names)
    return log_softmax(input, dim=dim)


def _implicit_dim(name: str, dim, ndim: int, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if ndim in (0, 1, 3) else 1


@function(torch="nn.functional.softmax")
def functional_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """Softmax along `dim`; without one (deprecated) along 0 for 0, 1 and 3 dimensions, else along 1."""
    if dtype is None and dim.__class__ is int and input.array.dtype.kind == "f":
        ndim = input.array.ndim
        if -ndim <= dim < ndim:
            return softmax(input, dim=dim if dim >= 0 else dim + ndim)
    return softmax_function(input, _implicit_dim("softmax", dim, input.array.ndim, _stacklevel), dtype)


@function(torch="nn.functional.log_softmax")
def functional_log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """The logarithm of softmax along `dim`; see `softmax`."""
    return log_softmax_function(input, _implicit_dim("log_softmax", dim, input.array.ndim, _stacklevel), dtype)


@function(torch="nn.functional.softmin")
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-input)."""
    return softmax_function(neg(input), _implicit_dim("softmin", dim, input.array.ndim, _stacklevel), dtype)


@function(torch="nn.functional.gumbel_softmax")
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + gumbel noise) / tau).

    hard: a one-hot sample whose gradient is that of the soft one (Jang et al. 2017, "Categorical Reparameterization
    with Gumbel-Softmax").
    """
    noise = -copied(logits.detach(), order="C").exponential_().log()
    soft = softmax_function((logits + noise) / tau, dim)
    if not hard:
        return soft
    dim = normalize_dim(dim, logits.array.ndim)
    largest = argmax_dim(soft, dim=dim, keepdim=True)
    one_hot = place(ones_like(largest, dtype=soft.dtype), largest, size=soft.array.shape, dim=dim, keepdim=True)
    return one_hot - soft.detach() + soft


# logsumexp.


def _logsumexp_gradient(g, input, z, dim, keepdim):
    size = input.array.shape
    z = spread(z, size=size, dim=dim, keepdim=keepdim)
    return spread(g, size=size, dim=dim, keepdim=keepdim) * (input - z).exp()


@op(GENERAL, dtype=FLOAT, vjp=dict(input=_logsumexp_gradient), backward_name="LogsumexpBackward0")
def logsumexp_dims(input, *, dim, keepdim):
    """z = ln sum_j e^(x_j), j along `dim`"""
    with np.errstate(divide="ignore"):
        if not input.size:
            return np.log(np.add.reduce(np.exp(input), dim, None, None, keepdim))
        largest = np.maximum.reduce(input, dim, None, None, True)
        largest = np.where(np.isinf(largest), 0, largest)
        total = np.log(add_reduce(np.exp(input - largest), dim, keepdim))
    return total + largest.reshape(total.shape)


@function(torch=("logsumexp", "special.logsumexp"))
def logsumexp(input: Tensor, dim, keepdim: bool = False, **numpy_names) -> Tensor:
    """ln sum_j e^(x_j) over `dim` (an int or several), without overflow. Integers become floats."""
    if numpy_names:
        dim, keepdim = numpy_arguments("logsumexp", numpy_names, dim, keepdim)
    return logsumexp_dims(input, dim=reduced_dims(dim, input.array.ndim), keepdim=keepdim)


def _logcumsumexp_gradient(g, input, z, dim):
    """x'_i = sum over k >= i of g_k e^(x_i - z_k) = e^(x_i - z_i) s_i with s_i = g_i + e^(z_i - z_{i+1}) s_{i+1}."""
    if not input.array.ndim:
        return g * (input - z).exp()
    last = np.zeros(z.array.shape, np.bool_)
    along(last, dim, slice(-1, None))[...] = True
    drop = (z - shift(z, dim=dim, reverse=True)).masked_fill(wrap(last) | (z == math.inf), 0)
    return recurrence(g, drop.exp(), dim=dim, reverse=True) * (input - z).exp()


@op(GENERAL, dtype=SAME, vjp=dict(input=_logcumsumexp_gradient), backward_name="LogcumsumexpBackward0")
def logcumsumexp_dim(input, *, dim):
    """z_i = ln(e^(x_0) + ... + e^(x_i)) along `dim`"""
    return accumulate(np.logaddexp, input, dim)


@function(torch="logcumsumexp")
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithm of the running sum of exponentials along `dim`."""
    if input.array.dtype.kind in "iub":
        raise NotImplementedError(f"logcumsumexp() is not implemented for {input.dtype}")
    return logcumsumexp_dim(input, dim=normalize_dim(dim, input.array.ndim))
