"""Losses that want a margin: between inputs, between classes, between a pair and another pair."""

from __future__ import annotations

import numpy as np

from ..core.levels import per_example
from ..core.lifted import numbers
from ..core.op import function
from ..core.tensor import Tensor, wrap
from .comparison import eq, minimum, where
from .loss import check_floating, reduced, reduction_of
from .norms import pairwise_distance
from .pick import pick
from .reduce import sum


def _positive(z: Tensor) -> Tensor:
    """max(z, 0), with gradient 0 at 0."""
    return z.masked_fill(z <= 0, 0)


@function(torch=("nn.functional.margin_ranking_loss", "margin_ranking_loss"))
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y (x1 - x2) + margin) for labels y (target): 1 when x1 should rank higher, -1 when x2 should."""
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1.array.ndim == input2.array.ndim == target.array.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape}, input2: {input2.shape}, target: {target.shape}"
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


@function(torch=("nn.functional.hinge_embedding_loss", "hinge_embedding_loss"))
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """x where the label y (target) is 1, max(0, margin - x) where it is -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    loss = where(target != 1, (margin - input).clamp(min=0), 0.0) + where(target != -1, input, 0.0)
    return reduced(loss, reduction)


@function(torch=("nn.functional.cosine_embedding_loss", "cosine_embedding_loss"))
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where the label y (target) is 1, max(0, cos(x1, x2) - margin) where it is -1.

    input1, input2: (N, D) with target (N), or (D) with target ().
    """
    reduction = reduction_of(reduction, size_average, reduce)
    dim = target.array.ndim
    if dim > 1:
        raise RuntimeError("cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported")
    if input1.array.ndim != dim + 1 or input2.array.ndim != dim + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: a {dim}D target tensor expects {dim + 1}D input tensors, but found inputs with "
            f"sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    square1, square2 = sum(input1 * input1, dim) + 1e-12, sum(input2 * input2, dim) + 1e-12
    cosine = sum(input1 * input2, dim) / (square1 * square2).sqrt()
    loss = where(target == 1, 1 - cosine, 0.0) + where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduced(loss, reduction)


def _by_sample(name: str, input: Tensor, target: Tensor, target_dims: int) -> tuple[Tensor, Tensor]:
    """input as (N, C), target with its own (N, ...): RuntimeError where they do not fit."""
    x, y = input.array.shape, target.array.shape
    fits = (
        x[:-1] + x[-1:] * (target_dims - 1) == y
        or (not x and y == (1,))
        or (len(x) < 2 and target_dims == 1 and y == (1,))
    )
    if len(x) > 2 or 0 in x[-1:] or not fits:
        raise RuntimeError(f"{name}(): inconsistent target size: {list(y)} for an input of size {list(x)}")
    check_floating(name, input)
    if target.array.dtype != np.int64:
        raise RuntimeError(f"{name}(): expected scalar type Long but found {target.dtype} for the target")
    if len(x) < 2:
        return input.reshape(1, -1), target.reshape(1, -1) if target_dims == 2 else target.reshape(1)
    return input, target


@function(torch="nn.functional.multi_margin_loss")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """sum over classes j != y of max(0, margin - x[y] + x[j])^p w[y] / C. input (N, C) or (C), target (N) or ()."""
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.array.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    x, y = _by_sample("multi_margin_loss", input, target, 1)
    classes = x.array.shape[1]
    if weight is not None and weight.array.shape[0] != classes:
        raise RuntimeError(
            f"multi_margin_loss(): inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    labels = numbers(y.array)
    if ((labels < 0) | (labels >= classes)).any():
        raise RuntimeError(f"multi_margin_loss(): target out of range for {classes} classes")
    column = y.reshape(-1, 1)
    short = _positive(margin - pick(x, column, dim=1, keepdim=True) + x)
    short = short if p == 1 else short * short
    if weight is not None:
        short = short * weight[column]
    loss = sum(short.masked_fill(eq(wrap(np.arange(classes)), column), 0), 1) / classes
    return reduced(loss if input.array.ndim == 2 else loss.reshape(()), reduction)


@function(torch="nn.functional.multilabel_margin_loss")
@per_example
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean"
) -> Tensor:
    """sum over labels y and classes j that are none of max(0, 1 - x[y] + x[j]) / C.

    input (N, C) or (C); target of the same shape: the labels of each sample first, then -1.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x, y = _by_sample("multilabel_margin_loss", input, target, 2)
    classes = x.array.shape[1]
    labels = numbers(y.array)
    if ((labels < -1) | (labels >= classes)).any():
        raise RuntimeError(f"multilabel_margin_loss(): target out of range for {classes} classes")
    given = np.logical_and.accumulate(y.array >= 0, 1)
    index = np.where(given, y.array, 0)
    is_label = np.zeros(x.array.shape, np.bool_)
    np.logical_or.at(is_label, (np.arange(len(index))[:, None], index), given)
    scores = x.gather(1, wrap(index))
    short = _positive(1 - scores.unsqueeze(2) + x.unsqueeze(1))  # (N, labels, C)
    counted = given[:, :, None] & ~is_label[:, None, :]
    loss = sum(short.masked_fill(wrap(~counted), 0), (1, 2)) / classes
    return reduced(loss if input.array.ndim == 2 else loss.reshape(()), reduction)


# Triplets.


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")


def _check_triplet(anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    dims = anchor.array.ndim, positive.array.ndim, negative.array.ndim
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)


@function(torch=("nn.functional.triplet_margin_loss", "triplet_margin_loss"))
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)) with the p-norm as distance d.

    swap: the positive stands in for the anchor where it is nearer to the negative (Balntas et al. 2016).
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _check_margin(margin)
    _check_triplet(anchor, positive, negative)
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


@function(torch="nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function=None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of one's own (pairwise_distance for None)."""
    reduction = reduction_of(reduction)
    _check_margin(margin)
    _check_triplet(anchor, positive, negative)
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)
