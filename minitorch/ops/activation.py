"""Activation functions that are linear or constant on pieces: the rectifier and its kin (smooth.py has the others)."""

from __future__ import annotations

import numpy as np

from ..core.inplace import apply_in_place
from ..core.op import ELEMENTWISE, FLOATING_ONLY, PROMOTE, function, op
from ..core.tensor import Tensor
from ..dtypes import FLOATING
from .arithmetic import zeros_as
from .comparison import where
from .only import only
from .transcendental import sigmoid

# A 0-dim array is what NumPy takes fastest as a constant operand.
_ZERO = {np.dtype(kind): np.zeros((), kind) for kind in (np.float32, np.float64)}


def maybe_in_place(name: str, function_, input: Tensor, inplace: bool) -> Tensor:
    return apply_in_place(name, function_, input) if inplace else function_(input)


def check_floating(name: str, input: Tensor) -> None:
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
    numbers=(),
    composite=lambda grad, input, slope: where(input > 0, grad, grad * slope),
)
def leaky_backward(grad, input, *, slope):
    """x' = g where x > 0, slope * g elsewhere"""
    return np.where(input > 0, grad, grad * grad.dtype.type(slope))


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, slope: leaky_backward(g, input, slope=slope)),
    backward_name="LeakyReluBackward0",
)
def leaky(input, *, slope):
    """z = input if input > 0 else slope * input"""
    return np.where(input > 0, input, input * input.dtype.type(slope))


@function(torch="nn.functional.leaky_relu")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """z = x for x > 0, negative_slope * x otherwise."""
    check_floating("leaky_relu_cpu", input)
    return maybe_in_place("leaky_relu_", lambda x: leaky(x, slope=negative_slope), input, inplace)


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
    return maybe_in_place("hardtanh_", lambda x: clipped(x, low=min_val, high=max_val), input, inplace)


@function(torch="nn.functional.relu6")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """z = min(max(x, 0), 6)."""
    if input.array.dtype == np.bool_:
        raise RuntimeError("Boolean inputs not supported for relu6")
    return maybe_in_place("relu6_", lambda x: clipped(x, low=0, high=6), input, inplace)


@op(
    ELEMENTWISE,
    dtype=FLOATING_ONLY,
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


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=(),
    composite=lambda grad, input: where(input <= -3, 0.0, where(input < 3, grad * (input / 3 + 0.5), grad)),
)
def hardswish_backward(grad, input):
    """x' = 0 where x <= -3, g where x >= 3, g (x / 3 + 1 / 2) in between"""
    kind = grad.dtype.type
    between = np.where(input < 3, grad * (input / kind(3) + kind(0.5)), grad)
    return np.where(input <= -3, kind(0), between)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input: hardswish_backward(g, input)),
    backward_name="HardswishBackward0",
)
def hardswish_kernel(input):
    """z = input * min(max(input + 3, 0), 6) / 6"""
    kind = input.dtype.type
    return input * np.minimum(np.maximum(input + kind(3), kind(0)), kind(6)) / kind(6)


@function(torch="nn.functional.hardswish")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """z = x relu6(x + 3) / 6 (Howard et al. 2019)."""
    check_floating("hardswish_cpu", input)
    return maybe_in_place("hardswish_", hardswish_kernel, input, inplace)


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
    check_floating("hardsigmoid_cpu", input)
    return maybe_in_place("hardsigmoid_", hardsigmoid_kernel, input, inplace)


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
    check_floating("hardshrink_cpu", input)
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
    check_floating("softshrink_cpu", input)
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
    return maybe_in_place("threshold_", lambda x: threshold_kernel(x, threshold=threshold, value=value), input, inplace)


@function(torch="nn.functional.glu")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """z = a sigmoid(b), the input split in halves a, b along `dim` (Dauphin et al. 2016). RuntimeError for odd sizes."""
    check_floating("glu_cpu", input)
    if input.array.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    return input.narrow(dim, 0, size // 2) * sigmoid(input.narrow(dim, size // 2, size // 2))
