"""Arithmetic, elementwise with broadcasting."""

from __future__ import annotations

import numpy as np

from ..core.inplace import apply_in_place
from ..core.op import DIFFERENCE, ELEMENTWISE, FLOAT, FLOATING_ONLY, NUMBERS, PROMOTE, function, op
from ..core.promote import OPERANDS, check_no_bools, check_tensor, result_dtype
from ..core.tensor import Tensor, wrap
from ..dtypes import FLOATING
from ..dtypes import bool as bool_
from .convert import to_dtype


def zeros_as(g: Tensor) -> Tensor:
    """Zeros shaped like `g`: the gradient of a step function."""
    return wrap(np.zeros(g.array.shape, g.array.dtype))


EITHER = ("input", "other")  # one of the two operands may be a Python number

# The four operations. `add` and `sub` have torch's `alpha`, a factor for the second operand.


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=EITHER,
    vjp=dict(input=lambda g: g, other=lambda g: g),
    backward_name="AddBackward0",
    title="add",
)
def add_tensors(input, other):
    """z = input + other"""
    return np.add(input, other)


@op(
    ELEMENTWISE,
    dtype=DIFFERENCE,
    numbers=EITHER,
    vjp=dict(input=lambda g: g, other=lambda g: -g),
    backward_name="SubBackward0",
    title="sub",
)
def sub_tensors(input, other):
    """z = input - other"""
    return np.subtract(input, other)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=EITHER,
    vjp=dict(input=lambda g: g, other=lambda g, alpha: g * alpha),
    backward_name="AddBackward0",
    title="add",
)
def add_scaled(input, other, *, alpha):
    """z = input + alpha * other"""
    return np.add(input, np.multiply(other, _factor(alpha, other)))


def _factor(alpha, array):
    return np.array(alpha).astype(array.dtype)


def _check_alpha(name: str, input, other, alpha) -> None:
    common = result_dtype((input, other))
    if isinstance(alpha, bool) and common is not bool_:
        raise RuntimeError(f"{name}(): Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and common.category != FLOATING:
        raise RuntimeError(f"{name}(): For integral input tensors, argument alpha must not be a floating point number.")


@function(torch="add")
def add(input: Tensor, other, *, alpha=1) -> Tensor:
    """z = input + alpha * other. RuntimeError for shapes that do not broadcast."""
    if alpha == 1 and type(alpha) is int:
        return add_tensors(input, other)
    _check_alpha("add", input, other, alpha)
    return add_scaled(input, other, alpha=alpha)


@function(torch=("sub", "subtract"))
def sub(input: Tensor, other, *, alpha=1) -> Tensor:
    """z = input - alpha * other. RuntimeError for two bool tensors."""
    if alpha == 1 and type(alpha) is int:
        return sub_tensors(input, other)
    _check_alpha("sub", input, other, alpha)
    check_no_bools(input, other)
    return add_scaled(input, other, alpha=-alpha)


@function(torch="rsub")
def rsub(input: Tensor, other, *, alpha=1) -> Tensor:
    """z = other - alpha * input."""
    check_tensor("rsub", "input", input)
    return sub(other, input, alpha=alpha)


@op(
    ELEMENTWISE,
    torch=("mul", "multiply"),
    dtype=PROMOTE,
    numbers=EITHER,
    vjp=dict(input=lambda g, other: g * other, other=lambda g, input: g * input),
)
def mul(input, other):
    """z = input * other"""
    return np.multiply(input, other)


@op(
    ELEMENTWISE,
    dtype=FLOAT,
    numbers=EITHER,
    vjp=dict(input=lambda g, other: g / other, other=lambda g, input, other: -g * ((input / other) / other)),
    backward_name="DivBackward0",
    title="div",
)
def true_div(input, other):
    """z = input / other"""
    return np.true_divide(input, other)


def _check_zero(other: np.ndarray) -> None:
    if other.dtype.kind in "iu" and not other.all():
        raise ValueError("ZeroDivisionError: integer division by zero")


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=EITHER,
    vjp=dict(input=lambda g: zeros_as(g), other=lambda g: zeros_as(g)),
    backward_name="DivBackward1",
)
def div_floor(input, other):
    """z = floor(input / other)"""
    _check_zero(other)
    if input.dtype == np.bool_:
        raise NotImplementedError("integer division is not implemented for 'Bool'")
    if input.dtype.kind != "f":
        return np.floor_divide(input, other)
    # Python's floor division, from the exact remainder; division by zero gives what input / other gives.
    return np.where(other == 0, np.true_divide(input, other), np.floor_divide(input, other))


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=EITHER,
    vjp=dict(input=lambda g: zeros_as(g), other=lambda g: zeros_as(g)),
    backward_name="DivBackward1",
)
def div_trunc(input, other):
    """z = trunc(input / other), rounding towards zero"""
    _check_zero(other)
    if input.dtype == np.bool_:
        raise NotImplementedError("integer division is not implemented for 'Bool'")
    if input.dtype.kind == "f":
        return np.trunc(np.true_divide(input, other))
    quotient = np.floor_divide(input, other)
    return quotient + ((quotient < 0) & (quotient * other != input)).astype(input.dtype)


