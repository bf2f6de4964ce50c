"""Singular values and vectors, and their derivatives.

A = U diag(s) V'. When A moves by dA, s_i moves by u_i' dA v_i (M. Giles, "Collected matrix derivative results for
forward and reverse mode AD", 2008, section 3.4), so the gradient of s with cotangent g is U diag(g) V'.

Singular vectors are unique up to a common sign of u_i and v_i (and not even that where singular values coincide): only
functions that do not depend on it have a meaningful gradient.
"""

from __future__ import annotations

import numpy as np

from ..core import results
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from .matrices import LinAlgError, check_floating, check_implemented, check_info, check_matrix, identity, is_absent


def _svd_rule(g, z, A):
    """With E_jk = s_k^2 - s_j^2 off the diagonal and skew(X) = X - X', the gradient of A is

    U [(skew(U' gU) / E) S + S (skew(V' gV) / E) + diag(gs)] V'  +  (I - UU') gU S^-1 V'  +  U S^-1 gV' (I - VV').

    U and V are the vectors that belong to the min(m, n) singular values; any others do not pass on a gradient.
    """
    (gu, gs, gvh), (u, s, vh) = g, z
    k = s.array.shape[-1]
    u, vh, gu, gvh = u[..., :k], vh[..., :k, :], gu[..., :k], gvh[..., :k, :]
    column, row = s.unsqueeze(-1), s.unsqueeze(-2)
    ones = identity(s, k)
    differences = row * row - column * column + ones
    core, beyond = ones * gs.unsqueeze(-1), None
    if not is_absent(gu):
        turn = u.mT @ gu
        core = core + (turn - turn.mT) / differences * row
        if u.array.shape[-2] > k:
            beyond = (gu - u @ turn) / row @ vh
    if not is_absent(gvh):
        turn = vh @ gvh.mT
        core = core + column * ((turn - turn.mT) / differences)
        if vh.array.shape[-1] > k:
            beyond = u @ ((gvh - turn.mT @ vh) / column)
    gradient = u @ core @ vh
    return gradient if beyond is None else gradient + beyond


def decompose(A: np.ndarray, **options):
    """numpy.linalg.svd, with torch's error. LAPACK does not say which matrix failed: it is one that is not finite."""
    try:
        return np.linalg.svd(A, **options)
    except np.linalg.LinAlgError:
        info = ~np.isfinite(A).all((-2, -1))
        complaint = "The algorithm failed to converge because the input matrix contained non-finite values."
        check_info("linalg.svd", info, complaint)
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
            "repeated singular values."
        ) from None


@op(GENERAL, dtype=SAME, vjp=dict(A=_svd_rule), backward_name="LinalgSvdBackward0")
def singular_decomposition(A, *, full):
    """U, s, V' with A = U diag(s) V'; not `full`: only the vectors of the min(m, n) singular values"""
    u, s, vh = decompose(A, full_matrices=full)
    return u, s, vh


def thin_svd(A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return singular_decomposition(A, full=False)


def _recomposed(g, A):
    u, _, vh = thin_svd(A)
    return (u * g.unsqueeze(-2)) @ vh


def _along(t, A):
    u, _, vh = thin_svd(A)
    return ((u.mT @ t) * vh).sum(-1)


@op(GENERAL, dtype=SAME, vjp=dict(A=_recomposed), jvp=dict(A=_along), backward_name="LinalgSvdBackward0")
def singular_values(A):
    """s, in descending order: (..., m, n) to (..., min(m, n))"""
    return decompose(A, compute_uv=False)


def _check(A: Tensor, driver: str | None) -> None:
    check_matrix("linalg.svd", A)
    check_floating("linalg.svd", A)
    check_implemented("linalg_svd_cpu", A)
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@function(torch="linalg.svdvals")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices (..., m, n), in descending order. RuntimeError for fewer than two dimensions.

    `driver` chooses a CUDA routine in torch and must be None here.
    """
    _check(A, driver)
    return singular_values(A)


@function(torch="linalg.svd")
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None):
    """(U, S, Vh) with A = U diag(S) Vh; S in descending order, the columns of U and the rows of Vh orthonormal.

    A: (..., m, n); U: (..., m, m); S: (..., k), k = min(m, n); Vh: (..., n, n). Not `full_matrices`: U: (..., m, k),
    Vh: (..., k, n). LinAlgError for values that are not finite. `driver` must be None.
    """
    _check(A, driver)
    return results.linalg_svd(*singular_decomposition(A, full=bool(full_matrices)))


@function(torch="svd")
def svd(input: Tensor, some: bool = True, compute_uv: bool = True):
    """(U, S, V) with input = U diag(S) V^T; `some`: not the full matrices. Not `compute_uv`: zeros for U and V."""
    if input.array.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input.array.ndim} dimensions instead"
        )
    _check(input, None)
    if compute_uv:
        u, s, vh = singular_decomposition(input, full=not some)
        return results.svd(u, s, vh.mT)
    batch, (m, n) = input.array.shape[:-2], input.array.shape[-2:]
    u, v = (wrap(np.zeros((*batch, size, size), input.array.dtype)) for size in (m, n))
    return results.svd(u, singular_values(input), v)
