"""Rounding, clipping, and taking numbers apart, elementwise."""

from __future__ import annotations

import numpy as np

from ..core.op import COMPARE, ELEMENTWISE, FLOAT, FLOATING_ONLY, PROMOTE, function, op
from ..core.promote import check_tensor, result_dtype
from ..core.tensor import Tensor
from ..dtypes import FLOATING, finfo
from .arithmetic import zeros_as
from .convert import to_dtype
from .only import only


@op(ELEMENTWISE, torch="ceil", dtype=PROMOTE, vjp=dict(input=zeros_as))
def ceil(input):
    """z = the smallest integer >= input"""
    return np.ceil(input)


@op(ELEMENTWISE, torch="floor", dtype=PROMOTE, vjp=dict(input=zeros_as))
def floor(input):
    """z = the largest integer <= input"""
    return np.floor(input)


@op(ELEMENTWISE, torch=("trunc", "fix"), dtype=PROMOTE, vjp=dict(input=zeros_as))
def trunc(input):
    """z = the integer part of input, rounded towards zero"""
    return np.trunc(input)


@op(ELEMENTWISE, torch="frac", dtype=FLOATING_ONLY, vjp=dict(input=lambda g: g))
def frac(input):
    """z = input - trunc(input)"""
    return input - np.trunc(input)


@op(ELEMENTWISE, dtype=PROMOTE, vjp=dict(input=zeros_as), backward_name="RoundBackward0")
def round_to(input, *, decimals):
    """z = the nearest number with `decimals` digits after the point; halves go to the even one"""
    if decimals == 0:
        return np.rint(input) if input.dtype.kind == "f" else input.copy()
    scale = input.dtype.type(10.0 ** abs(decimals))
    return np.rint(input * scale) / scale if decimals > 0 else np.rint(input / scale) * scale


