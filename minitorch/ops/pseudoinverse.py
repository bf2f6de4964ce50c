"""The pseudoinverse, and what is judged by singular values: least squares, rank, condition.

P = pinv(A), with A P and P A the projections onto A's column and row space, moves by

    dP = -P dA P + P P^T dA^T (I - A P) + (I - P A) dA^T P^T P

as long as the rank does not change. G. Golub and V. Pereyra, "The Differentiation of Pseudo-Inverses and Nonlinear
Least Squares Problems Whose Variables Separate", 1973.
"""

from __future__ import annotations

import math

import numpy as np

from ..core import results
from ..core.levels import per_example
from ..core.lifted import Lifted, numbers
from ..core.op import GENERAL, SAME, function, op
from ..core.promote import check_tensor
from ..core.tensor import Tensor, wrap
from .eigen import symmetric_eigenvalues
from .inverse import inv_ex, is_vector_side
from .matrices import LinAlgError, broadcast_batches, check_square, scalar_type
from .norms import matrix_norm
from .singular import decompose, singular_values, svdvals

# Pseudoinverse.


def _pinv_gradient(g, A, z):
    """The transpose of dP, term by term."""
    P, Pt, gt = z, z.mT, g.mT
    AP_gt = gt - A @ (P @ gt)  # (I - A P) g^T
    gt_PA = gt - (gt @ P) @ A  # g^T (I - P A)
    return -(Pt @ g @ Pt) + AP_gt @ P @ Pt + Pt @ (P @ gt_PA)


def _pinv_tangent(t, A, z):
    P, Pt, tt = z, z.mT, t.mT
    left = P @ (Pt @ tt)
    right = (tt @ Pt) @ P
    return -(P @ t @ P) + (left - (left @ A) @ P) + (right - P @ (A @ right))


def _kept(sizes: np.ndarray, atol, rtol) -> np.ndarray:
    """Which singular values count: those above max(atol, rtol times the largest of their matrix)."""
    largest = sizes.max(-1, keepdims=True, initial=0)
    return sizes > np.maximum(atol[..., None], rtol[..., None] * largest)


def _inverted(values: np.ndarray, atol, rtol) -> np.ndarray:
    """1 / values, 0 for those that do not count."""
    return np.divide(1, values, where=_kept(np.abs(values), atol, rtol), out=np.zeros_like(values))


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(A=_pinv_gradient),
    jvp=dict(A=_pinv_tangent),
    backward_name="LinalgPinvBackward0",
)
def pseudoinverse(A, *, atol, rtol):
    """z = V S^+ U^T for A = U S V^T, S^+ holding 1 / s for the singular values that count: (..., m, n) to (..., n, m)"""
    u, s, vh = decompose(A, full_matrices=False)
    return (vh.swapaxes(-1, -2) * _inverted(s, atol, rtol)[..., None, :]) @ u.swapaxes(-1, -2)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(A=_pinv_gradient),
    jvp=dict(A=_pinv_tangent),
    backward_name="LinalgPinvBackward0",
)
def symmetric_pseudoinverse(A, *, atol, rtol):
    """z = V L^+ V^T for A = V L V^T, of which the lower triangle is read: (..., n, n) to (..., n, n)"""
    values, V = np.linalg.eigh(A)
    return (V * _inverted(values, atol, rtol)[..., None, :]) @ V.swapaxes(-1, -2)


def tolerances(A: Tensor, atol, rtol) -> tuple[np.ndarray, np.ndarray]:
    """(atol, rtol) as arrays that broadcast over the batch. rtol: eps max(m, n), or 0 where an atol is given."""
    dtype = A.array.dtype
    default = np.finfo(dtype).eps * max(A.array.shape[-2:])
    given = None if atol is None else _as_array(atol, dtype)
    if rtol is None:
        relative = np.asarray(default if given is None else np.where(given > 0, 0, default), dtype)
    else:
        relative = _as_array(rtol, dtype)
    return (np.zeros((), dtype) if given is None else given), relative


def _as_array(value, dtype) -> np.ndarray:
    return np.asarray(value.array if isinstance(value, Tensor) else value).astype(dtype)


