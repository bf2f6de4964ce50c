"""Comparison, logic, and choosing between two tensors."""

from __future__ import annotations

import numpy as np

from ..core.op import COMPARE, ELEMENTWISE, PROMOTE, function, op
from ..core.promote import result_dtype
from ..core.tensor import Tensor
from ..dtypes import from_numpy_dtype
from .arithmetic import EITHER, zeros_as
from .convert import contiguous


@op(ELEMENTWISE, torch="eq", dtype=COMPARE)
def eq(input, other):
    """z = (input == other)"""
    return np.equal(input, other)


@op(ELEMENTWISE, torch=("ne", "not_equal"), dtype=COMPARE)
def ne(input, other):
    """z = (input != other)"""
    return np.not_equal(input, other)


@op(ELEMENTWISE, torch=("lt", "less"), dtype=COMPARE)
def lt(input, other):
    """z = (input < other)"""
    return np.less(input, other)


@op(ELEMENTWISE, torch=("le", "less_equal"), dtype=COMPARE)
def le(input, other):
    """z = (input <= other)"""
    return np.less_equal(input, other)


@op(ELEMENTWISE, torch=("gt", "greater"), dtype=COMPARE)
def gt(input, other):
    """z = (input > other)"""
    return np.greater(input, other)


@op(ELEMENTWISE, torch=("ge", "greater_equal"), dtype=COMPARE)
def ge(input, other):
    """z = (input >= other)"""
    return np.greater_equal(input, other)


@op(ELEMENTWISE, torch="isnan", dtype=COMPARE)
def isnan(input):
    """z = whether input is not a number"""
    return np.not_equal(input, input)


@op(ELEMENTWISE, torch="isinf", dtype=COMPARE)
def isinf(input):
    """z = whether input is inf or -inf"""
    return np.isinf(input.astype(np.float32) if input.dtype.kind == "V" else input)


@op(ELEMENTWISE, torch="isfinite", dtype=COMPARE)
def isfinite(input):
    """z = whether input is neither infinite nor nan"""
    return np.isfinite(input.astype(np.float32) if input.dtype.kind == "V" else input)


@op(ELEMENTWISE, torch="logical_and", numbers=(), dtype=COMPARE)
def logical_and(input, other):
    """z = whether both are nonzero"""
    return np.logical_and(input, other)


@op(ELEMENTWISE, torch="logical_or", numbers=(), dtype=COMPARE)
def logical_or(input, other):
    """z = whether one of the two is nonzero"""
    return np.logical_or(input, other)


@op(ELEMENTWISE, torch="logical_xor", numbers=(), dtype=COMPARE)
def logical_xor(input, other):
    """z = whether exactly one of the two is nonzero"""
    return np.logical_xor(input, other)


@op(ELEMENTWISE, torch="logical_not", dtype=COMPARE)
def logical_not(input):
    """z = whether input is zero"""
    return np.logical_not(input)


def _check_integral(name: str, array, kinds: str = "iub") -> None:
    if array.dtype.kind not in kinds:
        raise NotImplementedError(f'"{name}_cpu" not implemented for {from_numpy_dtype(array.dtype)}')


@op(ELEMENTWISE, torch="bitwise_and", numbers=EITHER, dtype=PROMOTE)
def bitwise_and(input, other):
    """z = input & other, for integers and bools"""
    _check_integral("bitwise_and", input)
    return np.bitwise_and(input, other)


@op(ELEMENTWISE, torch="bitwise_or", numbers=EITHER, dtype=PROMOTE)
def bitwise_or(input, other):
    """z = input | other, for integers and bools"""
    _check_integral("bitwise_or", input)
    return np.bitwise_or(input, other)


@op(ELEMENTWISE, torch="bitwise_xor", numbers=EITHER, dtype=PROMOTE)
def bitwise_xor(input, other):
    """z = input ^ other, for integers and bools"""
    _check_integral("bitwise_xor", input)
    return np.bitwise_xor(input, other)


@op(ELEMENTWISE, torch="bitwise_not", dtype=PROMOTE)
def bitwise_not(input):
    """z = ~input, for integers and bools"""
    _check_integral("bitwise_not", input)
    return np.invert(input)


@op(ELEMENTWISE, torch=("bitwise_left_shift", "Tensor.__lshift__"), numbers=EITHER, dtype=PROMOTE)
def bitwise_left_shift(input, other):
    """z = input * 2^other, for integers"""
    _check_integral("bitwise_left_shift", input, "iu")
    return np.left_shift(input, other)


@op(ELEMENTWISE, torch=("bitwise_right_shift", "Tensor.__rshift__"), numbers=EITHER, dtype=PROMOTE)
def bitwise_right_shift(input, other):
    """z = floor(input / 2^other), for integers"""
    _check_integral("bitwise_right_shift", input, "iu")
    return np.right_shift(input, other)


# Choosing.


