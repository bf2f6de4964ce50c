"""Losses on numbers: squared, absolute and in between, and the likelihoods of Poisson and Gauss."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, PROMOTE, function, op
from ..core.tensor import Tensor
from ..shapes import broadcast_shapes
from .activation import clipped
from .convert import cast
from .loss import check_floating, per_element, reduced, reduced_array, reduction_of
from .norms import at_least
from .reduce import sum


def _paired(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in their common shape, with torch's warning where they differ."""
    shape = input.array.shape
    if shape == target.array.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    common = broadcast_shapes(shape, target.array.shape)
    return input.expand(common), target.expand(common)


def _check_weight(weight: Tensor, input: Tensor) -> None:
    if weight.array.shape != input.array.shape:
        raise ValueError(f"Weights and input must have the same size: {list(weight.shape)}, {list(input.shape)}.")


def _weighted_mean(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" else reduced(loss, reduction)


def _mse_slope(g, input, target, size, reduction):
    return (input - target) * (per_element(g, size, reduction) * 2)


@op(
    GENERAL,
    dtype=PROMOTE,
    vjp=dict(
        input=_mse_slope,
        target=lambda g, input, target, size, reduction: _mse_slope(g, target, input, size, reduction),
    ),
    backward_name="MseLossBackward0",
)
def mse(input, target, *, reduction):
    """z = (input - target)^2, each, their mean, or their sum"""
    difference = np.subtract(input, target)
    return reduced_array(np.multiply(difference, difference), reduction)


@function(torch="nn.functional.mse_loss")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared error (input - target)^2. weight: a factor for each; the mean is divided by their sum."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _paired(input, target)
    if target.array.dtype.kind in "iub":
        check_floating("mse_loss", input)
    if weight is None:
        return mse(input, target, reduction=reduction)
    _check_weight(weight, input)
    return _weighted_mean(mse(input, target, reduction="none"), weight, reduction)


@function(torch="nn.functional.l1_loss")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average=None,
    reduce=None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute error |input - target|. weight: a factor for each; the mean is divided by their sum."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _paired(input, target)
    loss = (input - target).abs()
    if weight is None:
        return reduced(loss, reduction)
    _check_weight(weight, input)
    return _weighted_mean(loss, weight, reduction)


def _smooth_l1_slope(g, input, target, size, reduction, beta):
    return per_element(g, size, reduction) * clipped((input - target) / beta, low=-1, high=1)


@op(
    GENERAL,
    dtype=PROMOTE,
    vjp=dict(
        input=_smooth_l1_slope,
        target=lambda g, input, target, size, reduction, beta: (
            -_smooth_l1_slope(g, input, target, size, reduction, beta)
        ),
    ),
    backward_name="SmoothL1LossBackward0",
)
def smooth_l1(input, target, *, reduction, beta):
    """z = d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere; d = input - target"""
    distance = np.abs(input - target)
    near = distance * distance * (0.5 / beta)
    return reduced_array(np.where(distance < beta, near, distance - 0.5 * beta), reduction)


@function(torch="nn.functional.smooth_l1_loss")
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Squared below `beta`, absolute above (Girshick 2015, "Fast R-CNN"); l1_loss for beta 0."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _paired(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    if target.array.dtype.kind in "iub":
        check_floating("smooth_l1_loss", input)
    return smooth_l1(input, target, reduction=reduction, beta=beta)


def _huber_slope(g, input, target, size, reduction, delta):
    return per_element(g, size, reduction) * (input - target).clamp(-delta, delta)


@op(
    GENERAL,
    dtype=PROMOTE,
    vjp=dict(
        input=_huber_slope,
        target=lambda g, input, target, size, reduction, delta: -_huber_slope(g, input, target, size, reduction, delta),
    ),
    backward_name="HuberLossBackward0",
)
def huber(input, target, *, reduction, delta):
    """z = d^2 / 2 where |d| <= delta, delta (|d| - delta / 2) elsewhere; d = input - target"""
    distance = np.abs(input - target)
    return reduced_array(
        np.where(distance <= delta, distance * distance * 0.5, delta * (distance - 0.5 * delta)), reduction
    )


@function(torch="nn.functional.huber_loss")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared below `delta`, linear above (Huber 1964). weight: a factor for each element."""
    reduction = reduction_of(reduction)
    input, target = _paired(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    check_floating("huber_loss", input)
    if weight is None:
        loss = huber(input, target, reduction=reduction, delta=delta)
        return loss if loss.array.dtype == input.array.dtype else cast(loss, dtype=input.array.dtype)
    _check_weight(weight, input)
    return reduced(huber(input, target, reduction="none", delta=delta) * weight, reduction)


@function(torch="nn.functional.poisson_nll_loss")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average=None,
    eps: float = 1e-8,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts `target` under Poisson's law of mean `input` (or e^input, log_input).

    full: with Stirling's approximation of ln(target!), for targets above 1.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


@function(torch="nn.functional.gaussian_nll_loss")
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of `target` under Gauss's law of mean `input` and variance `var` (at least eps).

    var: as `input`, or with one dimension missing at the end or of size 1. full: with the constant ln(2 pi) / 2.
    ValueError for a negative variance or one that does not fit.
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = (input * 0 + var).detach()
    elif (numbers(var.array) < 0).any():
        raise ValueError("var has negative entry/entries")
    check_floating("gaussian_nll_loss", var, RuntimeError)
    shape = input.array.shape
    if var.array.shape != shape:
        if shape[:-1] == var.array.shape:
            var = var.unsqueeze(-1)
        elif not (
            len(shape) == var.array.ndim and [m for n, m in zip(shape, var.array.shape, strict=True) if n != m] == [1]
        ):
            raise ValueError(f"var is of incorrect size: {list(var.shape)} for an input of {list(shape)}")
    reduction = reduction_of(reduction)
    var = at_least(var, bound=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)
