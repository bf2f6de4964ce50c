"""Powers of matrices, the exponential, and products of many matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..shapes import as_int
from .inverse import inv
from .join import cat
from .matmul import mm
from .matrices import check_floating, check_square, identity
from .product import cumprod


@function(torch=("linalg.matrix_power", "matrix_power"))
def matrix_power(A: Tensor, n: int) -> Tensor:
    """A A ... A (n times) of square matrices (..., m, m); the inverse's power for n < 0, the identity for n = 0.

    Takes about log2(n) products: A^13 = A^8 A^4 A.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"linalg_matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}")
    check_square("linalg.matrix_power", A)
    if n == 0:
        return A.clone().copy_(identity(A, A.array.shape[-1]))
    if n < 0:
        A, n = inv(A), -n
    if n == 1:
        return A.clone()
    while n % 2 == 0:
        A, n = A @ A, n // 2
    result = A
    while n > 1:
        A, n = A @ A, n // 2
        if n % 2:
            result = result @ A
    return result


# Exponential.


def _exp_gradient(g, A):
    """The derivative of exp at A^T in direction g: the upper right block of exp [[A^T, g], [0, A^T]].

    R. Mathias, "A Chain Rule for Matrix Functions and Applications", 1996.
    """
    return _exp_derivative(A.mT, g)


def _exp_derivative(A: Tensor, direction: Tensor) -> Tensor:
    n = A.array.shape[-1]
    below = cat((wrap(np.zeros(A.array.shape, A.array.dtype)), A), -1)
    blocks = cat((cat((A, direction), -1), below), -2)
    return matrix_exponential(blocks)[..., :n, n:]


# The Pade approximant of degree 13 of exp: p(A) / p(-A), p(x) = sum of b_i x^i, right to a unit roundoff of float64 for
# |A|_1 up to 5.37. N. Higham, "The Scaling and Squaring Method for the Matrix Exponential Revisited", 2005, table 2.3.
_PADE = [math.factorial(26 - i) * math.comb(13, i) // math.factorial(13) for i in range(14)]
_RADIUS = 5.371920351148152


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(A=_exp_gradient),
    jvp=dict(A=lambda t, A: _exp_derivative(A, t)),
    backward_name="LinalgMatrixExpBackward0",
)
def matrix_exponential(A):
    """z = I + A + A^2 / 2! + A^3 / 3! + ..., by scaling and squaring: exp(A) = exp(A / 2^s)^(2^s)"""
    if not A.size:
        return A.copy()
    norm = np.abs(A).sum(-2).max(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.maximum(np.ceil(np.log2(norm / _RADIUS)), 0)
    steps = np.where(np.isfinite(steps), steps, 0).astype(np.int64)[..., None, None]
    wide = np.ldexp(A.astype(np.float64), -steps)
    odd, even = _pade_parts(wide)
    z = np.linalg.solve(even - odd, even + odd)
    for i in range(int(steps.max())):
        z = np.where(steps > i, z @ z, z)
    return z.astype(A.dtype)


def _pade_parts(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The odd and the even terms of p(A), with six products."""
    b, one = [float(c) for c in _PADE], np.eye(A.shape[-1])
    A2 = A @ A
    A4 = A2 @ A2
    A6 = A4 @ A2
    odd = A @ (A6 @ (b[13] * A6 + b[11] * A4 + b[9] * A2) + b[7] * A6 + b[5] * A4 + b[3] * A2 + b[1] * one)
    even = A6 @ (b[12] * A6 + b[10] * A4 + b[8] * A2) + b[6] * A6 + b[4] * A4 + b[2] * A2 + b[0] * one
    return odd, even


@function(torch=("linalg.matrix_exp", "matrix_exp"))
def matrix_exp(A: Tensor) -> Tensor:
    """The exponentials I + A + A^2 / 2! + ... of square matrices (..., n, n)."""
    check_square("linalg.matrix_exp", A)
    check_floating("linalg.matrix_exp", A)
    return matrix_exponential(A)


# Chains of products.


def _cheapest_splits(sizes: Sequence[int]) -> list[list[int]]:
    """Where to split each part i..j of a chain of matrices, sizes[i] x sizes[i + 1], for the fewest multiplications.

    T. Cormen et al., "Introduction to Algorithms", section 15.2.
    """
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            ]  # fmt: skip
            cost[i][j], split[i][j] = min(options)
    return split


def _product(matrices: Sequence[Tensor]) -> Tensor:
    split = _cheapest_splits([matrices[0].array.shape[0], *[m.array.shape[1] for m in matrices]])

    def part(i: int, j: int) -> Tensor:
        return matrices[i] if i == j else mm(part(i, split[i][j]), part(split[i][j] + 1, j))

    return part(0, len(matrices) - 1)


@function(torch="linalg.multi_dot")
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first may be a row (n,) and the last a column (n,): then that dimension is missing from the result.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for i, t in enumerate(tensors):
        at_end = i in (0, len(tensors) - 1)
        if t.array.ndim != 2 and not (at_end and t.array.ndim == 1):
            which = "the first tensor" if i == 0 else "the last tensor" if at_end else f"tensor {i}"
            wanted = "1D or 2D" if at_end else "2D"
            raise RuntimeError(f"multi_dot(): {which} must be {wanted} but got {t.array.ndim}D")
        if t.array.dtype != tensors[0].array.dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {tensors[0].dtype} and tensor "
                f"{i} {t.dtype}"
            )
    row, column = tensors[0].array.ndim == 1, tensors[-1].array.ndim == 1
    matrices = list(tensors)
    if row:
        matrices[0] = matrices[0].unsqueeze(0)
    if column:
        matrices[-1] = matrices[-1].unsqueeze(-1)
    for i in range(len(matrices) - 1):
        if matrices[i].array.shape[1] != matrices[i + 1].array.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and "
                f"{list(tensors[i + 1].shape)} cannot be multiplied"
            )
    z = _product(matrices)
    z = z.squeeze(-1) if column else z
    return z.squeeze(0) if row else z


@function(torch="chain_matmul")
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices, in the order that takes the fewest multiplications; see linalg.multi_dot."""
    for matrix in matrices:
        if matrix.array.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {matrix.array.ndim}, expected 2 instead.")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


# Powers of numbers, in a row.


@function(torch="linalg.vander")
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Vandermonde matrices z[..., i, j] = x[..., i]^j: (..., n) to (..., n, N), N being n unless given."""
    if x.array.dtype == np.bool_:
        raise RuntimeError("linalg.vander supports floating point, complex, and integer tensors, but got Bool")
    if x.array.ndim == 0:
        x = x.unsqueeze(0)
    N = x.array.shape[-1] if N is None else as_int(N, "N")
    if N <= 1:
        raise RuntimeError(f"N must be greater than 1, got {N}.")
    batch = x.array.shape
    ones = wrap(np.ones((*batch, 1), x.array.dtype))
    return cumprod(cat((ones, x.unsqueeze(-1).expand(*batch, N - 1)), -1), -1)


@function(torch="vander")
def torch_vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of a vector (n,): z[i, j] = x[i]^(N - 1 - j); `increasing`: x[i]^j."""
    if x.array.ndim != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, got shape {list(x.shape)}.")
    N = x.array.shape[0] if N is None else as_int(N, "N")
    columns = wrap(np.arange(N) if increasing else np.arange(N)[::-1].copy())
    return x.unsqueeze(-1) ** columns