@op(
    ELEMENTWISE,
    numbers=(),
    dtype=PROMOTE,
    torch="maximum",
    vjp=dict(
        input=lambda g, input, other: _half_at_ties(g, input, other, input < other),
        other=lambda g, input, other: _half_at_ties(g, input, other, other < input),
    ),
)
def maximum(input, other):
    """z = the larger of the two; nan wins; ties share the gradient"""
    return np.maximum(input, other)


@op(
    ELEMENTWISE,
    numbers=(),
    dtype=PROMOTE,
    torch="minimum",
    vjp=dict(
        input=lambda g, input, other: _half_at_ties(g, input, other, input > other),
        other=lambda g, input, other: _half_at_ties(g, input, other, other > input),
    ),
)
def minimum(input, other):
    """z = the smaller of the two; nan wins; ties share the gradient"""
    return np.minimum(input, other)


def _half_at_ties(g, input, other, loses):
    return masked(where(input == other, g / 2, g), loses, 0)


@op(
    ELEMENTWISE,
    numbers=(),
    dtype=PROMOTE,
    torch="fmax",
    vjp=dict(
        input=lambda g, input, other: masked(g, ~((input >= other) | isnan(other)), 0),
        other=lambda g, input, other: masked(g, (input >= other) | isnan(other), 0),
    ),
)
def fmax(input, other):
    """z = the larger of the two; a number wins over nan; the first input takes ties"""
    return np.fmax(input, other)


@op(
    ELEMENTWISE,
    numbers=(),
    dtype=PROMOTE,
    torch="fmin",
    vjp=dict(
        input=lambda g, input, other: masked(g, ~((input <= other) | isnan(other)), 0),
        other=lambda g, input, other: masked(g, (input <= other) | isnan(other), 0),
    ),
)
def fmin(input, other):
    """z = the smaller of the two; a number wins over nan; the first input takes ties"""
    return np.fmin(input, other)


def _where_types(op_, inputs):
    condition, *values = inputs
    if not isinstance(condition, Tensor):
        raise TypeError(f"where(): argument 'condition' must be Tensor, not {type(condition).__name__}")
    if condition.array.dtype != np.bool_ and condition.array.dtype != np.uint8:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if any(isinstance(v, Tensor) for v in values):
        arrays, result = PROMOTE(op_, [None, *values])
        arrays = arrays[1:]
    else:
        common = result_dtype(values).numpy
        arrays, result = [np.array(v, common) for v in values], None
    return [condition.array.astype(np.bool_, copy=False), *arrays], result


@op(
    ELEMENTWISE,
    numbers=EITHER,
    dtype=_where_types,
    vjp=dict(
        input=lambda g, condition: where(condition, g, 0.0),
        other=lambda g, condition: where(condition, 0.0, g),
    ),
    jvp=dict(
        input=lambda t, condition: where(condition, t, 0.0),
        other=lambda t, condition: where(condition, 0.0, t),
    ),
    backward_name="WhereBackward0",
)
def choose(condition, input, other):
    """z = input where the condition holds, other elsewhere"""
    return np.where(condition, input, other)


@function(torch="where")
def where(condition: Tensor, input=None, other=None):
    """z = input where condition else other (tensors or numbers); with the condition alone the indices where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return choose(condition, input, other)


@function(torch="Tensor.where")
def where_method(input: Tensor, condition: Tensor, other) -> Tensor:
    """z = self where condition else other."""
    return where(condition, input, other)


def _fits(value, limits: np.iinfo) -> bool:
    return limits.min - 1 < value < limits.max + 1


def _fill_types(op_, inputs):
    input, mask, value = inputs
    if not isinstance(mask, Tensor) or mask.array.dtype != np.bool_:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {found}")
    target = input.array.dtype
    if isinstance(value, Tensor):
        if value.array.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.array.ndim} dimension(s)."
            )
        filler = value.array.astype(target)
    else:
        if isinstance(value, complex) or (target.kind in "iu" and not _fits(value, np.iinfo(target))):
            raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
        filler = np.array(value).astype(target)
    return [input.array, mask.array, filler], None


@op(
    ELEMENTWISE,
    dtype=_fill_types,
    vjp=dict(
        input=lambda g, mask: masked(g, mask, 0),
        value=lambda g, mask: where(mask, g, zeros_as(g)).sum(),
    ),
    jvp=dict(
        input=lambda t, mask: masked(t, mask, 0),
        value=lambda t, mask: where(mask, t, 0.0),
    ),
    backward_name="MaskedFillBackward0",
)
def masked(input, mask, value):
    """z = value where the mask holds, input elsewhere"""
    return np.where(mask, value, input)


@function(torch="masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value) -> Tensor:
    """z = value (a number or 0-dim tensor) where the bool mask holds, input elsewhere; always row-major.

    RuntimeError when the mask is not bool or the value has dimensions.
    """
    return contiguous(masked(input, mask, value))
