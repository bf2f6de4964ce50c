"""Triangular systems, Cholesky factors and LU factors, with what is solved by them.

A rule for a factorisation starts from dA = dL L^T + L dL^T (Cholesky) or P^T dA = dL U + L dU (LU), multiplies by
the factors' inverses, and takes from each side the triangle that its factor can move in.
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.lifted import numbers
from ..core.op import GENERAL, SAME, function, op
from ..core.promote import check_tensor, result_dtype
from ..core.tensor import Tensor
from .elimination import cholesky_decompose, substitute
from .matrices import (
    broadcast_batches,
    check_floating,
    check_implemented,
    check_info,
    check_matrix,
    check_square,
    check_system,
    identity,
    scalar_type,
)

# Triangular systems: X = T^-1 B.  dX = T^-1 (dB - dT X), where dT stays within the triangle.


def _triangle(t: Tensor, upper: bool, unit: bool) -> Tensor:
    """The part of a matrix that a triangular solver reads."""
    return t.triu(1 if unit else 0) if upper else t.tril(-1 if unit else 0)


def _into_triangle(g, A, z, upper, unit):
    gB = solve_triangle(A.mT, g, upper=not upper, unit=unit)
    return -_triangle(gB @ z.mT, upper, unit)


def _moved_by_triangle(t, A, z, upper, unit):
    return -solve_triangle(A, _triangle(t, upper, unit) @ z, upper=upper, unit=unit)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(A=_into_triangle, B=lambda g, A, upper, unit: solve_triangle(A.mT, g, upper=not upper, unit=unit)),
    jvp=dict(A=_moved_by_triangle, B=lambda t, A, upper, unit: solve_triangle(A, t, upper=upper, unit=unit)),
    backward_name="LinalgSolveTriangularBackward0",
)
def solve_triangle(A, B, *, upper, unit):
    """z = T^-1 B, where T is the upper or lower triangle of A: (..., n, n), (..., n, k) to (..., n, k)"""
    return substitute(A, B, upper, unit)


def solve_either_side(A: Tensor, B: Tensor, upper: bool, unit: bool = False, left: bool = True) -> Tensor:
    """T^-1 B, or B T^-1 when not `left`."""
    if left:
        return solve_triangle(A, B, upper=upper, unit=unit)
    return solve_triangle(A.mT, B.mT, upper=not upper, unit=unit).mT


@function(torch="linalg.solve_triangular")
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with T X = B, or X T = B when not `left`, where T is the upper or lower triangle of A; no other part is read.

    A: (..., n, n). B: (..., n, k), or (..., k, n) when not `left`. unitriangular: T's diagonal is taken to be ones.
    A zero on the diagonal is not an error: it gives inf or nan.
    """
    name = "linalg.solve_triangular"
    check_square(name, A)
    check_matrix(name, B, "B")
    check_system(name, A, B, left)
    check_implemented("triangular_solve_cpu", A)
    if A.array.dtype != B.array.dtype:
        common = result_dtype((A, B))
        A, B = A.to(common), B.to(common)
    A, B = broadcast_batches(A, B)
    return solve_either_side(A, B, upper, unitriangular, left)


def _check_right_side(name: str, prefix: str, b: Tensor, A: Tensor) -> None:
    """The checks of torch's older solvers, which take the right side first."""
    check_tensor(name, "b", b)
    for argument, t in (("b", b), ("A", A)):
        if t.array.ndim < 2:
            raise RuntimeError(
                f"{prefix}{argument} to have at least 2 dimensions, but it has {t.array.ndim} dimensions instead"
            )
    m, n = A.array.shape[-2:]
    if m != n:
        raise RuntimeError(f"{name}(): A must be batches of square matrices, but they are {m} by {n} matrices")
    rows, columns = b.array.shape[-2:]
    if rows != n:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {m} by {n} but each b matrix is {rows} by {columns}"
        )
    if b.array.dtype != A.array.dtype:
        raise RuntimeError(
            f"{name}(): Expected b and A to have the same dtype, but found b of type {scalar_type(b)} and A of type "
            f"{scalar_type(A)} instead."
        )


