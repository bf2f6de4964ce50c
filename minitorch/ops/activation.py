"""Activation functions, elementwise: the nonlinearities between the layers."""

from __future__ import annotations

import math

import numpy as np

from ..core.inplace import apply_in_place
from ..core.op import ELEMENTWISE, FLOAT, PROMOTE, function, op
from ..core.tensor import Tensor
from ..dtypes import FLOATING
from .arithmetic import zeros_as
from .comparison import where
from .only import only
from .special import erf_array
from .transcendental import sigmoid

# A 0-dim array is what NumPy takes fastest as a constant operand.
_ZERO = {np.dtype(kind): np.zeros((), kind) for kind in (np.float32, np.float64)}
SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def _maybe_in_place(name: str, function_, input: Tensor, inplace: bool) -> Tensor:
    return apply_in_place(name, function_, input) if inplace else function_(input)


def _check_floating(name: str, input: Tensor) -> None:
    if input.dtype.category != FLOATING:
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}')


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=(),
    vjp=dict(output=lambda g: zeros_as(g), grad=lambda g, output: relu_backward(output, g)),
    backward_name="ThresholdBackwardBackward0",
)
def relu_backward(output, grad):
    """x' = g where z > 0, else 0. The output first, as in torch: its memory order goes before that of the gradient."""
    return np.where(output <= 0, grad.dtype.type(0), grad)


def _not_bool(op_, inputs):
    arrays, result = PROMOTE(op_, inputs)
    if arrays[0].dtype == np.bool_:
        raise RuntimeError(f"Boolean inputs not supported for {op_.name}")
    return arrays, result


@op(ELEMENTWISE, torch="relu", dtype=_not_bool, vjp=dict(input=lambda g, z: relu_backward(z, g)))
def relu(input):
    """z = max(input, 0); the gradient at 0 is 0"""
    return np.maximum(_ZERO.get(input.dtype, 0), input)  # in this order -0 stays -0


@function(torch="nn.functional.relu")
def relu_function(input: Tensor, inplace: bool = False) -> Tensor:
    """z = max(input, 0) (Nair & Hinton 2010)."""
    return apply_in_place("relu_", relu, input) if inplace else relu(input)


@function(torch=("nn.functional.relu_", "relu_"))
def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    return apply_in_place("relu_", relu, input)


# A number of activations are linear or constant on pieces; each rule states the slope piece by piece.


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, slope: where(input > 0, g, g * slope)),
    backward_name="LeakyReluBackward0",
)
def leaky(input, *, slope):
    """z = input if input > 0 else slope * input"""
    return np.where(input > 0, input, input * input.dtype.type(slope))


@function(torch="nn.functional.leaky_relu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """z = x for x > 0, negative_slope * x otherwise."""
    _check_floating("leaky_relu_cpu", input)
    return _maybe_in_place("leaky_relu_", lambda x: leaky(x, slope=negative_slope), input, inplace)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, low, high: only((input > low) & (input < high), g)),
    backward_name="HardtanhBackward0",
)
def clipped(input, *, low, high):
    """z = input moved into [low, high]; the gradient at the bounds is 0"""
    return np.minimum(np.array(high).astype(input.dtype), np.maximum(np.array(low).astype(input.dtype), input))


@function(torch="nn.functional.hardtanh")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """z = min(max(x, min_val), max_val)."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.array.dtype == np.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    return _maybe_in_place("hardtanh_", lambda x: clipped(x, low=min_val, high=max_val), input, inplace)


@function(torch="nn.functional.relu6")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """z = min(max(x, 0), 6)."""
    if input.array.dtype == np.bool_:
        raise RuntimeError("Boolean inputs not supported for relu6")
    return _maybe_in_place("relu6_", lambda x: clipped(x, low=0, high=6), input, inplace)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(
        input=lambda g, input, negative, scale, rate: where(
            input > 0, g * scale, g * ((input * rate).exp() * (negative * rate))
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
    _check_floating("elu_cpu", input)
    return _maybe_in_place("elu_", lambda x: exponential_linear(x, negative=alpha, scale=1.0, rate=1.0), input, inplace)


@function(torch=("nn.functional.celu", "celu"))
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """z = x for x > 0, alpha (e^(x / alpha) - 1) otherwise. RuntimeError for alpha = 0."""
    _check_floating("celu", input)
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _maybe_in_place(
        "celu_", lambda x: exponential_linear(x, negative=alpha, scale=1.0, rate=1.0 / alpha), input, inplace
    )


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@function(torch=("nn.functional.selu", "selu"))
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """z = scale * elu(x, alpha) with the fixed point of mean 0 and variance 1 (Klambauer et al. 2017)."""
    _check_floating("selu", input)
    return _maybe_in_place(
        "selu_",
        lambda x: exponential_linear(x, negative=SELU_ALPHA * SELU_SCALE, scale=SELU_SCALE, rate=1.0),
        input,
        inplace,
    )


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(
        input=lambda g, input, weight: where(input > 0, g, g * weight),
        weight=lambda g, input: only(input > 0, g * input, inverted=True),
    ),
    backward_name="PreluKernelBackward0",
)
def prelu_kernel(input, weight):
    """z = input if input > 0 else weight * input"""
    return np.where(input > 0, input, weight * input)


@function(torch=("nn.functional.prelu", "prelu"))
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """z = x for x > 0, weight * x otherwise, one weight or one per channel, x: (N, C, ...) (He et al. 2015)."""
    if weight.array.dtype != input.array.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}")
    if weight.array.size != 1:
        if input.array.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.array.shape[1] if input.array.ndim >= 2 else 1
        if channels != weight.array.size:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.array.size} "
                f"and channel size = {channels}."
            )
    if weight.array.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.array.ndim}")
    if input.array.ndim >= 2:
        weight = weight.reshape([-1 if d == 1 else 1 for d in range(input.array.ndim)])
    elif weight.array.ndim:
        weight = weight.reshape(()) if input.array.ndim == 0 else weight
    return prelu_kernel(input, weight)


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
    _check_floating("GeluKernelImpl", input)
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
    _check_floating("silu_cpu", input)
    return _maybe_in_place("silu_", silu_kernel, input, inplace)


