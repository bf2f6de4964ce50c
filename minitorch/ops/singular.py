"""Singular values and their derivatives.

A = U diag(s) V'. When A moves by dA, s_i moves by u_i' dA v_i (M. Giles, "Collected matrix derivative results for
forward and reverse mode AD", 2008, section 3.4), so the gradient of s with cotangent g is U diag(g) V'.
"""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..dtypes import FLOATING


def _svd_rule(g, z):
    """With E_jk = s_k^2 - s_j^2 off the diagonal and skew(X) = X - X', the gradient of A is

    U [(skew(U' gU) / E) S + S (skew(V' gV) / E) + diag(gs)] V'  +  (I - UU') gU S^-1 V'  +  U S^-1 gV' (I - VV').
    """
    (gu, gs, gvh), (u, s, vh) = g, z
    v, gv, column, row = vh.mT, gvh.mT, s.unsqueeze(-1), s.unsqueeze(-2)
    identity = wrap(np.eye(s.array.shape[-1], dtype=s.array.dtype))
    differences = row * row - column * column + identity
    turn_u, turn_v = u.mT @ gu, v.mT @ gv
    core = (turn_u - turn_u.mT) / differences * row + column * ((turn_v - turn_v.mT) / differences)
    gradient = u @ (core + identity * gs.unsqueeze(-1)) @ vh
    if u.array.shape[-2] > u.array.shape[-1]:
        gradient = gradient + (gu - u @ turn_u) / row @ vh
    if vh.array.shape[-1] > vh.array.shape[-2]:
        gradient = gradient + u @ ((gvh - turn_v.mT @ vh) / column)
    return gradient


@op(GENERAL, dtype=SAME, vjp=dict(A=_svd_rule), backward_name="LinalgSvdBackward0")
def thin_svd(A):
    """U, s, V' with A = U diag(s) V' and min(m, n) singular values"""
    u, s, vh = np.linalg.svd(A, full_matrices=False)
    return u, s, vh


def _recomposed(g, A):
    u, _, vh = thin_svd(A)
    return (u * g.unsqueeze(-2)) @ vh


def _along(t, A):
    u, _, vh = thin_svd(A)
    return ((u.mT @ t) * vh).sum(-1)


@op(GENERAL, dtype=SAME, vjp=dict(A=_recomposed), jvp=dict(A=_along), backward_name="LinalgSvdBackward0")
def singular_values(A):
    """s, in descending order: (..., m, n) to (..., min(m, n))"""
    return np.linalg.svd(A, compute_uv=False)


@function(torch="linalg.svdvals")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices (..., m, n), in descending order. RuntimeError for fewer than two dimensions.

    `driver` chooses a CUDA routine in torch and must be None here.
    """
    if A.dtype.category != FLOATING:
        raise RuntimeError(f"linalg.svd: Expected a floating point tensor as input. Got {A.dtype}")
    if A.array.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: The input tensor A must have at least 2 dimensions, got shape {list(A.shape)}."
        )
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER"
        )
    return singular_values(A)