@function(torch="triangular_solve")
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
):  # fmt: skip
    """(solution of T X = input, a copy of A), T being a triangle of A, transposed first if asked; see solve_triangular."""
    _check_right_side("triangular_solve", "torch.triangular_solve: Expected ", input, A)
    check_implemented("triangular_solve_cpu", A)
    b, A = broadcast_batches(input, A)
    T = A.mT if transpose else A
    solution = solve_triangle(T, b, upper=upper != transpose, unit=unitriangular)
    return results.triangular_solve(solution, A.clone())


# Cholesky: A = L L^T.  With Phi(X) the lower triangle of X, its diagonal halved:  dL = L Phi(L^-1 dA L^-T).
# I. Murray, "Differentiation of the Cholesky decomposition", 2016, section 3.


def _halved(t: Tensor) -> Tensor:
    """Phi: the lower triangle with its diagonal halved."""
    return (t.tril() + t.tril(-1)) * 0.5


def _cholesky_gradient(g, z):
    """gA = L^-T (Phi(L^T gL) + its transpose) L^-1 / 2: symmetric, since A is"""
    L = z[0]
    inner = _halved(L.mT @ g[0])
    inner = (inner + inner.mT) * 0.5
    return solve_either_side(L.mT, solve_either_side(L, inner, upper=False, left=False), upper=True)


@op(GENERAL, dtype=SAME, vjp=dict(A=_cholesky_gradient), backward_name="LinalgCholeskyExBackward0")
def cholesky_lower(A):
    """(L, info) with A = L L^T; info is the order of the first leading minor that is not positive-definite, or 0"""
    return cholesky_decompose(A)


def _cholesky(name: str, A: Tensor, upper: bool, check_errors: bool) -> tuple[Tensor, Tensor]:
    L, info = cholesky_lower(A.mT if upper else A)
    if check_errors:
        complaint = "The factorization could not be completed because the input is not positive-definite (the leading "
        check_info(name, info.array, complaint + "minor of order {} is not positive-definite).")
    return (L.mT if upper else L), info


def _checked_cholesky(name: str, A: Tensor, upper: bool, check_errors: bool) -> tuple[Tensor, Tensor]:
    check_square("linalg.cholesky", A)
    check_floating("linalg.cholesky", A)
    check_implemented("cholesky_cpu", A)
    return _cholesky(name, A, upper, check_errors)


@function(torch="linalg.cholesky")
def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L, lower triangular, with A = L L^T (`upper`: U with A = U^T U) of positive-definite matrices (..., n, n).

    Only that triangle of A is read. LinAlgError for a matrix that is not positive-definite.
    """
    return _checked_cholesky("linalg.cholesky", A, upper, check_errors=True)[0]


@function(torch="linalg.cholesky_ex")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False):
    """(L, info): as linalg.cholesky, with the order of the first leading minor that is not positive-definite, or 0."""
    return results.linalg_cholesky_ex(*_checked_cholesky("linalg.cholesky_ex", A, upper, check_errors))


@function(torch="cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor; see linalg.cholesky."""
    check_square("cholesky", input)
    check_implemented("cholesky_cpu", input)
    return _cholesky("cholesky", input, upper, check_errors=True)[0]


@function(torch="cholesky_solve")
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with (L L^T) X = B (`upper`: (L^T L) X = B), given the Cholesky factor L: (..., n, k), (..., n, n)."""
    _check_right_side("cholesky_solve", "cholesky_solve(): Expected ", B, L)
    check_implemented("cholesky_solve_cpu", L)
    B, L = broadcast_batches(B, L)
    lower = L.mT if upper else L
    return solve_either_side(lower.mT, solve_either_side(lower, B, upper=False), upper=True)


@function(torch="cholesky_inverse")
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """(L L^T)^-1 (`upper`: (L^T L)^-1), given the Cholesky factor L: (..., n, n). LinAlgError for a zero diagonal."""
    check_square("cholesky_inverse", L)
    check_implemented("cholesky_inverse_out_cpu", L)
    zero = np.diagonal(numbers(L.array), 0, -2, -1) == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if zero.shape[-1] else np.zeros(zero.shape[:-1], np.int32)
    complaint = "The diagonal element {} is zero, the inversion could not be completed because the input matrix is "
    check_info("cholesky_inverse", info, complaint + "singular.")
    inverted = solve_either_side(L.mT if upper else L, identity(L, L.array.shape[-1]), upper=False)
    return inverted.mT @ inverted
