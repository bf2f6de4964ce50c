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


def fma(a: np.ndarray, b: float | np.floating, c: float | np.floating) -> np.ndarray:
    """a * b + c rounded once, for a float32 or float64 array `a` and numbers b, c.

    float32: computed in float64, where the product is exact. float64: product and sum are taken apart into their
    rounded values and their errors (Dekker 1971, Knuth), and the errors are added last. Either way the sum of what
    is rounded last may itself be inexact, which matters only when it seems to lie halfway between two results: there
    it is rounded to odd (Boldo & Melquiond 2008).
    """
    b, c = np.float64(b), np.float64(c)
    if a.dtype == FLOAT32:
        product = a.astype(FLOAT64) * b
        total = product + c
        halfway = (total.view(np.int64) & (2**29 - 1)) == 2**28
        if halfway.any():
            total[halfway] = _to_odd(*_two_sum(product[halfway], c))
        return total.astype(FLOAT32)
    product = a * b
    if c == 0 or abs(b) > 2.0**970:  # beyond, taking b apart would overflow
        return product + c
    a_high, b_high = _upper_half(a), _upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    product_error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    total, sum_error = _two_sum(product, c)
    error = sum_error + product_error
    fused = total + error
    # An error of few significant bits may be half a unit in the last place of the total.
    halfway = (error.view(np.int64) & (2**40 - 1)) == 0
    if halfway.any():
        addend, low = _two_sum(product_error[halfway], c)
        total, high = _two_sum(product[halfway], addend)
        fused[halfway] = total + _to_odd(*_two_sum(high, low))
    return fused


def _two_sum(a, b):
    """a + b as its rounded value and the error of that, together exact (Knuth)."""
    total = a + b
    share = total - a
    return total, (a - (total - share)) + (b - share)


def _to_odd(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """value + error where that is exact, else the one of the two neighbouring numbers whose last bit is 1.

    Rounded like that, a number never lies on a tie that the exact one does not lie on.
    """
    bits = value.view(np.int64)
    away_from_zero = (error > 0) == (value > 0)
    return (bits + np.where((error != 0) & (bits & 1 == 0), np.where(away_from_zero, 1, -1), 0)).view(FLOAT64)


def _upper_half(x):
    """The leading 26 bits of a float64 (Veltkamp's splitting)."""
    shifted = x * 134217729.0  # 2**27 + 1
    return shifted - (shifted - x)
