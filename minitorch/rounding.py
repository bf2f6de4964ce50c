"""Roundings that NumPy has no function for (floor 0: arrays in, arrays out)."""

from __future__ import annotations

import numpy as np

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def as_type(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`values` as `dtype`, the way a C cast goes: to half precision by way of float32, and past the range to inf."""
    if dtype.itemsize == 2 and dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return values.astype(FLOAT32, copy=False).astype(dtype)
    return values.astype(dtype, copy=False)


def fma(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """a * b + c rounded once.

    float32: the product of two 24-bit significands is exact in float64. float64: the rounding errors of product and
    sum are recovered exactly (Dekker 1971, Knuth's TwoSum) and added at the end.
    """
    if a.dtype == FLOAT32:
        return (a.astype(FLOAT64) * np.float64(b) + np.float64(c)).astype(FLOAT32)
    if c == 0:
        return a * b
    with np.errstate(over="ignore", invalid="ignore"):
        product = a * b
        a_high, b_high = _upper_half(a), _upper_half(np.float64(b))
        a_low, b_low = a - a_high, b - b_high
        product_error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
        total = product + c
        c_share = total - product
        sum_error = (product - (total - c_share)) + (c - c_share)
        error = sum_error + product_error
    return total + np.where(np.isfinite(error), error, 0.0)


def _upper_half(x):
    """The leading 26 bits of a float64 (Veltkamp's splitting)."""
    shifted = x * 134217729.0  # 2**27 + 1
    return shifted - (shifted - x)
