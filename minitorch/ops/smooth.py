"""Smooth activations: those with an exponential or a logarithm in them."""

from __future__ import annotations

import math

import numpy as np

from ..core.op import ELEMENTWISE, FLOAT, function, op
from ..core.tensor import Tensor
from .activation import check_floating, maybe_in_place
from .comparison import where
from .special import erf_array
from .transcendental import sigmoid

SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


# The exponential linear unit and its relatives.


def _exponential_linear_backward(grad, input, negative, scale, rate):
    below = where(input < 0, input, 0.0)  # at 0 the second derivative is torch's, 0
    return where(input > 0, grad * scale, grad * ((below * rate).exp() * (negative * rate)))


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=_exponential_linear_backward)
def exponential_linear_backward(grad, input, *, negative, scale, rate):
    """x' = g scale if x > 0 else g negative rate e^(rate x)"""
    kind = input.dtype.type
    below = np.exp(np.minimum(0, input) * kind(rate)) * kind(negative * rate)
    return grad * np.where(input > 0, kind(scale), below)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(
        input=lambda g, input, negative, scale, rate: exponential_linear_backward(
            g, input, negative=negative, scale=scale, rate=rate
        )
    ),
    backward_name="EluBackward0",
)
def exponential_linear(input, *, negative, scale, rate):
    """z = scale * input if input > 0 else negative * (e^(rate * input) - 1)"""
    kind = input.dtype.type
    below = np.expm1(np.minimum(0, input) * kind(rate)) * kind(negative)
    return np.where(input > 0, input * kind(scale), below)


@function(torch="nn.functional.elu")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """z = x for x > 0, alpha (e^x - 1) otherwise (Clevert et al. 2015)."""
    check_floating("elu_cpu", input)
    return maybe_in_place("elu_", lambda x: exponential_linear(x, negative=alpha, scale=1.0, rate=1.0), input, inplace)


@function(torch=("nn.functional.celu", "celu"))
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """z = x for x > 0, alpha (e^(x / alpha) - 1) otherwise. RuntimeError for alpha = 0."""
    check_floating("celu", input)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return maybe_in_place(
        "celu_", lambda x: exponential_linear(x, negative=alpha, scale=1.0, rate=1.0 / alpha), input, inplace
    )


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@function(torch=("nn.functional.selu", "selu"))
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """z = scale * elu(x, alpha) with the fixed point of mean 0 and variance 1 (Klambauer et al. 2017)."""
    check_floating("selu", input)
    return maybe_in_place(
        "selu_",
        lambda x: exponential_linear(x, negative=SELU_ALPHA * SELU_SCALE, scale=SELU_SCALE, rate=1.0),
        input,
        inplace,
    )


# Gated by the normal distribution, or by a sigmoid.


def _normal_cdf(x):
    return x.dtype.type(0.5) * (1 + erf_array(np.atleast_1d(x * x.dtype.type(SQRT_HALF)))).reshape(x.shape)


def _gelu_slope(input: Tensor) -> Tensor:
    """d/dx x Phi(x) = Phi(x) + x phi(x)."""
    cdf = ((input * SQRT_HALF).erf() + 1) * 0.5
    density = (input * input * -0.5).exp() * (1 / math.sqrt(2 * math.pi))
    return cdf + input * density


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, input: grad * _gelu_slope(input))
def gelu_exact_backward(grad, input):
    """x' = g (Phi(x) + x phi(x)), phi = Phi' the normal density"""
    kind = input.dtype.type
    density = np.exp(input * input * kind(-0.5)) * kind(1 / math.sqrt(2 * math.pi))
    return grad * (_normal_cdf(input) + input * density)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: gelu_exact_backward(g, input)),
    backward_name="GeluBackward0",
)
def gelu_exact(input):
    """z = input * Phi(input), Phi the cumulative normal distribution"""
    return input * _normal_cdf(input)


def _gelu_tanh_slope(input: Tensor) -> Tensor:
    """With u = sqrt(2/pi) (x + 0.044715 x^3): d/dx 0.5 x (1 + tanh u) = 0.5 (1 + t) + 0.5 x (1 - t^2) u'."""
    square = input * input
    t = (input * (square * 0.044715 + 1) * SQRT_2_OVER_PI).tanh()
    inner = (square * (3 * 0.044715) + 1) * SQRT_2_OVER_PI
    return (t + 1) * 0.5 + input * (1 - t * t) * inner * 0.5


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, input: grad * _gelu_tanh_slope(input))
def gelu_tanh_backward(grad, input):
    """x' = g (0.5 (1 + t) + 0.5 x (1 - t^2) u'), t = tanh u, u = sqrt(2/pi) (x + 0.044715 x^3)"""
    kind = input.dtype.type
    square = input * input
    t = np.tanh(input * (square * kind(0.044715) + 1) * kind(SQRT_2_OVER_PI))
    inner = (square * kind(3 * 0.044715) + 1) * kind(SQRT_2_OVER_PI)
    return grad * ((t + 1) * kind(0.5) + input * (1 - t * t) * inner * kind(0.5))


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input: gelu_tanh_backward(g, input)),
    backward_name="GeluBackward0",
)
def gelu_tanh(input):
    """z = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), x = input"""
    kind = input.dtype.type
    return kind(0.5) * input * (1 + np.tanh(kind(SQRT_2_OVER_PI) * (input + kind(0.044715) * input * input * input)))