@function(torch=("div", "divide"))
def div(input: Tensor, other, *, rounding_mode: str | None = None) -> Tensor:
    """z = input / other; rounded down ("floor") or towards zero ("trunc") on request. Integers divide to floats."""
    if rounding_mode is None:
        return true_div(input, other)
    if rounding_mode == "floor":
        return div_floor(input, other)
    if rounding_mode == "trunc":
        return div_trunc(input, other)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


@function(torch="true_divide")
def true_divide(input: Tensor, other) -> Tensor:
    """z = input / other, always floating."""
    return true_div(input, other)


@op(ELEMENTWISE, torch="floor_divide", dtype=PROMOTE, numbers=EITHER)
def floor_divide(input, other):
    """z = floor(input / other); torch gives this one no derivative, unlike div with rounding_mode="floor" (zero)"""
    return div_floor.op.reference(input, other)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    torch="remainder",
    numbers=EITHER,
    vjp=dict(input=lambda g: g, other=lambda g, input, other: -g * div_floor(input, other)),
)
def remainder(input, other):
    """z = input - floor(input / other) * other: the sign of `other` (Python's %), but a zero has the sign of `input`"""
    _check_zero(other)
    if input.dtype == np.bool_:
        raise NotImplementedError("integer division is not implemented for 'Bool'")
    if input.dtype.kind != "f":
        return np.remainder(input, other)
    rest = np.fmod(input, other)
    return np.where((rest != 0) & ((rest < 0) != (other < 0)), rest + other, rest)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    torch="fmod",
    vjp=dict(input=lambda g: g, other=lambda g, input, other: -g * div_trunc(input, other)),
)
def fmod(input, other):
    """z = input - trunc(input / other) * other: the sign of `input` (C's fmod)"""
    _check_zero(other)
    if input.dtype == np.bool_:
        raise NotImplementedError("integer division is not implemented for 'Bool'")
    return np.fmod(input, other)


# One operand.


@op(ELEMENTWISE, torch=("neg", "negative"), dtype=PROMOTE, vjp=dict(input=lambda g: -g))
def neg(input):
    """z = -input"""
    if input.dtype == np.bool_:
        raise ValueError("negation of a bool tensor is not supported; use ~ or logical_not instead")
    return np.negative(input)


@function(torch="positive")
def positive(input: Tensor) -> Tensor:
    """The input itself. RuntimeError for a bool tensor."""
    if input.dtype is bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@op(ELEMENTWISE, torch=("abs", "absolute"), dtype=NUMBERS, vjp=dict(input=lambda g, input: g * sign(input)))
def abs(input):
    """z = |input|; the gradient at 0 is 0"""
    return np.abs(input)


@op(ELEMENTWISE, torch=("sign", "sgn"), dtype=PROMOTE, vjp=dict(input=lambda g: zeros_as(g)))
def sign(input):
    """z = -1, 0 or 1"""
    if input.dtype.kind == "f":
        return np.where(np.isnan(input), input.dtype.type(0), np.sign(input))
    return input.copy() if input.dtype == np.bool_ else np.sign(input)


