"""Copies and changes of type: clone, contiguous, cast."""

from __future__ import annotations

import numpy as np

from ..core.op import KEEP, LINEAR, op
from ..core.tensor import Tensor
from ..dtypes import as_numpy_dtype, from_numpy_dtype


@op(LINEAR, torch="clone", dtype=KEEP, vjp=dict(input=lambda g: g))
def clone(input, *, memory_format=None):
    """A copy with memory of its own; strides of a dense input are kept (torch's preserve_format)."""
    return np.array(input, order="C" if memory_format == "contiguous" else "K", copy=True, subok=False)


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, source: cast(g, dtype=source)), backward_name="ToCopyBackward0")
def convert(input, *, dtype, source):
    """The values as another type; floats become integers by truncation, as in C."""
    return input.astype(dtype)


def cast(input: Tensor, *, dtype) -> Tensor:
    """`input` as `dtype` (a NumPy dtype); itself when it has that type already."""
    source = input.array.dtype
    return input if source == dtype else convert(input, dtype=dtype, source=source)


def to_dtype(input: Tensor, dtype) -> Tensor:
    """`input` as a `minitorch.dtype` (None: as it is)."""
    return input if dtype is None else cast(input, dtype=as_numpy_dtype(dtype))


def dtype_of(input: Tensor):
    return from_numpy_dtype(input.array.dtype)