@function(torch="nn.functional.gelu")
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """z = x Phi(x), or its approximation by tanh (`approximate="tanh"`) (Hendrycks & Gimpel 2016)."""
    check_floating("GeluKernelImpl", input)
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return gelu_exact(input) if approximate == "none" else gelu_tanh(input)


def _silu_slope(input: Tensor) -> Tensor:
    s = sigmoid(input)
    return s * (input * (1 - s) + 1)


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, input: grad * _silu_slope(input))
def silu_backward(grad, input):
    """x' = g s (1 + x (1 - s)), s = sigmoid(x)"""
    s = 1 / (1 + np.exp(-input))
    return grad * (s * (input * (1 - s) + 1))


@op(ELEMENTWISE, dtype=FLOAT, vjp=dict(input=lambda g, input: silu_backward(g, input)), backward_name="SiluBackward0")
def silu_kernel(input):
    """z = input * sigmoid(input)"""
    return input / (1 + np.exp(-input))


@function(torch="nn.functional.silu")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """z = x sigmoid(x) (Elfwing et al. 2017)."""
    check_floating("silu_cpu", input)
    return maybe_in_place("silu_", silu_kernel, input, inplace)


def _mish_slope(input: Tensor) -> Tensor:
    t = softplus(input).tanh()
    return t + input * (1 - t * t) * sigmoid(input)


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=lambda grad, input: grad * _mish_slope(input))
def mish_backward(grad, input):
    """x' = g (t + x (1 - t^2) sigmoid(x)), t = tanh(ln(1 + e^x))"""
    t = np.tanh(np.logaddexp(input, input.dtype.type(0)))
    return grad * (t + input * (1 - t * t) / (1 + np.exp(-input)))


@op(ELEMENTWISE, dtype=FLOAT, vjp=dict(input=lambda g, input: mish_backward(g, input)), backward_name="MishBackward0")
def mish_kernel(input):
    """z = input * tanh(ln(1 + e^input))"""
    return input * np.tanh(np.logaddexp(input, input.dtype.type(0)))


@function(torch="nn.functional.mish")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """z = x tanh(softplus(x)) (Misra 2019)."""
    check_floating("mish_cpu", input)
    return maybe_in_place("mish_", mish_kernel, input, inplace)


# The logarithm of a sigmoid.


def _softplus_backward(grad, input, beta, threshold):
    scaled = input * beta
    # At the threshold torch's second derivative is that of the straight line already.
    return where(scaled > threshold, grad, grad * sigmoid(where(scaled < threshold, scaled, threshold)))


@op(ELEMENTWISE, dtype=FLOAT, numbers=(), composite=_softplus_backward)
def softplus_backward(grad, input, *, beta, threshold):
    """x' = g sigmoid(beta x), and g itself where beta x > threshold"""
    scaled = input * input.dtype.type(beta)
    return np.where(scaled > threshold, grad, grad / (1 + np.exp(-scaled)))


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input, beta, threshold: softplus_backward(g, input, beta=beta, threshold=threshold)),
    backward_name="SoftplusBackward0",
)
def softplus_kernel(input, *, beta, threshold):
    """z = ln(1 + e^(beta * input)) / beta, and input itself where beta * input > threshold"""
    kind = input.dtype.type
    scaled = input * kind(beta)
    return np.where(scaled > threshold, input, np.log1p(np.exp(np.minimum(scaled, threshold))) / kind(beta))


@function(torch="nn.functional.softplus")
def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """z = ln(1 + e^(beta x)) / beta; linear for beta x > threshold."""
    check_floating("softplus_cpu", input)
    return softplus_kernel(input, beta=beta, threshold=threshold)


@op(ELEMENTWISE, dtype=FLOAT, vjp=dict(input=lambda g, input: g * sigmoid(-input)), backward_name="LogSigmoidBackward0")
def log_sigmoid(input):
    """z = -ln(1 + e^-input)"""
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


@function(torch="nn.functional.logsigmoid")
def logsigmoid(input: Tensor) -> Tensor:
    """z = ln sigmoid(x), without overflow."""
    check_floating("log_sigmoid_cpu", input)
    return log_sigmoid(input)


@function(torch="nn.functional.softsign")
def softsign(input: Tensor) -> Tensor:
    """z = x / (1 + |x|)."""
    return input / (input.abs() + 1)


@function(torch="nn.functional.tanhshrink")
def tanhshrink(input: Tensor) -> Tensor:
    """z = x - tanh(x)."""
    return input - input.tanh()