@op(ELEMENTWISE, torch="reciprocal", dtype=FLOAT, vjp=dict(input=lambda g, z: -g * (z * z)))
def reciprocal(input):
    """z = 1 / input"""
    return np.reciprocal(input)


@op(ELEMENTWISE, dtype=PROMOTE, vjp=dict(input=lambda g, input: g * (input * 2)), backward_name="PowBackward0")
def square_of(input):
    """z = input^2"""
    return np.square(input)


@function(torch="square")
def square(input: Tensor) -> Tensor:
    """z = input^2; bools become integers."""
    return square_of(input) if input.dtype is not bool_ else pow(input, 2)


@op(ELEMENTWISE, torch="sqrt", dtype=FLOAT, vjp=dict(input=lambda g, z: g / (z * 2)))
def sqrt(input):
    """z = sqrt(input); the gradient at 0 is inf"""
    return np.sqrt(input)


@op(ELEMENTWISE, torch="rsqrt", dtype=FLOAT, vjp=dict(input=lambda g, z: g * (z * z * z) * -0.5))
def rsqrt(input):
    """z = 1 / sqrt(input)"""
    return np.reciprocal(np.sqrt(input))


# Powers.


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, exponent: g * (pow(input, exponent - 1) * exponent) if exponent else zeros_as(g)),
    backward_name="PowBackward0",
    title="pow",
)
def pow_scalar(input, *, exponent):
    """z = input ** exponent for a Python number; its gradient is 0 everywhere when the exponent is 0"""
    if exponent == 2:
        return np.multiply(input, input)
    if exponent == 3:
        return np.multiply(np.multiply(input, input), input)
    if exponent == 1:
        return input.copy()
    if input.dtype.kind == "f":
        if exponent == 0.5:
            return np.sqrt(input)
        if exponent == -1:
            return np.reciprocal(input)
        if exponent == -0.5:
            return np.reciprocal(np.sqrt(input))
        if exponent == -2:
            return np.reciprocal(np.multiply(input, input))
    return np.power(input, np.array(exponent).astype(input.dtype))


def _pow_input(g, input, exponent):
    return (g * (exponent * pow(input, exponent - 1))).where(exponent != 0, 0)


def _pow_exponent(g, input, exponent, z):
    # d(x^y)/dy = x^y log x; at x = 0 it is 0 where y >= 0.
    logarithm = input.log() if isinstance(input, Tensor) else float(np.log(np.float64(input)))
    return (g * (z * logarithm)).where(~((input == 0) & (exponent >= 0)), 0)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=("input", "exponent"),
    vjp=dict(input=_pow_input, exponent=_pow_exponent),
    backward_name="PowBackward1",
    title="pow",
)
def pow_tensors(input, exponent):
    """z = input ** exponent; 0 ** 0 = 1"""
    if input.dtype == np.bool_:
        raise NotImplementedError("pow is not implemented for 'Bool'")
    if input.dtype.kind in "iu":
        return _integer_power(input, exponent)
    return np.power(input, exponent)


def _integer_power(input, exponent):
    """Negative powers of integers round towards zero: 0, except for the bases 1 and -1."""
    positive = np.power(input, np.where(exponent < 0, 0, exponent).astype(exponent.dtype))
    inverse = np.where(input == 1, 1, np.where(input == -1, np.where(exponent % 2 == 0, 1, -1), 0))
    return np.where(exponent < 0, inverse, positive).astype(input.dtype)


@function(torch="pow")
def pow(input, exponent) -> Tensor:
    """z = input ** exponent, for a tensor and a tensor or number. Integers to negative integer powers raise."""
    z = power(input, exponent)
    if z is NotImplemented:
        raise TypeError(f"pow(): argument 'exponent' must be Tensor or Number, not {type(exponent).__name__}")
    return z


