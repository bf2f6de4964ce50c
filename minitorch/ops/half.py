"""Half types are computed in float32 and rounded once: also where several operations follow one another."""

from __future__ import annotations

from ..core.tensor import Tensor
from ..dtypes import NUMPY_HALF, float32
from .convert import cast


def widened(*tensors: Tensor | None) -> list:
    """The tensors, those of half types as float32."""
    return [cast(t, dtype=float32.numpy) if t is not None and t.array.dtype in NUMPY_HALF else t for t in tensors]


def narrowed(z: Tensor, like: Tensor) -> Tensor:
    """z in the type of `like`, which it was computed from."""
    return z if z.array.dtype is like.array.dtype else cast(z, dtype=like.array.dtype)
