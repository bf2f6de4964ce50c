"""Losses on probabilities and on labels of two kinds."""

from __future__ import annotations

import warnings

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, PROMOTE, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import broadcast_shapes
from .convert import cast
from .loss import check_floating, per_element, reduced, reduced_array, reduction_of
from .reduce import sum
from .transcendental import sigmoid, xlogy

# Binary cross-entropy of probabilities.


def _times(slope, weight):
    return slope if weight is None else slope * weight


def _bce_input(g, input, target, weight, size, reduction):
    slope = (input - target) / ((1 - input) * input).clamp(min=1e-12)
    return per_element(g, size, reduction) * _times(slope, weight)


def _bce_target(g, input, weight, size, reduction):
    return per_element(g, size, reduction) * _times((1 - input).log() - input.log(), weight)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(input=_bce_input, target=_bce_target),
    backward_name="BinaryCrossEntropyBackward0",
)
def bce(input, target, weight=None, *, reduction):
    """z = -w (y ln x + (1 - y) ln(1 - x)), the logarithms bounded below by -100"""
    with np.errstate(divide="ignore"):
        loss = (target - 1) * np.maximum(np.log1p(-input), -100) - target * np.maximum(np.log(input), -100)
    return reduced_array(loss if weight is None else loss * weight, reduction)


@function(torch="nn.functional.binary_cross_entropy")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """-w (y ln x + (1 - y) ln(1 - x)) for probabilities x (input) and y (target).

    ValueError for differing shapes, RuntimeError for an input outside [0, 1].
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if target.array.shape != input.array.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    check_floating("binary_cross_entropy", input)
    check_floating("binary_cross_entropy", target, RuntimeError)
    if weight is not None:
        shape = broadcast_shapes(target.array.shape, weight.array.shape)
        if shape != input.array.shape:
            raise RuntimeError(
                f"binary_cross_entropy(): output with shape {list(input.shape)} doesn't match the broadcast shape "
                f"{list(shape)} of the weight"
            )
        weight = weight.expand(shape)
    probabilities = numbers(input.array)
    if probabilities.size and not (
        np.minimum.reduce(probabilities, None) >= 0 and np.maximum.reduce(probabilities, None) <= 1
    ):
        raise RuntimeError("binary_cross_entropy(): all elements of input should be between 0 and 1")
    return bce(input, target, weight, reduction=reduction)


# Of logits.


def _log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def _logits_input(g, input, target, weight, pos_weight, size, reduction):
    if pos_weight is None:
        slope = sigmoid(input) - target
    else:
        slope = 1 - target - ((pos_weight - 1) * target + 1) * sigmoid(-input)
    return per_element(g, size, reduction) * _times(slope, weight)


def _logits_target(g, input, weight, pos_weight, size, reduction):
    slope = -input if pos_weight is None else -input - (pos_weight - 1) * sigmoid(input).log()
    return per_element(g, size, reduction) * _times(slope, weight)


@op(
    GENERAL,
    dtype=PROMOTE,
    vjp=dict(input=_logits_input, target=_logits_target),
    backward_name="BinaryCrossEntropyWithLogitsBackward0",
)
def bce_with_logits(input, target, weight=None, pos_weight=None, *, reduction):
    """z = w ((1 - y) x - l ln sigmoid(x)), l = 1 + (pos_weight - 1) y: no exponential overflows"""
    log_sigmoid = _log_sigmoid(input)
    if pos_weight is not None:
        log_sigmoid = log_sigmoid * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_sigmoid
    return reduced_array(loss if weight is None else loss * weight, reduction)


@function(torch=("nn.functional.binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits"))
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), computed without overflow. ValueError for differing shapes.

    weight: a factor for each element (broadcast). pos_weight: a factor for the positive part, one per class.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if target.array.shape != input.array.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    check_floating("binary_cross_entropy_with_logits", input)
    check_floating("binary_cross_entropy_with_logits", target, RuntimeError)
    loss = bce_with_logits(input, target, weight, pos_weight, reduction=reduction)
    # The target's floating type decides, as in torch, which writes into 1 - target.
    other = target.array.dtype != loss.array.dtype and target.is_floating_point()
    return cast(loss, dtype=target.array.dtype) if other else loss


def _soft_margin_slope(g, input, target, size, reduction):
    return per_element(g, size, reduction) * -target * sigmoid(-target * input)


@op(GENERAL, dtype=PROMOTE, vjp=dict(input=_soft_margin_slope), backward_name="SoftMarginLossBackward0")
def soft_margin(input, target, *, reduction):
    """z = ln(1 + e^(-y x))"""
    return reduced_array(-_log_sigmoid(target * input), reduction)


@function(torch="nn.functional.soft_margin_loss")
def soft_margin_loss(input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean") -> Tensor:
    """ln(1 + e^(-y x)) for labels y (target) that are 1 or -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    check_floating("soft_margin_loss", input, RuntimeError)
    if input.array.shape != target.array.shape:
        shape = broadcast_shapes(input.array.shape, target.array.shape)
        if shape != input.array.shape:
            raise RuntimeError(
                f"soft_margin_loss(): output with shape {list(input.shape)} doesn't match the broadcast shape {list(shape)}"
            )
        target = target.expand(shape)
    loss = soft_margin(input, target, reduction=reduction)
    return loss if loss.array.dtype == input.array.dtype else cast(loss, dtype=input.array.dtype)


@function(torch="nn.functional.multilabel_soft_margin_loss")
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the C classes (last dimension) of each label's binary cross-entropy with logits. target: 0 or 1."""
    reduction = reduction_of(reduction, size_average, reduce)
    check_floating("multilabel_soft_margin_loss", input)
    loss = bce_with_logits(input, target, weight, reduction="none")
    classes = input.array.ndim - 1
    return reduced(sum(loss, classes) / input.array.shape[classes], reduction)


@function(torch="nn.functional.kl_div")
def kl_div(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """The Kullback-Leibler divergence: t (ln t - input) for each target probability t, `input` being a log-probability.

    log_target: the target is given as a logarithm too. reduction "batchmean": the sum divided by input.shape[0].
    """
    for tensor in (input, target):
        check_floating("kl_div", tensor, RuntimeError)
    by_batch = reduction == "batchmean"
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    reduction = reduction_of("sum" if by_batch else reduction, size_average, reduce)
    loss = target.exp() * (target - input) if log_target else xlogy(target, target) - target * input
    loss = reduced(loss, reduction)
    return loss / input.array.shape[0] if by_batch and input.array.ndim else loss