@function(torch="round")
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Round to `decimals` digits (negative: tens, hundreds, ...), halves to even. RuntimeError for bools."""
    if input.dtype.category != FLOATING and decimals:
        raise RuntimeError(f"round(): decimals={decimals} is not implemented for {input.dtype}")
    if input.array.dtype == np.bool_:
        raise RuntimeError("round(): not implemented for 'Bool'")
    return round_to(input, decimals=decimals)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, min, max: only(_inside(input, min, max), g)),
    backward_name="ClampBackward1",
)
def clamp_between(input, *, min, max):
    """z = min(max(input, min), max), either bound possibly absent; nan stays nan"""
    out = input
    if min is not None:
        out = np.maximum(out, np.array(min, input.dtype))
    if max is not None:
        out = np.minimum(out, np.array(max, input.dtype))
    return out


def _inside(input: Tensor, min, max) -> Tensor:
    """Whether the input is between the bounds (the bounds included)."""
    if min is None:
        return input <= max
    return input >= min if max is None else (input >= min) & (input <= max)


@op(
    ELEMENTWISE,
    numbers=("min", "max"),
    dtype=PROMOTE,
    vjp=dict(
        input=lambda g, input, min, max: only((input >= min) & (input <= max), g),
        min=lambda g, input, min, max: only((input < min) & (min < max), g),
        max=lambda g, input, min, max: only((input > max) | (max < min), g),
    ),
    backward_name="ClampBackward0",
)
def clamp_tensors(input, min, max):
    """z = min(max(input, min), max) with tensor bounds"""
    return np.minimum(np.maximum(input, min), max)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, min: only(input >= min, g), min=lambda g, input, min: only(input < min, g)),
    backward_name="ClampMinBackward0",
)
def clamp_from_below(input, min):
    """z = max(input, min)"""
    return np.maximum(input, min)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input, max: only(input <= max, g), max=lambda g, input, max: only(input > max, g)),
    backward_name="ClampMaxBackward0",
)
def clamp_from_above(input, max):
    """z = min(input, max)"""
    return np.minimum(input, max)


@function(torch=("clamp", "clip"))
def clamp(input: Tensor, min=None, max=None) -> Tensor:
    """Every element moved into [min, max]; a bound may be a number, a tensor or absent. RuntimeError when both are."""
    check_tensor("clamp", "input", input)
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if max is None:
            return clamp_from_below(input, min)
        return clamp_from_above(input, max) if min is None else clamp_tensors(input, min, max)
    common = result_dtype((input, min, max))
    return clamp_between(to_dtype(input, common), min=min, max=max)


@function(torch="clamp_min")
def clamp_min(input: Tensor, min) -> Tensor:
    """z = max(input, min)."""
    return clamp(input, min=min)


@function(torch="clamp_max")
def clamp_max(input: Tensor, max) -> Tensor:
    """z = min(input, max)."""
    return clamp(input, max=max)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp=dict(input=lambda g, input: g * ~(input.isnan() | input.isinf())),
    backward_name="NanToNumBackward0",
)
def replace_nonfinite(input, *, nan, posinf, neginf):
    """z = input with nan, inf and -inf replaced"""
    if input.dtype.kind != "f":
        return input.copy()
    limits = np.finfo(input.dtype)
    posinf = limits.max if posinf is None else posinf
    neginf = limits.min if neginf is None else neginf
    out = np.where(np.isnan(input), input.dtype.type(nan or 0.0), input)
    out = np.where(np.isposinf(input), input.dtype.type(posinf), out)
    return np.where(np.isneginf(input), input.dtype.type(neginf), out)


@function(torch="nan_to_num")
def nan_to_num(input: Tensor, nan=None, posinf=None, neginf=None) -> Tensor:
    """nan, inf and -inf replaced (by 0 and the largest and smallest finite numbers, unless given)."""
    limits = input.dtype
    if limits.category == FLOATING and limits.itemsize == 2:
        info = finfo(limits)
        posinf = info.max if posinf is None else posinf
        neginf = info.min if neginf is None else neginf
    return replace_nonfinite(input, nan=nan, posinf=posinf, neginf=neginf)


@op(
    ELEMENTWISE,
    torch="copysign",
    dtype=FLOAT,
    vjp=dict(input=lambda g, input, z: g * _sign_ratio(input, z), other=zeros_as),
)
def copysign(input, other):
    """z = |input| with the sign of `other`"""
    return np.copysign(input, other)


def _sign_ratio(input, z):
    magnitude = input if isinstance(input, Tensor) else z * 0 + input
    return (z / magnitude).masked_fill(magnitude == 0, 0)


@op(ELEMENTWISE, torch="signbit", dtype=COMPARE)
def signbit(input):
    """z = whether the sign bit is set (so also for -0.0)"""
    return (
        np.zeros(input.shape, np.bool_)
        if input.dtype == np.bool_
        else np.less(input, 0)
        if input.dtype.kind in "iu"
        else np.signbit(input)
    )


def _one_type(op, inputs):
    """As PROMOTE, but the inputs must have one type (RuntimeError otherwise)."""
    found = {x.dtype for x in inputs if isinstance(x, Tensor)}
    if len(found) > 1:
        raise RuntimeError(
            f"{op.name}(): not implemented for tensors of different dtypes, {' and '.join(map(str, found))}"
        )
    return PROMOTE(op, inputs)


@op(ELEMENTWISE, torch="heaviside", numbers=(), dtype=_one_type)
def heaviside(input, values):
    """z = 0 below zero, `values` at zero, 1 above"""
    return np.where(input == 0, values, (input > 0).astype(input.dtype))


@op(ELEMENTWISE, torch="isposinf", dtype=COMPARE)
def isposinf(input):
    """z = whether input is +inf"""
    return np.isposinf(input) if input.dtype.kind == "f" else np.zeros(input.shape, np.bool_)


@op(ELEMENTWISE, torch="isneginf", dtype=COMPARE)
def isneginf(input):
    """z = whether input is -inf"""
    return np.isneginf(input) if input.dtype.kind == "f" else np.zeros(input.shape, np.bool_)


@function(torch="ldexp")
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """z = input * 2^other."""
    check_tensor("ldexp", "input", input)
    check_tensor("ldexp", "other", other)
    return input * (2.0**other)
