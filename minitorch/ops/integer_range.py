"""Which integers a type can hold: the ranges of `randint` and `random_`."""

from __future__ import annotations

import warnings

import numpy as np

from ..dtypes import finfo, from_numpy_dtype

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def mantissa_digits(dtype: np.dtype) -> int:
    """Bits that a type has for the magnitude of an integer: all but the sign, or those of the significand."""
    if dtype.kind == "b":
        return 1
    if dtype.kind in "iu":
        return np.iinfo(dtype).max.bit_length()
    return DIGITS[dtype.name]


def _limits(dtype: np.dtype) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    largest = int(finfo(from_numpy_dtype(dtype)).max)
    return -largest, largest


def check_bounds(name: str, low: int, high: int, dtype: np.dtype) -> tuple[int, int]:
    """[low, high) as the numbers to draw from for `dtype`. RuntimeError when empty or out of the type's range.

    For a floating type the bounds move inwards to where rounding cannot carry a number over them; beyond the range in
    which the type has every integer, that is announced by a warning.
    """
    for argument, value in (("from", low), ("to", high)):
        if not INT64_MIN <= value <= INT64_MAX:
            raise ValueError(f"{name}(): {argument}={value} does not fit into 64 bits")
    if low >= high:
        raise RuntimeError(f"{name} expects 'from' to be less than 'to', but got from={low} >= to={high}")
    floating = dtype.kind not in "biu"
    smallest, largest = _limits(dtype)
    for argument, value in (("from", low), ("to - 1", high - 1)):
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name}(): {argument}={value} is out of bounds for {from_numpy_dtype(dtype)}")
        if floating and abs(value) > 2 ** mantissa_digits(dtype):
            warnings.warn(
                f"{argument} is out of bounds [-(2^{mantissa_digits(dtype)}), 2^{mantissa_digits(dtype)}]. Due to "
                f"precision limitations {from_numpy_dtype(dtype)} can support discrete uniform distribution only "
                "within this range.",
                stacklevel=4,
            )
    if floating:
        low, high = _round_up(low, dtype), _round_down(high, dtype)
        if low >= high:
            raise RuntimeError(f"{name}(): no number of {from_numpy_dtype(dtype)} lies between {low} and {high}")
    return low, high


def open_bounds(name: str, low: int, dtype: np.dtype) -> tuple[int, int]:
    """[low, largest integer of `dtype`] as the numbers to draw from; from -2**63 on, that is all 64-bit integers."""
    if low == INT64_MIN:
        if dtype.name not in ("int64", "float64", "float32", "bfloat16"):
            raise NotImplementedError(f"{name}(): all 64-bit integers do not fit into {from_numpy_dtype(dtype)}")
        return INT64_MIN, INT64_MAX + 1
    if dtype.kind in "biu":
        largest = _limits(dtype)[1]
    else:
        largest, low = 2 ** mantissa_digits(dtype), _round_up(low, dtype)
    if low > largest or low < _limits(dtype)[0]:
        raise RuntimeError(f"{name}(): from={low} is out of bounds for {from_numpy_dtype(dtype)}")
    return low, largest + 1


def _rounded(value: int, dtype: np.dtype) -> int:
    return int(np.array(float(value)).astype(dtype))


def _gap(value: int, dtype: np.dtype) -> int:
    """The distance between neighbouring numbers of `dtype` at this magnitude."""
    return 2 ** max(abs(value).bit_length() - mantissa_digits(dtype), 0)


def _round_up(low: int, dtype: np.dtype) -> int:
    """The first number from `low` on that stays there when it is rounded to `dtype`."""
    after = _rounded(low + 1, dtype)
    return after + _gap(low + 1, dtype) if after < low else low


def _round_down(high: int, dtype: np.dtype) -> int:
    """The end of the range below `high` whose numbers stay below it when they are rounded to `dtype`."""
    before = _rounded(high - 1, dtype)
    return before - _gap(high - 1, dtype) if before >= high else high
