"""Eigenvalues and eigenvectors of symmetric matrices: A = V diag(L) V^T.

    dL_i = v_i^T dA v_i        dV = V (F * (V^T dA V)),  F_ij = 1 / (L_j - L_i) off the diagonal

M. Giles, "Collected matrix derivative results for forward and reverse mode AD", 2008, section 3.1; M. Seeger et al.,
"Auto-Differentiating Linear Algebra", 2017. Eigenvectors are unique up to their sign (and not even that where
eigenvalues coincide): only functions that do not depend on it have a meaningful gradient.
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor
from .matrices import LinAlgError, check_implemented, check_square, identity, is_absent


def _eigh_gradient(g, z):
    """gA = V (diag(gL) + skew(V^T gV) * F / 2) V^T, skew(X) = X - X^T: symmetric, since A is"""
    (g_values, g_vectors), (values, V) = g, z
    if is_absent(g_vectors):
        return (V * g_values.unsqueeze(-2)) @ V.mT
    ones = identity(values, values.array.shape[-1])
    differences = values.unsqueeze(-2) - values.unsqueeze(-1) + ones
    turn = V.mT @ g_vectors
    core = (turn - turn.mT) / (differences * 2) + ones * g_values.unsqueeze(-1)
    return V @ core @ V.mT


def _solved(solver, A: np.ndarray, uplo: str):
    """LAPACK's answer; nan for matrices with a nan, on which it would not converge."""
    try:
        return solver(A, uplo)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.eigh: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
            f"repeated eigenvalues (shape {list(A.shape)})."
        ) from None


@op(GENERAL, dtype=SAME, vjp=dict(A=_eigh_gradient), backward_name="LinalgEighBackward0")
def symmetric_eigen(A, *, uplo):
    """(L, V) with A = V diag(L) V^T, L ascending, of which one triangle is read"""
    values, vectors = _solved(np.linalg.eigh, A, uplo)
    return values, vectors


def _recomposed(g, A, uplo):
    _, V = symmetric_eigen(A, uplo=uplo)
    return (V * g.unsqueeze(-2)) @ V.mT


def _along(t, A, uplo):
    _, V = symmetric_eigen(A, uplo=uplo)
    return (V * (t @ V)).sum(-2)


@op(GENERAL, dtype=SAME, vjp=dict(A=_recomposed), jvp=dict(A=_along), backward_name="LinalgEighBackward0")
def symmetric_eigenvalues(A, *, uplo):
    """L, ascending: (..., n, n) to (..., n)"""
    return _solved(np.linalg.eigvalsh, A, uplo)


def _triangle(UPLO: str) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@function(torch="linalg.eigh")
def eigh(A: Tensor, UPLO: str = "L"):
    """(eigenvalues, eigenvectors) of symmetric matrices (..., n, n): A = V diag(L) V^T, L ascending.

    UPLO: the triangle that is read, "L" or "U".
    """
    check_square("linalg.eigh", A)
    check_implemented("linalg_eigh_cpu", A)
    return results.linalg_eigh(*symmetric_eigen(A, uplo=_triangle(UPLO)))


@function(torch="linalg.eigvalsh")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices (..., n, n), ascending."""
    check_square("linalg.eigh", A)
    check_implemented("linalg_eigh_cpu", A)
    return symmetric_eigenvalues(A, uplo=_triangle(UPLO))
