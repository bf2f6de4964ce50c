"""What the operations of linear algebra share: checks of matrices, torch's error for those that have no answer.

A matrix argument has shape (..., m, n): the last two dimensions are the matrix, the others a batch of matrices.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.inplace import SCALAR_TYPE
from ..core.lifted import Lifted, numbers
from ..core.promote import check_tensor
from ..core.tensor import Tensor, wrap
from ..dtypes import FLOATING
from ..shapes import broadcast_shapes


class LinAlgError(RuntimeError):
    """A matrix for which the computation has no answer (singular, not positive-definite, not finite)."""


def scalar_type(t: Tensor) -> str:
    """The name torch's C++ messages use: Float, Double, Long."""
    return SCALAR_TYPE[t.dtype.name]


def check_matrix(name: str, A: Tensor, argument: str = "A") -> None:
    """RuntimeError for fewer than two dimensions."""
    check_tensor(name, argument, A)
    if A.array.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor {argument} must have at least 2 dimensions, got shape {list(A.shape)}."
        )


def check_square(name: str, A: Tensor, argument: str = "A") -> None:
    """RuntimeError unless the argument is a batch of square matrices."""
    check_matrix(name, A, argument)
    m, n = A.array.shape[-2:]
    if m != n:
        raise RuntimeError(f"{name}: {argument} must be batches of square matrices, but they are {m} by {n} matrices")


def check_floating(name: str, A: Tensor) -> None:
    """RuntimeError for integers and bools."""
    if A.dtype.category != FLOATING:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type(A)}")


def check_precision(name: str, A: Tensor) -> None:
    """RuntimeError for anything but float32 and float64."""
    check_floating(name, A)
    if A.array.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_type(A)}")


def check_implemented(routine: str, A: Tensor) -> None:
    """NotImplementedError for types that LAPACK has no routine for."""
    if A.dtype.category != FLOATING or A.array.dtype.itemsize < 4:
        raise NotImplementedError(f"\"{routine}\" not implemented for '{scalar_type(A)}'")


def check_system(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    """RuntimeError unless the sizes of A and B fit the equation A X = B (X A = B when not `left`)."""
    a, b = A.array.shape[-2:], B.array.shape[-2:]
    if a[-1] != b[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
        )


def check_info(name: str, info, complaint: str) -> None:
    """LinAlgError for the first matrix of the batch that failed; `complaint` is formatted with its code."""
    info = numbers(info)
    failed = np.flatnonzero(info)
    if failed.size:
        element = f"(Batch element {failed[0]}): " if info.ndim else ""
        raise LinAlgError(f"{name}: {element}{complaint.format(info.reshape(-1)[failed[0]])}")


# Shapes.


def with_batch(t: Tensor, batch) -> Tensor:
    """The matrices of `t` with these batch dimensions."""
    return t if t.array.shape[:-2] == tuple(batch) else t.expand(*batch, *t.array.shape[-2:])


def broadcast_batches(*tensors: Tensor) -> list[Tensor]:
    """The tensors with their batch dimensions broadcast against each other. RuntimeError where they do not fit."""
    batch = broadcast_shapes(*[t.array.shape[:-2] for t in tensors])
    return [with_batch(t, batch) for t in tensors]


def matrix_count(array: np.ndarray) -> int:
    """How many matrices there are in (..., m, n)."""
    return math.prod(array.shape[:-2])


def identity(like: Tensor, n: int) -> Tensor:
    """The n x n unit matrix in the type of `like`."""
    return wrap(np.eye(n, dtype=like.array.dtype))


def is_absent(g: Tensor) -> bool:
    """Whether this cotangent stands for an output that nothing depends on: zeros without a history."""
    return not isinstance(g.array, Lifted) and not g.requires_grad and not g.array.any()
