"""QR: A = Q R, Q with orthonormal columns, R upper triangular, by Householder reflections (LAPACK's geqrf).

The rules. Q^T dQ = W is skew (W = -W^T), since Q^T Q stays I. Multiplying dA = dQ R + Q dR by Q^T and by R^-1 from the
right, W is what is strictly below the diagonal of Q^T dA R^-1, minus its transpose; dR = Q^T dA - W R.

J. Walter and K. Lehmann, "Algorithmic Differentiation of Linear Algebra Functions with Application in Optimum
Experimental Design", 2010 (m >= n); D. Roberts and L. Roberts, "QR and LQ Decomposition Matrix Backpropagation
Algorithms for Square, Wide, and Deep Matrices and Their Software Implementation", 2020 (m < n).
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor
from .join import cat
from .matrices import check_floating, check_implemented, check_matrix
from .triangular import solve_either_side


def _qr_gradient(g, z, size, mode):
    m, n = size[-2:]
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
    if mode == "complete" and m > n:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    (gQ, gR), (Q, R) = g, z
    if m >= n:
        # gA = (gQ + Q sym(M)) R^-T,  M = gR R^T - Q^T gQ,  sym(M) = triu(M) + triu(M, 1)^T
        inner = gR @ R.mT - Q.mT @ gQ
        inner = inner.triu() + inner.triu(1).mT
        return solve_either_side(R.mT, gQ + Q @ inner, upper=False, left=False)
    # gA = Q (gR + [tril(M - M^T, -1) R1^-T  0]),  M = Q^T gQ - gR R^T,  R = [R1  R2]
    inner = Q.mT @ gQ - gR @ R.mT
    turned = solve_either_side(R[..., :m].mT, (inner - inner.mT).tril(-1), upper=False, left=False)
    return Q @ cat((gR[..., :m] + turned, gR[..., m:]), -1)


@op(GENERAL, dtype=SAME, vjp=dict(A=_qr_gradient), backward_name="LinalgQrBackward0")
def orthogonal_triangular(A, *, mode):
    """(Q, R) with A = Q R: "reduced", "complete", or "r" with an empty Q"""
    if mode == "r":
        return np.empty(0, A.dtype), np.linalg.qr(A, "r")
    Q, R = np.linalg.qr(A, mode)
    return Q, R


def _qr(A: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    check_matrix("linalg.qr", A)
    check_floating("linalg.qr", A)
    check_implemented("geqrf_cpu", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return orthogonal_triangular(A, mode=mode)


@function(torch="linalg.qr")
def linalg_qr(A: Tensor, mode: str = "reduced"):
    """(Q, R) with A = Q R, for matrices (..., m, n), k = min(m, n).

    mode: "reduced": Q (..., m, k), R (..., k, n). "complete": Q (..., m, m), R (..., m, n). "r": only R, Q empty.
    """
    return results.linalg_qr(*_qr(A, mode))


@function(torch="qr")
def qr(input: Tensor, some: bool = True):
    """(Q, R) with input = Q R; `some`: reduced, else complete; see linalg.qr."""
    return results.qr(*_qr(input, "reduced" if some else "complete"))


@op(GENERAL, dtype=SAME, backward_name="GeqrfBackward0")
def householder_vectors(input):
    """(a, tau) as LAPACK's geqrf: R on and above the diagonal of `a`, the vectors v_i below, and their factors"""
    reflectors, tau = np.linalg.qr(input, "raw")
    return np.ascontiguousarray(reflectors.swapaxes(-1, -2)), tau


@function(torch="geqrf")
def geqrf(input: Tensor):
    """(a, tau): R in the upper triangle of `a`, below it the Householder vectors v_i, whose factors are tau_i.

    Q is the product of I - tau_i v_i v_i^T, v_i having zeros above place i and a one there. It has no derivative.
    """
    check_matrix("torch.geqrf", input, "input")
    check_implemented("geqrf_cpu", input)
    return results.geqrf(*householder_vectors(input))