def _differ(*tolerances) -> bool:
    """Whether under a vmap every example has a tolerance of its own."""
    return any(isinstance(t, Tensor) and isinstance(t.array, Lifted) for t in tolerances)


@per_example
def _of_each(public, A: Tensor, first, hermitian: bool, atol, rtol) -> Tensor:
    return public(A, first, hermitian, atol=atol, rtol=rtol)


@function(torch="linalg.pinv")
def pinv(A: Tensor, rcond=None, hermitian: bool = False, *, atol=None, rtol=None) -> Tensor:
    """The pseudoinverse P (Moore-Penrose) of matrices (..., m, n): A P A = A, P A P = P, A P and P A symmetric.

    Singular values up to max(atol, rtol times the largest) count as zero; rtol (or `rcond`) is eps max(m, n) unless an
    atol is given. Both may be tensors, one tolerance for each matrix. hermitian: A is symmetric, its lower triangle is
    read.
    """
    check_tensor("linalg.pinv", "input", A)
    if A.array.ndim < 2 or A.array.dtype not in (np.float32, np.float64):
        raise RuntimeError(
            f"linalg.pinv({scalar_type(A)}{{{list(A.shape)}}}): expected a tensor with 2 or more dimensions of float, "
            "double, cfloat or cdouble types"
        )
    if _differ(rcond, atol, rtol):
        return _of_each(pinv, A, rcond, hermitian, atol, rtol)
    atol, rtol = tolerances(A, atol, rcond if rtol is None else rtol)
    if hermitian:
        check_square("linalg.eigh", A)
        return symmetric_pseudoinverse(A, atol=atol, rtol=rtol)
    return pseudoinverse(A, atol=atol, rtol=rtol)


