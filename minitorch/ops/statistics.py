"""Covariance, correlation, histograms, counts and quantiles."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core import results
from ..core.levels import per_example
from ..core.lifted import numbers
from ..core.op import GENERAL, KEEP, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..dtypes import get_default_dtype
from ..shapes import normalize_dim
from .convert import to_dtype
from .reduce import sum
from .sort import sort_dim

# Covariance.


def _checked_weights(name: str, weights: Tensor | None, observations: int, floating: bool) -> None:
    if weights is None:
        return
    if weights.array.ndim > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {weights.array.ndim}")
    if (weights.array.dtype.kind in "iub") is floating or weights.array.dtype == np.bool_:
        kind = "floating point" if floating else "integral"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {weights.dtype}")
    if weights.array.size != observations:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.array.size} != {observations}"
        )
    if (numbers(weights.array) < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


@function(torch="cov")
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the rows of `input` (variables, observations): (x - mean) W (x - mean)' / normaliser.

    fweights: how often each observation counts (integers); aweights: how much (floats). The normaliser is the sum of
    the weights w, less correction * sum(w a) / sum(w).
    """
    if input.array.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got {input.array.ndim}")
    if input.array.dtype == np.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input.reshape(1, -1) if input.array.ndim < 2 else input
    observations = rows.array.shape[1]
    _checked_weights("fweights", fweights, observations, floating=False)
    _checked_weights("aweights", aweights, observations, floating=True)
    if input.array.dtype.kind in "iu":
        rows = to_dtype(rows, get_default_dtype())
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        total, mean = observations, sum(rows, 1, True) / observations if observations else rows
    else:
        weights = weights.reshape(-1)
        total = sum(weights)
        if observations and not total:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = sum(rows * weights, 1, True) / total
    if not observations:
        return wrap(np.full(2 * rows.array.shape[:1], np.nan, rows.array.dtype)).squeeze()
    normaliser = _normaliser(total, weights, aweights, fweights, correction)
    deviations = rows - mean
    weighted = deviations if weights is None else deviations * weights
    return (deviations @ weighted.t() / normaliser).squeeze()


def _normaliser(total, weights, aweights, fweights, correction):
    if aweights is None or not correction:
        normaliser = total - correction
    else:
        normaliser = total - sum(weights * aweights.reshape(-1)) / total * correction
    size = normaliser.array if isinstance(normaliser, Tensor) else normaliser
    if size <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                      "observations.", stacklevel=4)  # fmt: skip
        return 0
    return normaliser


