"""Inputs for exercises: small tensors of numbers that are easy to follow by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import minitorch
from minitorch import Tensor

# Halves: exact in float32, and a sum or product of them can be checked in one's head. They shrink towards 0.
halves = st.integers(-8, 8).map(lambda n: n / 2)
positive = st.integers(1, 8).map(lambda n: n / 2)
sizes = st.integers(1, 4)


def tensors(*shape: int, numbers: SearchStrategy = halves, dtype: Any = minitorch.float32) -> SearchStrategy[Tensor]:
    """Tensors of one shape; `tensors()` has no dimension."""
    count = int(np.prod(shape, dtype=int))
    return st.lists(numbers, min_size=count, max_size=count).map(
        lambda drawn: minitorch.tensor(drawn, dtype=dtype).reshape(shape)
    )


def vectors(numbers: SearchStrategy = halves, sizes: SearchStrategy[int] = sizes) -> SearchStrategy[Tensor]:
    return sizes.flatmap(lambda n: tensors(n, numbers=numbers))


def matrices(numbers: SearchStrategy = halves, sizes: SearchStrategy[int] = sizes) -> SearchStrategy[Tensor]:
    return st.tuples(sizes, sizes).flatmap(lambda shape: tensors(*shape, numbers=numbers))


def labels(count: int, classes: int) -> SearchStrategy[Tensor]:
    """int64 (count,), each from 0 to classes - 1."""
    return tensors(count, numbers=st.integers(0, classes - 1), dtype=minitorch.int64)


def alike(
    *names: str, shapes: SearchStrategy[tuple] | None = None, **options: Any
) -> SearchStrategy[dict[str, Tensor]]:
    """Tensors of one and the same shape under several names."""
    shapes = sizes.map(lambda n: (n,)) if shapes is None else shapes
    return shapes.flatmap(lambda shape: st.fixed_dictionaries({name: tensors(*shape, **options) for name in names}))
