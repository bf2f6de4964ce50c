"""What is kept of a tensor while a program runs, and how far two such records are apart.

Of a small tensor all elements are kept; of a large one a sample spread over it, and two sums over everything: the sum
of the absolute values, and one with fixed random weights, which notices a wrong element outside the sample and an
exchange of two. Integers and bools get a checksum instead of the sums.

The distance of two records is relative to the largest element, so that it is of the size of the rounding errors in
the sums a tensor is made of, whatever its single elements cancel to.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

SAMPLE = 256  # elements kept of each tensor
WEIGHTS = np.random.default_rng(0).uniform(-1, 1, 65_536)

# Relative distances that rounding may put between two libraries in one call: some hundred units in the last place.
ROUNDING = {"float64": 2e-13, "float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}
UNITS = {"float64": 2.2e-16, "float32": 1.2e-7, "float16": 9.8e-4, "bfloat16": 7.8e-3}


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor's record. `values` is None where the elements could not be read (inside vmap, for instance)."""

    dtype: str
    shape: tuple[int, ...]
    requires_grad: bool
    values: np.ndarray | None  # the elements or a sample of them, float64 or int64
    largest: float = 0.0  # of the absolute values that are finite
    total: float = 0.0  # sum of the absolute values that are finite
    weighted: float = 0.0  # sum with the weights
    checksum: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def positions(size: int) -> np.ndarray | slice:
    """Where the sample is taken from a flat array of `size` elements."""
    return slice(None) if size <= SAMPLE else np.linspace(0, size - 1, SAMPLE).astype(np.int64)


def keep(array: np.ndarray, dtype: str, requires_grad: bool) -> Kept:
    """The record of an array; `dtype` is the tensor's, which NumPy may not have."""
    flat = array.reshape(-1)
    chosen = flat[positions(flat.size)]
    if array.dtype.kind in "iub":
        checksum = zlib.crc32(np.ascontiguousarray(flat).view(np.uint8)) if flat.size else 0
        values = chosen.astype(np.int64)
        largest = float(np.abs(values.astype(np.float64)).max(initial=0))
        return Kept(dtype, array.shape, requires_grad, values, largest, checksum=checksum)
    wide = flat.astype(np.float64)
    finite = wide if np.isfinite(wide).all() else np.where(np.isfinite(wide), wide, 0)
    sizes = np.abs(finite)
    weights = WEIGHTS if flat.size <= WEIGHTS.size else np.resize(WEIGHTS, flat.size)
    return Kept(
        dtype,
        array.shape,
        requires_grad,
        chosen.astype(np.float64),
        float(sizes.max(initial=0)),
        float(sizes.sum()),
        float(finite @ weights[: flat.size]),
    )


@dataclass(frozen=True, slots=True)
class Apart:
    """How two values differ: `far` is relative, infinite where they cannot be compared; `what` says it in words."""

    far: float = 0.0
    what: str = ""
    ours: Any = None
    theirs: Any = None


def apart(ours: Any, theirs: Any, floor: float = 0.0, excused: np.ndarray | None = None) -> Apart:
    """The distance of two records, or of two plain values, relative to the largest element or to `floor`.

    excused: how much each element of the sample may differ for a reason that is known; it is taken off.
    """
    if not isinstance(ours, Kept) or not isinstance(theirs, Kept):
        return apart_plain(ours, theirs, floor)
    for name in ("dtype", "shape", "requires_grad"):
        left, right = getattr(ours, name), getattr(theirs, name)
        if left != right:
            return Apart(float("inf"), name, left, right)
    if ours.values is None or theirs.values is None:
        return Apart()
    if ours.dtype not in ROUNDING:
        return apart_exact(ours, theirs)
    left, right = ours.values, theirs.values
    finite = np.isfinite(right)
    with np.errstate(invalid="ignore"):
        odd = (np.isfinite(left) != finite) | (~finite & (left != right) & ~(np.isnan(left) & np.isnan(right)))
        distances = np.where(finite & ~odd, np.abs(left - right), 0)
    if odd.any():
        i = int(odd.argmax())
        return Apart(float("inf"), f"element {index(i, theirs)}", float(left[i]), float(right[i]))
    if excused is not None:
        distances = np.maximum(distances - excused, 0)
    scale = max(ours.largest, theirs.largest, floor)
    worst = int(distances.argmax()) if distances.size else 0
    found = Apart()
    if distances.size and distances[worst] > 0:
        found = Apart(
            distances[worst] / scale, f"element {index(worst, theirs)}", float(left[worst]), float(right[worst])
        )
    if excused is None and theirs.size > SAMPLE and scale:
        by_sum = abs(ours.weighted - theirs.weighted) / max(ours.total, theirs.total, scale)
        if by_sum > found.far:
            found = Apart(by_sum, "the weighted sum over all elements", ours.weighted, theirs.weighted)
    return found


def apart_exact(ours: Kept, theirs: Kept) -> Apart:
    """Integers and bools: the distance is the share of the elements that differ."""
    if ours.checksum == theirs.checksum:
        return Apart()
    assert ours.values is not None and theirs.values is not None
    wrong = ours.values != theirs.values
    if not wrong.any():
        return Apart(1 / theirs.size, "the checksum over all elements", ours.checksum, theirs.checksum)
    i = int(wrong.argmax())
    return Apart(float(wrong.mean()), f"element {index(i, theirs)}", int(ours.values[i]), int(theirs.values[i]))


def apart_plain(ours: Any, theirs: Any, floor: float) -> Apart:
    """Numbers, shapes, strings, None."""
    if isinstance(ours, float) and isinstance(theirs, float):
        if ours == theirs or (ours != ours and theirs != theirs):
            return Apart()
        far = abs(ours - theirs) / max(abs(ours), abs(theirs), floor)
        return Apart(far if np.isfinite(far) else float("inf"), "value", ours, theirs)
    return Apart() if ours == theirs else Apart(float("inf"), "value", ours, theirs)


def index(i: int, kept: Kept) -> str:
    """Where element `i` of the sample stands in the tensor."""
    flat = i if kept.size <= SAMPLE else int(positions(kept.size)[i])  # type: ignore[index]
    return str([int(n) for n in np.unravel_index(flat, kept.shape)]) if kept.shape else "[]"
