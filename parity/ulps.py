"""Rounding errors counted in units in the last place (ulp): the distance between neighbouring numbers of a dtype."""

from __future__ import annotations

import numpy as np

# dtype name -> (bits of the significand including the hidden one, exponent of the smallest normal number)
FORMATS = {"float64": (53, -1022), "float32": (24, -126), "float16": (11, -14), "bfloat16": (8, -126)}
LARGEST = {"float64": 1.797e308, "float32": 3.402e38, "float16": 65504.0, "bfloat16": 3.389e38}


def spacing(value: np.ndarray, dtype: str) -> np.ndarray:
    """The distance from |value| to the next number of ``dtype``, as float64; also below the smallest normal number."""
    bits, smallest = FORMATS[dtype]
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.frexp(np.abs(value))[1] - 1  # |value| = m * 2**exponent with 1 <= m < 2
    exponent = np.where(value == 0, smallest, exponent)
    return np.ldexp(1.0, np.maximum(exponent, smallest) - (bits - 1))


def errors(value: np.ndarray, truth: np.ndarray, dtype: str) -> tuple[float, float]:
    """The worst rounding error of ``value``, rounded to ``dtype``, against the float64 ``truth``.

    Two figures: elementwise, in ulps of each true element, and normwise, in ulps of the largest true element. The
    second stays meaningful where terms cancel, as in a sum that happens to end near zero.
    Elements whose truth is not finite, or does not fit the dtype, have no rounding error and are left out.
    """
    value, truth = np.asarray(value, np.float64), np.asarray(truth, np.float64)
    counted = np.isfinite(truth) & (np.abs(truth) <= LARGEST[dtype]) & np.isfinite(value)
    value, truth = value[counted], truth[counted]
    if truth.size == 0:
        return 0.0, 0.0
    distance = np.abs(value - truth)
    elementwise = float((distance / spacing(truth, dtype)).max())
    largest = np.abs(truth).max()
    normwise = float(distance.max() / spacing(largest, dtype)) if largest else 0.0
    return elementwise, normwise
