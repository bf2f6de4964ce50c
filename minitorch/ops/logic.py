"""Questions about whole tensors: all, any, how many, is it in there, are they (nearly) equal."""

from __future__ import annotations

import numpy as np

from ..core.op import COMPARE, GENERAL, KEEP, function, op
from ..core.tensor import Tensor
from .reduce import numpy_arguments, reduced_dims

_UINT8 = np.dtype(np.uint8)


def _over_dims(input, reduce, dim, keepdim):
    found = np.asarray(reduce(input, dim, None, None, keepdim), order="C")
    return found.astype(_UINT8) if input.dtype == _UINT8 else found


@op(GENERAL, dtype=KEEP)
def all_dims(input, *, dim, keepdim):
    """z = whether every element along `dim` is nonzero (uint8 for uint8)"""
    return _over_dims(input, np.logical_and.reduce, dim, keepdim)


@op(GENERAL, dtype=KEEP)
def any_dims(input, *, dim, keepdim):
    """z = whether some element along `dim` is nonzero (uint8 for uint8)"""
    return _over_dims(input, np.logical_or.reduce, dim, keepdim)


def _dims(name: str, input: Tensor, dim, keepdim, numpy_names) -> dict:
    if numpy_names:
        dim, keepdim = numpy_arguments(name, numpy_names, dim, keepdim)
    if isinstance(dim, (tuple, list)) and not dim:
        return dict(dim=(), keepdim=keepdim)  # no dimension at all, unlike sum
    return dict(dim=reduced_dims(dim, input.array.ndim), keepdim=keepdim)


@function(torch="all")
def all(input: Tensor, dim=None, keepdim: bool = False, **numpy_names) -> Tensor:
    """Whether all elements over `dim` (an int, several, or None for all) are nonzero; True for none."""
    return all_dims(input, **_dims("all", input, dim, keepdim, numpy_names))


@function(torch="any")
def any(input: Tensor, dim=None, keepdim: bool = False, **numpy_names) -> Tensor:
    """Whether some element over `dim` (an int, several, or None for all) is nonzero; False for none."""
    return any_dims(input, **_dims("any", input, dim, keepdim, numpy_names))


@op(GENERAL, dtype=KEEP)
def count_nonzero_dims(input, *, dim):
    """z = how many elements along `dim` are not zero"""
    return np.add.reduce(input != 0, dim, np.int64)


@function(torch="count_nonzero")
def count_nonzero(input: Tensor, dim=None) -> Tensor:
    """How many elements over `dim` (an int, several, or None for all) are not zero."""
    return count_nonzero_dims(input, dim=reduced_dims(dim, input.array.ndim))


@op(GENERAL, dtype=COMPARE, numbers=("elements", "test_elements"))
def isin_set(elements, test_elements):
    """z = whether each element is one of the test elements"""
    return np.isin(elements, test_elements)


@function(torch="isin")
def isin(elements, test_elements, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each of `elements` is among `test_elements` (invert: is not). One of the two may be a number."""
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): at least one of elements and test_elements must be a Tensor")
    found = isin_set(elements, test_elements)
    return ~found if invert else found


# Equal, or nearly.


@op(GENERAL, dtype=COMPARE)
def isclose_to(input, other, *, rtol, atol, equal_nan):
    """z = |input - other| <= atol + rtol |other|, or both the same infinity (equal_nan: or both NaN)"""
    with np.errstate(invalid="ignore"):
        near = np.equal(input, other)
        if (rtol or atol) and input.dtype != np.bool_:
            allowed = atol + np.abs(rtol * other)
            distance = np.abs(input - other)
            near = near | (np.isfinite(distance) & (distance <= allowed))
    if equal_nan and input.dtype.kind not in "iub":
        near = near | (np.isnan(input) & np.isnan(other))
    return near


@function(torch="isclose")
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |input - other| <= atol + rtol |other|, elementwise. RuntimeError if the types differ."""
    for name, value in (("input", input), ("other", other)):
        if not isinstance(value, Tensor):
            raise TypeError(f"isclose(): argument '{name}' must be Tensor, not {type(value).__name__}")
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(f"isclose(): {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose(): rtol and atol must be at least zero, but got {rtol} and {atol}")
    return isclose_to(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


@function(torch="allclose")
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


@function(torch="equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' must be Tensor, not {type(other).__name__}")
    return np.array_equal(input.array, other.array)
