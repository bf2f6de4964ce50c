"""A tensor as it goes from one run of a program to the other, and how far two of them are apart.

The distance is relative to the largest element, so that it is of the size of the rounding errors in the sums a tensor
is made of, whatever its single elements cancel to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# Relative distances that rounding may put between two libraries in one call: some hundred units in the last place.
ROUNDING = {"float64": 2e-13, "float32": 1e-5, "float16": 2e-2, "bfloat16": 1e-1}
UNITS = {"float64": 2.2e-16, "float32": 1.2e-7, "float16": 9.8e-4, "bfloat16": 7.8e-3}


class Kept(NamedTuple):
    """A tensor's record. `values` is None where the elements could not be read (inside vmap, for instance) or are known."""

    dtype: str
    shape: tuple[int, ...]
    requires_grad: bool
    values: np.ndarray | None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def largest(array: np.ndarray) -> float:
    """The largest absolute value that is finite."""
    if array.size == 0 or array.dtype.kind == "b":
        return 0.0
    highest, lowest = float(array.max()), float(array.min())
    if not math.isfinite(highest - lowest):
        return float(np.abs(array, where=np.isfinite(array), out=np.zeros(array.shape)).max())
    return max(highest, -lowest)


@dataclass(frozen=True, slots=True)
class Apart:
    """How two values differ: `far` is relative, infinite where they cannot be compared; `what` says it in words."""

    far: float = 0.0
    what: str = ""
    ours: Any = None
    theirs: Any = None


def apart(ours: Any, theirs: Any, floor: float = 0.0) -> Apart:
    """The distance of two records, or of two plain values, relative to the largest element or to `floor`."""
    if not isinstance(ours, Kept) or not isinstance(theirs, Kept):
        return apart_plain(ours, theirs, floor)
    for name in ("dtype", "shape", "requires_grad"):
        left, right = getattr(ours, name), getattr(theirs, name)
        if left != right:
            return Apart(math.inf, name, left, right)
    if ours.values is None or theirs.values is None:
        return Apart()
    return apart_exact(ours, theirs) if ours.dtype not in ROUNDING else apart_rounded(ours, theirs, floor)


def apart_rounded(ours: Kept, theirs: Kept, floor: float) -> Apart:
    """Floating-point numbers: the largest distance; where one is not finite, both have to be the same."""
    left, right = ours.values, theirs.values
    assert left is not None and right is not None
    if np.array_equal(left, right):
        return Apart()
    finite = np.isfinite(right)
    with np.errstate(invalid="ignore"):
        odd = (np.isfinite(left) != finite) | (~finite & (left != right) & ~(np.isnan(left) & np.isnan(right)))
        distances = np.where(finite & ~odd, np.abs(left.astype(np.float64) - right), 0)
    if odd.any():
        place = np.unravel_index(int(odd.argmax()), odd.shape)
        return Apart(math.inf, f"element {index(place)}", float(left[place]), float(right[place]))
    place = np.unravel_index(int(distances.argmax()), distances.shape)
    scale = max(largest(left), largest(right), floor)
    far = float(distances[place]) / scale if scale else 0.0
    return Apart(far, f"element {index(place)}", float(left[place]), float(right[place]))


def apart_exact(ours: Kept, theirs: Kept) -> Apart:
    """Integers and bools: the distance is the share of the elements that differ."""
    assert ours.values is not None and theirs.values is not None
    wrong = ours.values != theirs.values
    if not wrong.any():
        return Apart()
    place = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return Apart(float(wrong.mean()), f"element {index(place)}", int(ours.values[place]), int(theirs.values[place]))


def apart_plain(ours: Any, theirs: Any, floor: float) -> Apart:
    """Numbers, shapes, strings, None."""
    if isinstance(ours, float) and isinstance(theirs, float):
        if ours == theirs or (ours != ours and theirs != theirs):
            return Apart()
        far = abs(ours - theirs) / max(abs(ours), abs(theirs), floor)
        return Apart(far if np.isfinite(far) else math.inf, "value", ours, theirs)
    return Apart() if ours == theirs else Apart(math.inf, "value", ours, theirs)


def index(place: tuple) -> str:
    return str([int(n) for n in place])
