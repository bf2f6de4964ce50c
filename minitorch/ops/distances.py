"""All distances between the rows of two matrices."""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, SAME, function, op
from ..core.promote import check_tensor
from ..core.tensor import Tensor, wrap
from ..dtypes import FLOATING
from .matrices import broadcast_batches, scalar_type
from .norms import vector_norm


def _toward(g: Tensor, x1: Tensor, x2: Tensor, z: Tensor) -> Tensor:
    """sum_j g_ij (x1_i - x2_j) / z_ij, the terms with z_ij = 0 left out"""
    ratio = (g / z).masked_fill(z == 0, 0)
    return x1 * ratio.sum(-1, keepdim=True) - ratio @ x2


def _tangent(t: Tensor, x1: Tensor, x2: Tensor, z: Tensor) -> Tensor:
    """t_i . (x1_i - x2_j) / z_ij"""
    along = (t * x1).sum(-1, keepdim=True) - t @ x2.mT
    return (along / z).masked_fill(z == 0, 0)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        x1=lambda g, x1, x2, z: _toward(g, x1, x2, z),
        x2=lambda g, x1, x2, z: _toward(g.mT, x2, x1, z.mT),
    ),
    jvp=dict(
        x1=lambda t, x1, x2, z: _tangent(t, x1, x2, z),
        x2=lambda t, x1, x2, z: _tangent(t, x2, x1, z.mT).mT,
    ),
    backward_name="EuclideanDistBackward0",
)
def euclidean_distances(x1, x2):
    """z_ij = |x1_i - x2_j| = (|x1_i|^2 - 2 x1_i . x2_j + |x2_j|^2)^(1/2): one matrix product, exact to about eps^(1/2)
    where two rows are near each other"""
    norm1, norm2 = (np.square(x).sum(-1, keepdims=True) for x in (x1, x2))
    left = np.concatenate((-2 * x1, norm1, np.ones_like(norm1)), -1)
    right = np.concatenate((x2, np.ones_like(norm2), norm2), -1)
    return np.sqrt(np.maximum(left @ right.swapaxes(-1, -2), 0))


# Above so many rows on either side a product is faster than all the differences.
_FEW = 25
_MODES = {
    "use_mm_for_euclid_dist_if_necessary": lambda rows: rows > _FEW,
    "use_mm_for_euclid_dist": lambda rows: True,
    "donot_use_mm_for_euclid_dist": lambda rows: False,
}


@function(torch="cdist")
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:  # fmt: skip
    """The p-norm distances between the rows of x1: (..., n, m) and those of x2: (..., r, m): (..., n, r).

    compute_mode: whether Euclidean distances are taken from one matrix product (fast, less exact for near rows), which
    by default they are for more than 25 rows.
    """
    check_tensor("cdist", "x1", x1)
    check_tensor("cdist", "x2", x2)
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for i, x in enumerate((x1, x2), 1):
        if x.array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i} got: {x.array.ndim}D")
    if x1.array.shape[-1] != x2.array.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.array.shape[-1]} X2: {x2.array.shape[-1]}"
        )
    for i, x in enumerate((x1, x2), 1):
        if x.dtype.category != FLOATING:
            raise RuntimeError(f"cdist only supports floating-point dtypes, X{i} got: {scalar_type(x)}")
        if x.array.dtype.itemsize < 4:
            raise NotImplementedError(f"\"cdist\" not implemented for '{scalar_type(x)}'")
    if x1.array.dtype != x2.array.dtype:
        raise RuntimeError(f"cdist: expected scalar type {scalar_type(x1)} but found {scalar_type(x2)}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    x1, x2 = broadcast_batches(x1, x2)
    rows = max(x1.array.shape[-2], x2.array.shape[-2])
    if not x1.array.shape[-1]:
        return wrap(np.zeros((*x1.array.shape[:-1], x2.array.shape[-2]), x1.array.dtype))
    if p == 2 and _MODES[compute_mode](rows):
        return euclidean_distances(x1, x2)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)