def _softplus_array(x):
    return np.logaddexp(x, x.dtype.type(0))


def _mish_slope(input: Tensor) -> Tensor:
    t = softplus(input).tanh()
    return t + input * (1 - t * t) * sigmoid(input)


@op(ELEMENTWISE, dtype=FLOAT, vjp=dict(input=lambda g, input: g * _mish_slope(input)), backward_name="MishBackward0")
def mish_kernel(input):
    """z = input * tanh(ln(1 + e^input))"""
    return input * np.tanh(_softplus_array(input))


@function(torch="nn.functional.mish")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """z = x tanh(softplus(x)) (Misra 2019)."""
    _check_floating("mish_cpu", input)
    return _maybe_in_place("mish_", mish_kernel, input, inplace)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    vjp=dict(input=lambda g, input, beta, threshold: where(input * beta > threshold, g, g * sigmoid(input * beta))),
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
    _check_floating("softplus_cpu", input)
    return softplus_kernel(input, beta=beta, threshold=threshold)


@op(ELEMENTWISE, dtype=FLOAT, vjp=dict(input=lambda g, input: g * sigmoid(-input)), backward_name="LogSigmoidBackward0")
def log_sigmoid(input):
    """z = -ln(1 + e^-input)"""
    return np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))


@function(torch="nn.functional.logsigmoid")
def logsigmoid(input: Tensor) -> Tensor:
    """z = ln sigmoid(x), without overflow."""
    _check_floating("log_sigmoid_cpu", input)
    return log_sigmoid(input)


@function(torch="nn.functional.softsign")
def softsign(input: Tensor) -> Tensor:
    """z = x / (1 + |x|)."""
    return input / (input.abs() + 1)


@function(torch="nn.functional.tanhshrink")
def tanhshrink(input: Tensor) -> Tensor:
    """z = x - tanh(x)."""
    return input - input.tanh()


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input: where(input <= -3, 0.0, where(input < 3, g * (input / 3 + 0.5), g))),
    backward_name="HardswishBackward0",
)
def hardswish_kernel(input):
    """z = input * min(max(input + 3, 0), 6) / 6"""
    kind = input.dtype.type
    return input * np.minimum(np.maximum(input + kind(3), kind(0)), kind(6)) / kind(6)


@function(torch="nn.functional.hardswish")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """z = x relu6(x + 3) / 6 (Howard et al. 2019)."""
    _check_floating("hardswish_cpu", input)
    return _maybe_in_place("hardswish_", hardswish_kernel, input, inplace)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input: only((input > -3) & (input < 3), g / 6)),
    backward_name="HardsigmoidBackward0",
)
def hardsigmoid_kernel(input):
    """z = min(max(input + 3, 0), 6) / 6"""
    kind = input.dtype.type
    return np.minimum(np.maximum(input + kind(3), kind(0)), kind(6)) / kind(6)


@function(torch="nn.functional.hardsigmoid")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """z = relu6(x + 3) / 6."""
    _check_floating("hardsigmoid_cpu", input)
    return _maybe_in_place("hardsigmoid_", hardsigmoid_kernel, input, inplace)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, bound: only((input >= -bound) & (input <= bound), g, inverted=True)),
    backward_name="HardshrinkBackward0",
)
def hardshrink_kernel(input, *, bound):
    """z = 0 where |input| <= bound, input elsewhere"""
    return np.where((input >= -bound) & (input <= bound), input.dtype.type(0), input)


@function(torch=("nn.functional.hardshrink", "hardshrink"))
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """z = x where |x| > lambd, 0 elsewhere."""
    _check_floating("hardshrink_cpu", input)
    return hardshrink_kernel(input, bound=lambd)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, bound: only((input >= -bound) & (input <= bound), g, inverted=True)),
    backward_name="SoftshrinkBackward0",
)
def softshrink_kernel(input, *, bound):
    """z = input moved towards 0 by bound, and 0 where |input| <= bound; nan stays nan"""
    kind = input.dtype.type
    return np.where(input > bound, input - kind(bound), np.where(input < -bound, input + kind(bound), input * kind(0)))


@function(torch="nn.functional.softshrink")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """z = sign(x) max(|x| - lambd, 0). RuntimeError for a negative lambd."""
    _check_floating("softshrink_cpu", input)
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return softshrink_kernel(input, bound=lambd)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, threshold: only(input <= threshold, g, inverted=True)),
    backward_name="ThresholdBackward0",
)
def threshold_kernel(input, *, threshold, value):
    """z = value where input <= threshold, input elsewhere"""
    return np.where(input <= threshold, np.array(value).astype(input.dtype), input)


@function(torch=("nn.functional.threshold", "threshold"))
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """z = x where x > threshold, value elsewhere."""
    return _maybe_in_place(
        "threshold_", lambda x: threshold_kernel(x, threshold=threshold, value=value), input, inplace
    )


@function(torch="nn.functional.glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """z = a sigmoid(b), the input split in halves a, b along `dim` (Dauphin et al. 2016). RuntimeError for odd sizes."""
    _check_floating("glu_cpu", input)
    if input.array.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return input.narrow(dim, 0, size // 2) * sigmoid(input.narrow(dim, size // 2, size // 2))
