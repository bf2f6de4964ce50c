"""Ready-made parametrisations: orthogonal, weight_norm, spectral_norm."""

from __future__ import annotations

import numpy as np

from ...core.op import PUBLIC
from ...core.state import no_grad
from ...core.tensor import Tensor, wrap
from ...dtypes import finfo
from ...ops.creation import eye, zeros_like
from ...ops.join import cat
from ...ops.random import randn
from .. import functional as F
from ..modules.conv import _ConvTransposeNd
from ..modules.module import Module
from . import parametrize
from .spectral_norm import as_matrix
from .weight_norm import norm_except_dim

_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    gap = (q.mT @ q - eye(k, dtype=q.dtype)).abs().max()
    return bool(gap <= 10.0 * n * finfo(q.dtype).eps)


def _make_orthogonal(a: Tensor) -> Tensor:
    """The orthogonal factor of a QR decomposition whose R has a positive diagonal."""
    q, r = np.linalg.qr(a.array)
    return wrap(q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :])


class _Orthogonal(Module):
    """Maps any matrix to one with orthonormal columns (or rows, if it is wide). Lezcano-Casado (2019).

    "matrix_exp": Q = exp(A), "cayley": Q = (I + A/2)(I - A/2)^-1, A = X - X^T made of the lower triangle of X;
    "householder": a product of reflections I - tau v v^T, their vectors the columns below the diagonal of X.
    With `base` (use_trivialization) the result is base @ Q, and assigning a matrix sets base to it and X so that Q = I.
    """

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.size(-2) < X.size(-1)
        if wide:
            X = X.mT
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            q = _reflections(X)
        else:
            X = X.tril()
            if n != k:
                X = cat([X, X.new_zeros((*X.shape[:-2], n, n - k))], -1)
            A = X - X.mT
            if self.orthogonal_map == "matrix_exp":
                q = PUBLIC["matrix_exp"](A)
            else:
                identity = eye(n, dtype=A.dtype)
                q = PUBLIC["linalg.solve"](identity - 0.5 * A, identity + 0.5 * A)
            if n != k:
                q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        if not hasattr(self, "base"):
            raise NotImplementedError(
                "It is not possible to assign to an orthogonal parametrization when use_trivialization=False."
            )
        minus_identity = zeros_like(Q)
        minus_identity.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        if Q.size(-2) < Q.size(-1):
            Q = Q.mT
        n, k = Q.shape[-2:]
        if n != k:
            # The columns that are missing do not matter, as long as all are orthonormal.
            Q = _make_orthogonal(cat([Q, randn((*Q.shape[:-2], n, n - k), dtype=Q.dtype)], -1))
        else:
            Q = Q.clone() if _is_orthogonal(Q) else _make_orthogonal(Q)
        self.base = Q
        # Each map takes this to the identity: A = 0, and the signs of the diagonal are the householder map's.
        return minus_identity


def _reflections(X: Tensor) -> Tensor:
    """The first columns of H_1 H_2 ... H_k, times the integer part of the diagonal of X.

    H_i = I - tau_i v_i v_i^T, v_i the unit diagonal and what stands below it in column i, tau_i = 2 / |v_i|^2.
    """
    n, k = X.shape[-2:]
    below = X.tril(-1)
    vectors = below + eye(n, k, dtype=X.dtype)
    tau = 2.0 / (1.0 + (below * below).sum(-2))
    q = eye(n, k, dtype=X.dtype).expand(*X.shape[:-2], n, k)
    for i in range(k - 1, -1, -1):
        v = vectors[..., i : i + 1]
        q = q - tau[..., i, None, None] * (v @ (v.mT @ q))
    return q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix orthogonal (its rows or columns orthonormal). orthogonal_map: see `_Orthogonal`."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.size(-2) == weight.size(-1) else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    function = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, function, unsafe=True)


class _WeightNorm(Module):
    """w = g v / ||v||."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


class _ReadOldNames:
    """The load hook that accepts `weight_g` and `weight_v`, the names of the hook-based weight_norm."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, state_dict, prefix: str, *args) -> None:
        old = [f"{prefix}{self.name}_g", f"{prefix}{self.name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{self.name}.original{i}"] = state_dict.pop(key)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train size and direction of a weight apart: w = g v / ||v||, each slice along dim. Salimans, Kingma (2016)."""
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module._register_load_state_dict_pre_hook(_ReadOldNames(name))
    return module


class _SpectralNorm(Module):
    """w / sigma(w), sigma by power iteration (one round of n_power_iterations in each use during training)."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            height, width = matrix.shape
            u, v = matrix.new_empty(height).normal_(0, 1), matrix.new_empty(width).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            # Enough rounds that sigma is close from the start.
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Tensor, rounds: int) -> None:
        for _ in range(rounds):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # The graph keeps these values; the buffers change at the next use.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value. dim: the output dimension (1 for transposed convolutions).

    Miyato et al. (2018).
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, _ConvTransposeNd) else 0
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
