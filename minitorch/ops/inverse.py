"""Inverses, systems of linear equations and determinants.

    X = A^-1 B      dX = A^-1 (dB - dA X)       so  gB = A^-T gX,  gA = -gB X^T
    z = det A       dz = z tr(A^-1 dA)          so  gA = g z A^-T
    z = log|det A|  dz = tr(A^-1 dA)            so  gA = g A^-T

M. Giles, "Collected matrix derivative results for forward and reverse mode AD", 2008, section 2.
"""

from __future__ import annotations

import math

import numpy as np

from ..core import results
from ..core.lifted import numbers
from ..core.op import GENERAL, SAME, function, op
from ..core.promote import check_tensor
from ..core.tensor import Tensor, wrap
from .elimination import lu_decompose, solve_by_lu
from .matrices import (
    broadcast_batches,
    check_floating,
    check_implemented,
    check_info,
    check_precision,
    check_square,
    check_system,
    scalar_type,
)
from .product import product_of_others
from .singular import thin_svd

# Inverse.


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(A=lambda g, z: -(z.mT @ g @ z.mT)),
    jvp=dict(A=lambda t, z: -(z @ t @ z)),
    backward_name="LinalgInvExBackward0",
)
def inverse(A):
    """z = A^-1; inf and nan for a singular matrix"""
    try:
        return np.linalg.inv(A)
    except np.linalg.LinAlgError:
        return solve_by_lu(A, np.eye(A.shape[-1], dtype=A.dtype))


@op(GENERAL, dtype=SAME)
def first_zero_pivot(A):
    """z = the first i (from 1) for which U[i, i] is zero in A = P L U, 0 for none: (..., n, n) to (...)"""
    return lu_decompose(A)[2]


def _info(A: Tensor, result: Tensor) -> Tensor:
    """The first zero pivot of each matrix: not looked for where the result is finite, for it leaves inf or nan there."""
    if result.array.size and np.isfinite(numbers(result.array)).all():
        return wrap(np.zeros(A.array.shape[:-2], np.int32))
    return first_zero_pivot(A)


def _inverse(name: str, A: Tensor, check_errors: bool) -> tuple[Tensor, Tensor]:
    check_square("linalg.inv", A)
    check_precision("linalg.inv", A)
    inverted = inverse(A)
    info = _info(A, inverted)
    if check_errors:
        complaint = "The diagonal element {} is zero, the inversion could not be completed because the input matrix is "
        check_info(name, info.array, complaint + "singular.")
    return inverted, info


@function(torch=("linalg.inv", "inverse"))
def inv(A: Tensor) -> Tensor:
    """The inverses of square matrices (..., n, n). LinAlgError for a singular one."""
    return _inverse("linalg.inv", A, check_errors=True)[0]


@function(torch="linalg.inv_ex")
def inv_ex(A: Tensor, *, check_errors: bool = False):
    """(inverse, info): the inverses, and for each the number of the first zero pivot (from 1), or 0."""
    inverted, info = _inverse("linalg.inv_ex", A, check_errors)
    return results.linalg_inv_ex(inverted, info)


# Systems of equations.


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        A=lambda g, A, z: -(solve_linear(A.mT, g) @ z.mT),
        B=lambda g, A: solve_linear(A.mT, g),
    ),
    jvp=dict(
        A=lambda t, A, z: -solve_linear(A, t @ z),
        B=lambda t, A: solve_linear(A, t),
    ),
    backward_name="LinalgSolveExBackward0",
)
def solve_linear(A, B):
    """z = A^-1 B: (..., n, n), (..., n, k) to (..., n, k); inf and nan for a singular matrix"""
    try:
        return np.linalg.solve(A, B)
    except np.linalg.LinAlgError:
        return solve_by_lu(A, B)


def is_vector_side(A: Tensor, B: Tensor) -> bool:
    """Whether B holds one vector a matrix, (..., n), not a matrix, (..., n, k)."""
    a, b = A.array.shape, B.array.shape
    return len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1])


def _solve(name: str, A: Tensor, B: Tensor, left: bool, check_errors: bool) -> tuple[Tensor, Tensor]:
    check_square("linalg.solve", A)
    check_floating("linalg.solve", A)
    check_tensor("linalg.solve", "B", B)
    if not B.array.ndim:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 1 dimension, but its shape is []")
    if A.array.dtype != B.array.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {scalar_type(A)} and B of type "
            f"{scalar_type(B)} instead"
        )
    vector = is_vector_side(A, B)
    if vector:
        B = B.unsqueeze(-1)
    check_system("linalg.solve", A, B, left)
    check_implemented("lu_cpu", A)
    A, B = broadcast_batches(A, B)
    X = solve_linear(A, B) if left else solve_linear(A.mT, B.mT).mT
    info = _info(A, X)
    if check_errors:
        check_info(name, info.array, "The solver failed because the input matrix is singular.")
    return X.squeeze(-1) if vector else X, info