@function(torch="corrcoef")
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of the rows of `input`: covariances over standard deviations."""
    if input.array.ndim > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got {input.array.ndim}")
    covariance = cov(input)
    if not covariance.array.ndim:
        return covariance / covariance
    deviation = covariance.diagonal().sqrt()
    return (covariance / deviation.reshape(-1, 1) / deviation).clamp(-1, 1)


# Counting.


@op(GENERAL, dtype=SAME)
def histogram_counts(input, *, bins, low, high):
    """z = how many elements fall into each of the `bins` equal parts of [low, high]; the last part is closed"""
    flat = input[(input >= low) & (input <= high)]
    place = ((flat - low) * bins / (high - low)).astype(np.int64)
    return np.bincount(np.minimum(place, bins - 1), minlength=bins).astype(input.dtype)


@function(torch="histc")
@per_example
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """The number of elements in each of `bins` equal parts of [min, max] (of the input's own range if both are equal).

    Elements outside, and NaN, are not counted.
    """
    if bins <= 0:
        raise RuntimeError(f"histc(): bins must be > 0, but got {bins}")
    if input.array.dtype == np.bool_:
        raise NotImplementedError("histc() is not implemented for bool")
    low, high = min, max
    if low == high and input.array.size:
        low, high = input.array.min(), input.array.max()
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"histc(): range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("histc(): max must be larger than min")
    dtype = input.array.dtype.type
    return histogram_counts(input, bins=bins, low=dtype(low), high=dtype(high))


@function(torch="histogram")
@per_example
def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: tuple[float, float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """(hist, bin_edges): how many elements, or how much of their weight, each bin has, and its borders.

    bins: their number, in equal parts of `range` or of the input's own; or their borders, in ascending order. A bin has
    its lower border, the last one both. density: divided by the sum and the widths, so that the integral is 1.
    Elements outside are not counted.
    """
    array = input.array.reshape(-1)
    if array.dtype not in (np.float32, np.float64):
        raise NotImplementedError(f"histogram() is not implemented for {input.dtype}")
    if weight is not None and weight.array.shape != input.array.shape:
        raise RuntimeError(
            f"torch.histogramdd: if weight tensor is provided it should have the shape of the input, got "
            f"{list(weight.shape)} for {list(input.shape)}"
        )
    edges = bins.array if isinstance(bins, Tensor) else _equal_bins(array, bins, range)
    if edges.ndim != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {edges.ndim} dimensions in the bins tensor"
        )
    weights = None if weight is None else weight.array.reshape(-1)
    hist = np.histogram(array, edges, weights=weights)[0].astype(array.dtype)
    if density:
        hist = hist / hist.sum() / np.diff(edges)
    return results.histogram(wrap(hist), wrap(edges.astype(array.dtype)))


def _equal_bins(array: np.ndarray, bins: int, range: tuple[float, float] | None) -> np.ndarray:
    """The borders of `bins` equal parts."""
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    low, high = range if range is not None else (array.min(), array.max()) if array.size else (0, 1)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension 0's range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low} max {high} for dimension 0"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1).astype(array.dtype)


@op(GENERAL, dtype=KEEP)
def count_values(input, weights=None, *, minlength):
    """z_k = how often k comes, or the sum of the weights of where it comes"""
    if weights is None:
        return np.bincount(input, minlength=minlength)
    found = np.bincount(input, weights.astype(np.float64), minlength)
    return found.astype(weights.dtype if weights.dtype == np.float32 else np.float64)


@function(torch="bincount")
@per_example
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each value 0, 1, 2, ... comes in a 1-dim tensor of integers; weights: the sum of its weights."""
    array = input.array
    if array.dtype.kind not in "iu":
        raise NotImplementedError(f"bincount() is not implemented for {input.dtype}")
    if minlength < 0:
        raise RuntimeError("bincount(): minlength should be >= 0")
    if array.ndim != 1 or (array.size and array.min() < 0):
        raise RuntimeError(f"bincount only supports 1-d non-negative integral inputs, got shape {list(array.shape)}")
    if weights is not None and weights.array.shape != array.shape:
        raise RuntimeError(
            f"bincount(): weights should be 1-d and have the same length as input, got {list(weights.shape)} for "
            f"{list(array.shape)}"
        )
    return count_values(input, weights, minlength=minlength)


# Quantiles.

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _ranks(values: np.ndarray, q: Tensor, skip_nan: bool) -> Tensor:
    """Where the quantiles lie in lines sorted along the last dimension: (..., len(q))."""
    n = values.shape[-1]
    unordered = np.isnan(values)
    if skip_nan:
        numbers = n - unordered.sum(-1, keepdims=True)
        return q * wrap(np.maximum(numbers - 1, 0).astype(values.dtype))
    ranks = (q * (n - 1)).expand((*values.shape[:-1], q.array.size))
    # A NaN is sorted to the end: a line that has one points there.
    return ranks.masked_fill(wrap(unordered.any(-1, keepdims=True)), n - 1)


@per_example
def _quantile(name, input: Tensor, q, dim, keepdim: bool, interpolation: str, skip_nan: bool) -> Tensor:
    array = input.array
    if not array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if array.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, got {input.dtype}")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(f"{name}() interpolation must be one of {INTERPOLATIONS}, but got {interpolation!r}")
    if isinstance(q, Tensor):
        if q.array.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {list(q.shape)}")
        if q.array.dtype != array.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype}")
    else:
        q = wrap(np.array(q, array.dtype))
    ranks = numbers(q.array)
    if not ((ranks >= 0) & (ranks <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1], got {ranks.tolist()}")
    kept = [1] * array.ndim
    if dim is None:
        lines = input.reshape(-1)
    else:
        dim = normalize_dim(dim, array.ndim)
        kept = [1 if d == dim else n for d, n in enumerate(array.shape)]
        lines = input.reshape(1) if not array.ndim else input.movedim(dim, -1)
    result = _at_ranks(lines, q.reshape(-1), interpolation, skip_nan).movedim(-1, 0)
    if keepdim:
        result = result.reshape(q.array.size, *kept)
    return result if q.array.ndim else result.squeeze(0)


def _at_ranks(lines: Tensor, q: Tensor, interpolation: str, skip_nan: bool) -> Tensor:
    last = lines.array.ndim - 1
    values, _ = sort_dim(lines, dim=last, descending=False)
    ranks = _ranks(values.array, q, skip_nan)
    below, above = np.floor(ranks.array), np.ceil(ranks.array)
    if interpolation not in ("linear", "midpoint"):
        chosen = {"lower": below, "higher": above, "nearest": np.round(ranks.array)}[interpolation]
        return values.gather(last, wrap(chosen.astype(np.int64)))
    low, high = (values.gather(last, wrap(rank.astype(np.int64))) for rank in (below, above))
    return low.lerp(high, 0.5 if interpolation == "midpoint" else ranks - wrap(below))


@function(torch="quantile")
def quantile(
    input: Tensor, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles over `dim`, or of all elements; NaN where there is one. q: a number or 1-dim tensor in [0, 1].

    A tensor q puts a dimension in front. Between two elements: "linear", "lower", "higher", "midpoint", "nearest".
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


@function(torch="nanquantile")
def nanquantile(
    input: Tensor, q, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles of the elements that are not NaN; see `quantile`."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)