@function(torch="pinverse")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse; singular values up to `rcond` times the largest count as zero. See linalg.pinv."""
    return pinv(input, rcond)


# Rank and condition.


@op(GENERAL, dtype=SAME)
def rank_of_values(values, *, atol, rtol):
    """z = how many of the singular values (or eigenvalues) of each matrix count: (..., k) to (...)"""
    return np.asarray(_kept(np.abs(values), atol, rtol).sum(-1))


@function(torch="linalg.matrix_rank")
def matrix_rank(A: Tensor, tol=None, hermitian: bool = False, *, atol=None, rtol=None) -> Tensor:
    """How many singular values of (..., m, n) exceed max(atol, rtol times the largest); `tol`: exceed that. int64.

    hermitian: A is symmetric: the magnitudes of its eigenvalues are counted.
    """
    check_tensor("linalg.matrix_rank", "input", A)
    if A.array.ndim < 2:
        raise RuntimeError(
            f"torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions, got {list(A.shape)}."
        )
    if A.array.dtype not in (np.float32, np.float64):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if isinstance(atol, Tensor) and not isinstance(rtol, (Tensor, type(None))):
        raise TypeError(
            "linalg_matrix_rank() received an invalid combination of arguments: a Tensor atol, a number rtol"
        )
    if _differ(tol, atol, rtol):
        return _of_each(matrix_rank, A, tol, hermitian, atol, rtol)
    if hermitian:
        check_square("linalg.eigh", A)
        values = symmetric_eigenvalues(A, uplo="L")
    else:
        values = singular_values(A)
    dtype = A.array.dtype
    atol, rtol = tolerances(A, atol, rtol) if tol is None else (_as_array(tol, dtype), np.zeros((), dtype))
    return rank_of_values(values, atol=atol, rtol=rtol)


@function(torch="linalg.cond")
def cond(A: Tensor, p=None) -> Tensor:
    """The condition number |A| |A^-1| in the matrix norm `p` (see linalg.matrix_norm); inf for a singular matrix.

    p None or 2: the largest singular value over the smallest, for any (..., m, n); -2: its inverse.
    """
    check_tensor("linalg.cond", "input", A)
    if A.array.ndim < 2:
        raise RuntimeError(f"linalg.cond: The input tensor must have at least 2 dimensions, got {list(A.shape)}.")
    if (isinstance(p, str) and p not in ("fro", "nuc")) or (
        not isinstance(p, str) and p is not None and abs(p) not in (1, 2, math.inf)
    ):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if not A.array.shape[-1] or not A.array.shape[-2]:
        return wrap(np.zeros(A.array.shape[:-2], A.array.dtype))
    if p in (None, 2, -2):
        values = svdvals(A)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    check_square(f"linalg.cond(ord={p})", A)
    if p == "nuc":
        values = svdvals(A)
        return values.sum(-1) * values.reciprocal().sum(-1)
    inverted, _ = inv_ex(A)
    return (matrix_norm(A, p) * matrix_norm(inverted, p)).nan_to_num(math.inf, math.inf, -math.inf)


# Least squares.


@op(GENERAL, dtype=SAME, composite=lambda A, B, *, rcond: _by_pseudoinverse(A, B, rcond))
def least_squares(A, B, *, rcond):
    """z = V S^+ U^T B, the smallest z that minimises |A z - B|: (..., m, n), (..., m, k) to (..., n, k)"""
    u, s, vh = decompose(A, full_matrices=False)
    inverted = _inverted(s, np.zeros((), s.dtype), rcond)
    return vh.swapaxes(-1, -2) @ (inverted[..., None] * (u.swapaxes(-1, -2) @ B))


def _by_pseudoinverse(A: Tensor, B: Tensor, rcond) -> Tensor:
    return pseudoinverse(A, atol=np.zeros((), A.array.dtype), rtol=rcond) @ B


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def _check_least_squares(A: Tensor, B: Tensor, driver: str, vector: bool) -> None:
    name = "torch.linalg.lstsq"
    if A.array.dtype not in (np.float32, np.float64):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if A.array.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions, got {list(A.shape)}.")
    if B.array.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension, got {list(B.shape)}.")
    if A.array.dtype != B.array.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype {scalar_type(A)} and "
            f"other's dtype {scalar_type(B)}"
        )
    if not 0 <= A.array.ndim - B.array.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1, got "
            f"shapes {list(A.shape)} and {list(B.shape)}"
        )
    if driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of ({', '.join(_DRIVERS)}), got {driver}")
    side = -1 if vector else -2
    if A.array.shape[-2] != B.array.shape[side]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size({side}), got shapes {list(A.shape)} and {list(B.shape)}"
        )


@function(torch="linalg.lstsq")
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None):
    """(solution, residuals, rank, singular_values): the X of least norm that minimises |A X - B|, column by column.

    A: (..., m, n). B: (..., m, k), or (..., m) for one vector to each matrix. All drivers are computed by singular
    values; those up to `rcond` (default eps max(m, n)) times the largest count as zero. As in torch, "gels" wants full
    rank (LinAlgError), all others give the rank (default: "gelsy"), "gelsd" and "gelss" the singular values; all but
    "gelsy" the squared norms of the residuals, where m > n and every matrix has full rank. The rest is empty.
    """
    check_tensor("linalg.lstsq", "input", A)
    check_tensor("linalg.lstsq", "b", B)
    driver = "gelsy" if driver is None else driver
    vector = is_vector_side(A, B)
    _check_least_squares(A, B, driver, vector)
    m, n = A.array.shape[-2:]
    dtype = A.array.dtype
    limit = np.asarray(np.finfo(dtype).eps * max(m, n) if rcond is None else rcond, dtype)
    A, B = broadcast_batches(A, B.unsqueeze(-1) if vector else B)
    values = singular_values(A.detach())
    rank = rank_of_values(values, atol=np.zeros((), dtype), rtol=limit)
    full = bool((numbers(rank.array) == min(m, n)).all())
    if driver == "gels" and not full:
        raise LinAlgError(
            "torch.linalg.lstsq: The least squares solution could not be computed because the input matrix does not "
            f"have full rank (shape {list(A.shape)})."
        )
    solution = least_squares(A, B, rcond=limit)
    residuals = solution.reshape(-1)[:0]
    if driver != "gelsy" and m > n and full:
        residuals = (A @ solution - B).square().sum(-2)
    if driver == "gels":
        rank = wrap(np.empty(0, np.int64))
    elif not B.array.size:  # LAPACK is not called
        rank = wrap(np.zeros_like(rank.array))
    if driver in ("gels", "gelsy"):
        values = wrap(np.empty(0, dtype))
    return results.linalg_lstsq(solution.squeeze(-1) if vector else solution, residuals, rank, values)