@function(torch="linalg.solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B when not `left`. LinAlgError for a singular A.

    A: (..., n, n). B: (..., n, k), or (..., n) for one vector to each matrix.
    """
    return _solve("torch.linalg.solve", A, B, left, check_errors=True)[0]


@function(torch="linalg.solve_ex")
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False):
    """(result, info): as `solve`, with the number of the first zero pivot (from 1) of each matrix, or 0."""
    X, info = _solve("torch.linalg.solve_ex", A, B, left, check_errors)
    return results.linalg_solve_ex(X, info)


# Determinants.


def _cofactors(A: Tensor) -> Tensor:
    """The matrix C with C^T A = det(A) I, for singular matrices too.

    From A = U S V':  C = det(U) det(V) U diag(product of the other singular values) V'.
    N. Higham, "What is the adjugate of a matrix?", 2020.
    """
    u, s, vh = thin_svd(A)
    sign = determinant(u) * determinant(vh)
    return (u * product_of_others(s, s.array.ndim - 1).unsqueeze(-2)) @ vh * sign.unsqueeze(-1).unsqueeze(-1)


def _per_matrix(g: Tensor) -> Tensor:
    return g.unsqueeze(-1).unsqueeze(-1)


def _det_gradient(g, A, z):
    if numbers(z.array).all():
        return _per_matrix(g * z) * inverse(A).mT
    return _per_matrix(g) * _cofactors(A)


@op(GENERAL, dtype=SAME, vjp=dict(A=_det_gradient), backward_name="LinalgDetBackward0")
def determinant(A):
    """z = det A: (..., n, n) to (...)"""
    return np.asarray(np.linalg.det(A))


def _slogdet_gradient(g, A):
    return _per_matrix(g[1]) * inverse(A).mT


@op(GENERAL, dtype=SAME, vjp=dict(A=_slogdet_gradient), backward_name="LinalgSlogdetBackward0")
def sign_and_log_determinant(A):
    """(sign of det A, log |det A|); where that is nan the sign is 0, as torch's sign of nan is"""
    sign, logarithm = np.linalg.slogdet(A)
    return np.where(np.isnan(logarithm), 0, sign).astype(A.dtype), np.asarray(logarithm)


@function(torch=("linalg.det", "det"))
def det(A: Tensor) -> Tensor:
    """The determinants of square matrices: (..., n, n) to (...)."""
    check_square("linalg.det", A)
    check_floating("linalg.det", A)
    check_implemented("lu_cpu", A)
    return determinant(A)


def _slogdet(name: str, A: Tensor) -> tuple[Tensor, Tensor]:
    check_square(name, A)
    check_precision(name, A)
    return sign_and_log_determinant(A)


@function(torch="linalg.slogdet")
def linalg_slogdet(A: Tensor):
    """(sign, logabsdet) of the determinants, which may be too large or small to be written down; 0 and -inf for 0."""
    return results.linalg_slogdet(*_slogdet("linalg.slogdet", A))


@function(torch="slogdet")
def slogdet(input: Tensor):
    """(sign, logabsdet) of the determinants; see `linalg.slogdet`."""
    return results.slogdet(*_slogdet("linalg.slogdet", input))


@function(torch="logdet")
def logdet(input: Tensor) -> Tensor:
    """The logarithms of the determinants: -inf for 0, nan where negative."""
    sign, logarithm = _slogdet("logdet", input)
    return sign.log() + logarithm


# Tensors as matrices.


@function(torch="linalg.tensorinv")
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A seen as a matrix from its dimensions after the first `ind` to these: tensordot(z, A, ind) = I."""
    shape = A.array.shape
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        )
    return inv(A.reshape(rows, columns)).reshape(*shape[ind:], *shape[:ind])


@function(torch="linalg.tensorsolve")
def tensorsolve(A: Tensor, B: Tensor, dims=None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are first moved behind the others."""
    n = A.array.ndim
    if dims is not None:
        moved = [d % n for d in dims]
        A = A.permute(*[d for d in range(n) if d not in moved], *moved)
    unknown = A.array.shape[B.array.ndim :]
    rows, columns = math.prod(A.array.shape[: B.array.ndim]), math.prod(unknown)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {columns} != {rows}"
        )
    return solve(A.reshape(rows, columns), B.reshape(rows)).reshape(*unknown)
