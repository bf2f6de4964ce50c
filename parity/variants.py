"""The calls that a function of the user's is tried on, drawn by Hypothesis around the shapes that the user gave.

A size that occurs twice in the shapes is one and the same size, so it changes in both places: ``(3, 4), (4, 5)`` stands
for every ``(a, b), (b, c)``, with zeros and ones too. Besides, one input may lose its first dimensions or have some of
size one (broadcasting), and all may be 0-dim. A call that torch refuses is no case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from . import layouts

CONTIGUOUS = "contiguous"
LAYOUTS = (CONTIGUOUS, *layouts.MAKERS)


@dataclass(frozen=True)
class Variant:
    """One call: values (arrays, or what is passed as it is), a layout for each, a dtype, a seed for directions."""

    values: tuple
    layouts: tuple[str, ...]
    dtype: str
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def tensors(self) -> tuple:
        """The arguments for torch: tensors in their layouts, the floats of them leaves that require grad."""
        made = []
        for value, layout in zip(self.values, self.layouts, strict=True):
            if isinstance(value, np.ndarray):
                value = in_dtype(value, self.dtype)
                change = layouts.MAKERS.get(layout)
                value = value if change is None else change(value).detach()
                value.requires_grad_(value.is_floating_point())
            made.append(value)
        return tuple(made)


def in_dtype(array: np.ndarray, dtype: str) -> torch.Tensor:
    """The numbers of an array as a contiguous torch tensor."""
    if dtype == "bool":
        return torch.from_numpy(np.ascontiguousarray(array > 0))
    if not dtype.startswith(("float", "bfloat")):
        array = np.trunc(array)
        array = np.abs(array) if dtype == "uint8" else array
    tensor = torch.from_numpy(np.ascontiguousarray(array.reshape(-1)))
    return tensor.to(getattr(torch, dtype)).reshape(array.shape)


def is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(n) is int for n in value)


def as_given(inputs: Sequence, ranges: Sequence, dtype: str, layout: str, rng: np.random.Generator) -> Variant:
    """The call with exactly the shapes given, random values, and every tensor in one layout."""
    values, chosen = [], []
    for given, (low, high) in zip(inputs, ranges, strict=True):
        shaped = is_shape(given)
        values.append(np.asarray(rng.uniform(low, high, given)) if shaped else given)
        chosen.append(layout if isinstance(values[-1], np.ndarray) else CONTIGUOUS)
    return Variant(tuple(values), tuple(chosen), dtype, int(rng.integers(2**31)))


@st.composite
def variants(
    draw: st.DrawFn, inputs: Sequence, ranges: Sequence, elements: Sequence, dtypes: Sequence[str], steps: Sequence[str]
) -> Variant:
    """A call near the shapes in ``inputs``; ``steps`` are the layouts to choose from."""
    dtype = draw(st.sampled_from(list(dtypes)))
    shapes = draw(shapes_near([x for x in inputs if is_shape(x)]))
    remaining = iter(shapes)
    values, chosen = [], []
    for given, limits, strategy in zip(inputs, ranges, elements, strict=True):
        if is_shape(given):
            given = draw(arrays(np.float64, next(remaining), elements=strategy or numbers(*limits)))
        values.append(given)
        chosen.append(draw(st.sampled_from(list(steps))) if isinstance(given, np.ndarray) else CONTIGUOUS)
    return Variant(tuple(values), tuple(chosen), dtype, draw(st.integers(0, 2**31 - 1)))


def numbers(low: float, high: float) -> st.SearchStrategy:
    """Numbers between two bounds; often whole ones, so that there are ties, and zeros where the range has them.

    The smallest example that Hypothesis leads to is made of ones: zeros make too much equal.
    """
    whole = [float(n) for n in range(int(np.ceil(low)), int(np.floor(high)) + 1)][:64]
    any_number = st.floats(low, high, allow_subnormal=False)
    ordered = sorted(whole, key=lambda n: (n == 0, abs(n), n < 0))
    return st.one_of(st.sampled_from(ordered), any_number) if whole else any_number


@st.composite
def shapes_near(draw: st.DrawFn, shapes: Sequence[tuple]) -> list[tuple]:
    """The shapes with other sizes, equal ones staying equal; or with dimensions missing; or those given."""
    kind = draw(st.sampled_from(["sizes", "given", "broadcast", "scalar"]))
    if kind == "given":
        return list(shapes)
    if kind == "scalar":
        return [()] * len(shapes)
    sizes = {n: draw(st.sampled_from([2, 1, 3, 5, 0, 7])) for n in sorted({n for shape in shapes for n in shape})}
    changed = [tuple(sizes[n] for n in shape) for shape in shapes]
    if kind == "broadcast" and len(changed) > 1:
        at = draw(st.integers(0, len(changed) - 1))
        shape = changed[at][draw(st.integers(0, len(changed[at]))) :]
        changed[at] = tuple(1 if draw(st.booleans()) else n for n in shape)
    return changed