def power(input, exponent):
    """`pow` as an operator: NotImplemented for an exponent that is neither a tensor nor a number."""
    if not isinstance(exponent, Tensor):
        if not isinstance(exponent, OPERANDS):
            return power(input, wrap(exponent)) if isinstance(exponent, np.ndarray) else NotImplemented
        check_tensor("pow", "input", input)
        common = result_dtype((input, exponent))
        if common.category != FLOATING and exponent < 0:
            raise RuntimeError("pow(): Integers to negative integer powers are not allowed.")
        return pow_scalar(to_dtype(input, common), exponent=exponent)
    if not isinstance(input, Tensor) and input == 1:
        common = result_dtype((input, exponent))
        if common is bool_:
            raise NotImplementedError("pow is not implemented for 'Bool'")
        return to_dtype(wrap(np.ones_like(exponent.array, dtype=common.numpy)), common)
    if not isinstance(input, OPERANDS):
        return NotImplemented
    return pow_tensors(input, exponent)


# Several operands.


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(
        input=lambda g: g,
        tensor1=lambda g, tensor2, value: g * (tensor2 * value),
        tensor2=lambda g, tensor1, value: g * (tensor1 * value),
    ),
    backward_name="AddcmulBackward0",
)
def addcmul_scaled(input, tensor1, tensor2, *, value):
    """z = input + value * tensor1 * tensor2"""
    return input + _factor(value, input) * tensor1 * tensor2


@function(torch="addcmul")
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value=1) -> Tensor:
    """z = input + value * tensor1 * tensor2."""
    return addcmul_scaled(input, tensor1, tensor2, value=value)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(
        input=lambda g: g,
        tensor1=lambda g, tensor2, value: g * (value / tensor2),
        tensor2=lambda g, tensor1, tensor2, value: -g * (tensor1 * value) / (tensor2 * tensor2),
    ),
    backward_name="AddcdivBackward0",
)
def addcdiv_scaled(input, tensor1, tensor2, *, value):
    """z = input + value * tensor1 / tensor2"""
    return input + _factor(value, input) * tensor1 / tensor2


@function(torch="addcdiv")
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value=1) -> Tensor:
    """z = input + value * tensor1 / tensor2. RuntimeError for integers."""
    if all(t.dtype.category != FLOATING for t in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported; use (input + value * tensor1 / tensor2) instead."
        )
    return addcdiv_scaled(input, tensor1, tensor2, value=value)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    numbers=("weight",),
    vjp=dict(
        input=lambda g, weight: g * (1 - weight),
        end=lambda g, weight: g * weight,
        weight=lambda g, input, end: g * (end - input),
    ),
    backward_name="LerpBackward0",
)
def lerp_between(input, end, weight):
    """z = input + weight * (end - input), from the nearer end: exact at weight 0 and 1"""
    near = np.abs(weight) < 0.5
    return np.where(near, input + weight * (end - input), end - (end - input) * (1 - weight))


@function(torch="lerp")
def lerp(input: Tensor, end: Tensor, weight) -> Tensor:
    """Linear interpolation z = input + weight * (end - input). RuntimeError when the types differ."""
    for other in (end, weight):
        if isinstance(other, Tensor) and other.array.dtype != input.array.dtype:
            raise RuntimeError(f"expected dtype {input.dtype} for `end`/`weight` but got dtype {other.dtype}")
    if input.dtype.category != FLOATING:
        raise NotImplementedError(f"lerp(): not implemented for {input.dtype}")
    return lerp_between(input, end, weight)


@op(
    ELEMENTWISE,
    torch="hypot",
    dtype=FLOATING_ONLY,
    numbers=(),
    vjp=dict(input=lambda g, input, z: g * (input / z), other=lambda g, other, z: g * (other / z)),
)
def hypot(input, other):
    """z = sqrt(input^2 + other^2) without overflow"""
    return np.hypot(input, other)


@function(torch="float_power")
def float_power(input, exponent) -> Tensor:
    """z = input ** exponent, computed in float64."""
    as_double = [to_dtype(x, np.float64) if isinstance(x, Tensor) else float(x) for x in (input, exponent)]
    return pow(*as_double)


@function(torch="Tensor.float_power_")
def float_power_(input: Tensor, exponent) -> Tensor:
    """`float_power` in place. RuntimeError unless the tensor is float64."""
    if input.array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype} but the operation's result requires dtype Double"
        )
    return apply_in_place("float_power_", float_power, input, (exponent,))
