"""Elimination on arrays: triangular substitution, LU factors, Cholesky factors. NumPy only; no tensors, no gradients.

A batch of matrices is worked on at once: the loops run over columns or blocks, never over the batch. Textbook:
G. Golub and C. Van Loan, "Matrix Computations", 4th edition, sections 3.1 (substitution), 3.2-3.4 (LU, blocked, with
partial pivoting) and 4.2 (Cholesky).
"""

from __future__ import annotations

import numpy as np

from .matrices import matrix_count

BLOCK = 32  # up to this size column by column; beyond, most of the work is in matrix products


def substitute(T: np.ndarray, B: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """X with T X = B for a triangular T: (..., n, n), (..., n, k) to (..., n, k). A zero on the diagonal gives inf, nan.

    unit: the diagonal is taken to be ones and not read.
    """
    batch = np.broadcast_shapes(T.shape[:-2], B.shape[:-2])
    X = np.array(np.broadcast_to(B, batch + B.shape[-2:]))
    if X.size:
        _substitute(T, X, upper, unit)
    return X


def _substitute(T: np.ndarray, X: np.ndarray, upper: bool, unit: bool) -> None:
    n = T.shape[-1]
    if n > BLOCK:
        halves = slice(n // 2), slice(n // 2, n)
        known, rest = halves[::-1] if upper else halves
        _substitute(T[..., known, known], X[..., known, :], upper, unit)
        X[..., rest, :] -= T[..., rest, known] @ X[..., known, :]
        _substitute(T[..., rest, rest], X[..., rest, :], upper, unit)
        return
    for i in reversed(range(n)) if upper else range(n):
        known = slice(i + 1, n) if upper else slice(i)
        X[..., i, :] -= (T[..., i : i + 1, known] @ X[..., known, :])[..., 0, :]
        if not unit:
            X[..., i, :] /= T[..., i, i, None]


# LU.


def lu_decompose(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(LU, pivots, info) of (..., m, n), as LAPACK's getrf.

    LU holds L below the diagonal and U on and above it. Step i swapped row i with row pivots[i] (counted from 1), in
    which the largest element of the column stood. info: the first i (from 1) for which U[i, i] is zero, else 0.
    """
    m, n = A.shape[-2:]
    k = min(m, n)
    lu = A.reshape(matrix_count(A), m, n).copy()
    pivots = np.empty((len(lu), k), np.int32)
    if lu.size:
        for start in range(0, k, BLOCK):
            stop = min(start + BLOCK, k)
            _decompose_columns(lu, pivots, start, stop)
            if stop < n:
                right = substitute(lu[:, start:stop, start:stop], lu[:, start:stop, stop:], upper=False, unit=True)
                lu[:, start:stop, stop:] = right
                lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ right
    info = _first(np.diagonal(lu, 0, 1, 2) == 0)
    return lu.reshape(A.shape), pivots.reshape(*A.shape[:-2], k), info.reshape(A.shape[:-2])


def _decompose_columns(lu: np.ndarray, pivots: np.ndarray, start: int, stop: int) -> None:
    """Eliminate below the diagonal in columns start to stop; rows are swapped over all columns."""
    each = np.arange(len(lu))
    for i in range(start, stop):
        largest = i + np.abs(lu[:, i:, i]).argmax(1)
        pivots[:, i] = largest + 1
        row = lu[each, largest]
        lu[each, largest] = lu[:, i]
        lu[:, i] = row
        pivot = lu[:, i, i]
        lu[:, i + 1 :, i] /= np.where(pivot == 0, 1, pivot)[:, None]
        lu[:, i + 1 :, i + 1 : stop] -= lu[:, i + 1 :, i, None] * lu[:, i, None, i + 1 : stop]


def _first(hit: np.ndarray) -> np.ndarray:
    """In each row, the first place (from 1) that is hit, 0 for none."""
    if not hit.shape[1]:
        return np.zeros(len(hit), np.int32)
    return np.where(hit.any(1), hit.argmax(1) + 1, 0).astype(np.int32)


def permutation(pivots: np.ndarray, m: int) -> np.ndarray:
    """Where each of the m rows of LU stood in A, after the swaps of `pivots` (..., k): (..., m)."""
    batch, k = pivots.shape[:-1], pivots.shape[-1]
    swaps = pivots.reshape(matrix_count(pivots[..., None]), k).astype(np.int64) - 1
    each = np.arange(len(swaps))
    order = np.tile(np.arange(m), (len(swaps), 1))
    for i in range(k):
        swapped = order[each, swaps[:, i]]
        order[each, swaps[:, i]] = order[:, i]
        order[:, i] = swapped
    return order.reshape(*batch, m)


def solve_by_lu(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """X with A X = B, with inf and nan for a singular A."""
    lu, pivots, _ = lu_decompose(A)
    order = permutation(pivots, A.shape[-1])[..., None]
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    B = np.broadcast_to(B, batch + B.shape[-2:])
    swapped = np.take_along_axis(B, np.broadcast_to(order, batch + order.shape[-2:]), -2)
    return substitute(lu, substitute(lu, swapped, upper=False, unit=True), upper=True, unit=False)


# Cholesky.


def cholesky_decompose(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, info) with A = L L', of which the lower triangle is read, as LAPACK's potrf.

    info: the order of the first leading minor that is not positive-definite, else 0. The columns before it are those
    of the factor, the others still those of A.
    """
    try:
        L = np.linalg.cholesky(A)
        if not np.isnan(np.diagonal(L, 0, -2, -1)).any():
            return L, np.zeros(A.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        pass
    n = A.shape[-1]
    L = np.tril(A).reshape(matrix_count(A), n, n)
    info = np.zeros(len(L), np.int32)
    for j in range(n):
        column = L[:, j:, j] - (L[:, j:, :j] @ L[:, j, :j, None])[..., 0]
        pivot = column[:, 0]
        info[(info == 0) & ~(pivot > 0)] = j + 1
        stopped = info == j + 1
        L[stopped, j, j] = pivot[stopped]
        going = info == 0
        L[going, j:, j] = column[going] / np.sqrt(pivot[going, None])
    return L.reshape(A.shape), info.reshape(A.shape[:-2])
