"""LU factors, with partial pivoting: A = P L U.

    P: (..., m, m), a permutation. L: (..., m, k), lower triangular with ones on its diagonal. U: (..., k, n), upper
    triangular. k = min(m, n). LAPACK keeps L and U in one matrix (the ones are not stored) and P as row swaps.

The permutation does not move with A, so P^T dA = dL U + L dU. For a square matrix, L^-1 (P^T dA) U^-1 = L^-1 dL +
dU U^-1 splits into its strictly lower and its upper triangle. What is below or to the right of the leading square of a
rectangular matrix follows from it: A2 = L2 U, or A2 = L U2. (M. Seeger et al., "Auto-Differentiating Linear Algebra",
2017, derive the rules for the other factorisations in this way.)
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.lifted import numbers
from ..core.op import GENERAL, KEEP, SAME, function, op
from ..core.promote import check_tensor
from ..core.tensor import Tensor, wrap
from .elimination import lu_decompose, permutation
from .join import cat
from .matrices import (
    broadcast_batches,
    check_floating,
    check_implemented,
    check_matrix,
    check_system,
    scalar_type,
)
from .triangular import solve_either_side


def _lower(lu: Tensor) -> Tensor:
    """L, (..., m, k), with its ones."""
    m, n = lu.array.shape[-2:]
    k = min(m, n)
    return lu[..., :k].tril(-1) + wrap(np.eye(m, k, dtype=lu.array.dtype))


def _upper(lu: Tensor) -> Tensor:
    """U, (..., k, n)."""
    return lu[..., : min(lu.array.shape[-2:]), :].triu()


@op(GENERAL, dtype=KEEP)
def permutation_matrix(pivots, *, m, dtype):
    """P, (..., m, m), of the row swaps (..., k): row i of P^T A is the row of A that stands in row i of L U"""
    order = permutation(pivots, m)
    P = np.zeros((*order.shape, m), dtype)
    np.put_along_axis(P, order[..., None, :], 1, -2)
    return P


def _lu_gradient(g, z):
    lu, g = z[0], g[0]
    m, n = lu.array.shape[-2:]
    k = min(m, n)
    L, U = _lower(lu), _upper(lu)
    L1, U1 = L[..., :k, :], U[..., :k]
    gL, gU = g[..., :k, :k].tril(-1), g[..., :k, :k].triu()
    beyond = None  # the gradient of what is below or to the right of the leading square
    if m > k:
        gL2 = g[..., k:, :]
        beyond = solve_either_side(U1.mT, gL2, upper=False, left=False)
        gU = gU - (L[..., k:, :].mT @ beyond).triu()
    elif n > k:
        gU2 = g[..., k:]
        beyond = solve_either_side(L1.mT, gU2, upper=True, unit=True)
        gL = gL - (beyond @ U[..., k:].mT).tril(-1)
    inner = (L1.mT @ gL).tril(-1) + (gU @ U1.mT).triu()
    inner = solve_either_side(L1.mT, inner, upper=True, unit=True)
    gA = solve_either_side(U1.mT, inner, upper=False, left=False)
    if beyond is not None:
        gA = cat((gA, beyond), -2 if m > k else -1)
    return permutation_matrix(z[1], m=m, dtype=lu.array.dtype) @ gA


@op(GENERAL, dtype=SAME, vjp=dict(A=_lu_gradient), backward_name="LinalgLuFactorExBackward0")
def lu_factors(A):
    """(LU, pivots, info): L below the diagonal and U on and above it, the row swaps, the first zero pivot (or 0)"""
    return lu_decompose(A)


def _check_pivoting(pivot: bool) -> None:
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def _factor(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor, Tensor]:
    check_tensor(name, "A", A)
    if A.array.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    check_implemented("lu_cpu", A)
    _check_pivoting(pivot)
    return lu_factors(A)


def _check_pivots(name: str, info: Tensor) -> None:
    """RuntimeError for a factor that lu_solve would divide by zero with."""
    failed = np.flatnonzero(numbers(info.array))
    if failed.size:
        i = numbers(info.array).reshape(-1)[failed[0]]
        element = f"(Batch element {failed[0]}): " if info.array.ndim else ""
        raise RuntimeError(
            f"{name}: {element}U[{i},{i}] is zero and using it on lu_solve would result in a division by zero. If you "
            "still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )


@function(torch="linalg.lu_factor")
def lu_factor(A: Tensor, *, pivot: bool = True):
    """(LU, pivots) of (..., m, n), as `lu_solve` takes them. pivots: int32, (..., min(m, n)), counted from 1.

    RuntimeError for a zero on the diagonal of U.
    """
    lu, pivots, info = _factor("torch.lu_factor", A, pivot)
    _check_pivots("torch.linalg.lu_factor", info)
    return results.linalg_lu_factor(lu, pivots)


@function(torch="linalg.lu_factor_ex")
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False):
    """(LU, pivots, info): as lu_factor, with the first zero on the diagonal of U (from 1), or 0."""
    lu, pivots, info = _factor("torch.lu_factor", A, pivot)
    if check_errors:
        _check_pivots("torch.linalg.lu_factor_ex", info)
    return results.linalg_lu_factor_ex(lu, pivots, info)


@function(torch="linalg.lu")
def linalg_lu(A: Tensor, *, pivot: bool = True):
    """(P, L, U) with A = P L U, for matrices (..., m, n)."""
    lu, pivots, _ = _factor("linalg.lu", A, pivot)
    return results.linalg_lu(
        permutation_matrix(pivots, m=lu.array.shape[-2], dtype=lu.array.dtype), _lower(lu), _upper(lu)
    )


@function(torch="lu")
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False):
    """(LU, pivots), with `get_infos` also the info of lu_factor_ex."""
    factors, pivots, info = _factor("torch.lu_factor", A, pivot)
    if get_infos:
        return results.lu_with_info(factors, pivots, info)
    _check_pivots("torch.linalg.lu_factor", info)
    return factors, pivots


@function(torch="lu_unpack")
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True):
    """(P, L, U) from the (LU, pivots) of lu_factor; what is not asked for comes out empty."""
    if LU_pivots.array.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype. Note: this function "
            "is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    dtype = LU_data.array.dtype
    nothing = wrap(np.empty(0, dtype))
    P = permutation_matrix(LU_pivots, m=LU_data.array.shape[-2], dtype=dtype) if unpack_pivots else nothing
    L, U = (_lower(LU_data), _upper(LU_data)) if unpack_data else (nothing, nothing)
    return results.lu_unpack(P, L, U)


def _check_factors(LU: Tensor, pivots: Tensor, B: Tensor, left: bool) -> None:
    name = "linalg.lu_solve"
    check_floating(name, LU)
    if pivots.array.dtype != np.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32, got {pivots.dtype}")
    check_matrix(name, LU)
    m, n = LU.array.shape[-2:]
    if m != n:
        raise RuntimeError(f"torch.{name}: A must be batches of square matrices, but they are {m} by {n} matrices")
    check_matrix(name, B, "B")
    if LU.array.dtype != B.array.dtype:
        raise RuntimeError(
            f"{name}: Expected LU and B to have the same dtype, but found LU of type {scalar_type(LU)} and B of type "
            f"{scalar_type(B)} instead"
        )
    check_system(name, LU, B, left)
    if pivots.array.shape[-1:] != (n,):
        raise RuntimeError(f"{name}: Number of pivots per batch should be same as the dimension of the matrix")
    if pivots.array.shape[:-1] != LU.array.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    rows = numbers(pivots.array)
    if ((rows < 1) | (rows > n)).any():
        raise RuntimeError(
            f"{name}: Pivots given to lu_solve must all be from 1 to {n}, got {rows.min()} to {rows.max()}"
        )


@function(torch="linalg.lu_solve")
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B (X A = B when not `left`; `adjoint`: A^T for A), given the (LU, pivots) of A = P L U."""
    _check_factors(LU, pivots, B, left)
    check_implemented("lu_solve_cpu", LU)
    P = permutation_matrix(pivots, m=LU.array.shape[-1], dtype=LU.array.dtype)
    LU, P, B = broadcast_batches(LU, P, B)
    if not left:  # X A = B is A^T X^T = B^T
        return _solve_factored(LU, P, B.mT, not adjoint).mT
    return _solve_factored(LU, P, B, adjoint)


def _solve_factored(LU: Tensor, P: Tensor, B: Tensor, adjoint: bool) -> Tensor:
    if adjoint:  # A^T = U^T L^T P^T
        return P @ solve_either_side(LU.mT, solve_either_side(LU.mT, B, upper=False), upper=True, unit=True)
    return solve_either_side(LU, solve_either_side(LU, P.mT @ B, upper=False, unit=True), upper=True)


@function(torch="lu_solve")
def torch_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = b; see linalg.lu_solve."""
    return lu_solve(LU_data, LU_pivots, b)
