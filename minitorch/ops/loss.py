"""Losses on class labels: negative log-likelihood and cross-entropy; and how every loss is reduced.

input is (N, C), (C) or (N, C, d1, d2, ...), one score per class; target holds one class index for each of the rest:
(N), () or (N, d1, d2, ...).
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.op import GENERAL, LINEAR, SAME, function, op
from ..core.state import state, watched
from ..core.tensor import Tensor
from ..shapes import within
from .pick import on_lines
from .reduce import add_reduce, mean, sum
from .softmax import log_softmax, log_softmax_backward

# Reduction.


def reduction_of(reduction: str, size_average=None, reduce=None) -> str:
    """ "none", "mean" or "sum", also from the two older arguments. ValueError for anything else."""
    if size_average is not None or reduce is not None:
        average = size_average is None or size_average
        reduction = "none" if reduce is not None and not reduce else "mean" if average else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    elif reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss of each element, their mean, or their sum."""
    if reduction == "mean":
        return mean(loss)
    return sum(loss) if reduction == "sum" else loss


def reduced_array(loss: np.ndarray, reduction: str) -> np.ndarray:
    """`reduced` for kernels."""
    if reduction == "none":
        return loss
    total = add_reduce(loss, None)
    return total if reduction == "sum" else np.true_divide(total, loss.size, dtype=loss.dtype)


def per_element(g: Tensor, size, reduction: str) -> Tensor:
    """The gradient of the reduced loss as that of each of its terms (or one value that broadcasts to them)."""
    return g / math.prod(size) if reduction == "mean" else g


# Negative log-likelihood.


def _weights(target: np.ndarray, weight: np.ndarray | None, classes: int, ignore_index: int, dtype):
    """(classes to look up, weight of each target): the weight of one that is ignored is 0. IndexError out of range."""
    if (ignore_index < 0 or ignore_index >= classes) and within(target, classes):  # the common case: nothing is ignored
        return target, None if weight is None else weight[target]
    counted = target != ignore_index
    every = bool(counted.all())
    index = target if every else np.where(counted, target, 0)
    if not within(index, classes):
        wrong = index[(index < 0) | (index >= classes)].flat[0]
        raise IndexError(f"Target {wrong} is out of bounds for {classes} classes.")
    if weight is None:
        return index, None if every else counted.astype(dtype)
    return index, weight[index] if every else np.where(counted, weight[index], 0).astype(dtype)


def _batched(target: np.ndarray, ndim: int) -> np.ndarray:
    """The target with the class dimension put in, and a batch dimension if the input has none."""
    return target.reshape(1, 1) if ndim == 1 else target[:, None].astype(np.intp, copy=False)


def _total(weights, target: np.ndarray, dtype):
    return dtype.type(target.size) if weights is None else add_reduce(weights, None)


def _nll_gradient(g, target, weight, size, ignore_index, reduction):
    return nll_loss_backward(g, target, weight, size=size, ignore_index=ignore_index, reduction=reduction)


@op(LINEAR, dtype=SAME, vjp=dict(input=_nll_gradient), backward_name="NllLossBackward0")
def nll_loss(input, target, weight=None, *, ignore_index, reduction):
    """z = -w[y] x[y] for each target y; their sum; or their sum / sum of the w[y]"""
    x = input.reshape(1, -1) if input.ndim == 1 else input
    index, weights = _weights(_batched(target, input.ndim), weight, x.shape[1], ignore_index, input.dtype)
    loss = -x[on_lines(index, 1)]
    if weights is not None:
        loss = np.where(weights == 0, 0, loss * weights).astype(input.dtype, copy=False)
    if reduction == "none":
        return loss.reshape(target.shape)
    total = add_reduce(loss, None)
    return total if reduction == "sum" else total / _total(weights, target, input.dtype)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        grad=lambda g, target, weight, ignore_index, reduction: nll_loss(
            g, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    ),
    backward_name="NllLossBackwardBackward0",
)
def nll_loss_backward(grad, target, weight=None, *, size, ignore_index, reduction):
    """x'[y] = -w[y] g, zero elsewhere; for the mean divided by the sum of the w[y]"""
    out = np.zeros((1, *size) if len(size) == 1 else size, grad.dtype)
    index, weights = _weights(_batched(target, len(size)), weight, out.shape[1], ignore_index, grad.dtype)
    values = -grad if reduction != "none" else -grad.reshape(index.shape)
    if weights is not None:
        values = values * weights
    if reduction == "mean":
        values = values / _total(weights, target, grad.dtype)
        if weights is not None:
            # 0 / 0 where every target is ignored: the mean is nan, but nothing depends on the input.
            values = np.where(_batched(target, len(size)) == ignore_index, 0, values)
    out[on_lines(index, 1)] = values
    return out.reshape(size)


def check_floating(name: str, x: Tensor, error: type[Exception] = NotImplementedError) -> None:
    """Refuses integers and bools, with the class of error that torch has for the loss."""
    if x.array.dtype.kind in "iub":
        raise error(f"{name}(): not implemented for {x.dtype} (shape {list(x.shape)})")


def _check_target(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    x, y = input.array.shape, target.array.shape
    if not x:
        raise ValueError(f"{name}(): Expected 1 or more dimensions (got 0)")
    if len(x) > 1 and (not y or x[0] != y[0]):
        raise ValueError(
            f"{name}(): Expected input batch_size ({x[0]}) to match target batch_size ({y[0] if y else 'none'}), "
            f"for shapes {list(x)} and {list(y)}."
        )
    if (x[:1] + x[2:] if len(x) > 1 else ()) != y and not (len(x) == 1 and y == (1,)):
        raise RuntimeError(f"{name}(): Expected target size {[*x[:1], *x[2:]]}, got {list(y)} for input {list(x)}")
    if target.array.dtype != np.int64 and target.array.dtype != np.uint8:
        raise RuntimeError(f"{name}(): expected scalar type Long but found {target.dtype} for the target")
    classes = x[1] if len(x) > 1 else x[0]
    if weight is not None and weight.array.shape != (classes,):
        raise RuntimeError(
            f"{name}(): weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {list(weight.array.shape)}"
        )


@function(torch=("nn.functional.nll_loss", "nll_loss"))
def nll_loss_function(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood loss of log-probabilities `input`: -w[y] input[y], over targets y != ignore_index.

    weight: (C), a factor for each class; the mean is divided by the weights of the targets.
    ValueError or RuntimeError for shapes that do not fit, IndexError for a target that is no class.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _check_target("nll_loss", input, target, weight)
    check_floating("nll_loss", input)
    return nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


# Cross-entropy.


def _class_weights(weight: Tensor, ndim: int) -> Tensor:
    """(C) shaped to multiply the class dimension of the input."""
    return weight if ndim == 1 else weight.reshape([-1 if d == 1 else 1 for d in range(ndim)])


def _with_probabilities(logs: Tensor, target: Tensor, weight, reduction: str, smoothing: float) -> Tensor:
    """-sum over classes c of w[c] p[c] log q[c]."""
    ndim, dim = logs.array.ndim, min(1, logs.array.ndim - 1)
    classes = logs.array.shape[dim]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    terms = logs * target
    if weight is not None:
        terms = terms * _class_weights(weight, ndim)
    if reduction == "none":
        return -sum(terms, dim)
    total = -sum(terms)
    if reduction == "sum":
        return total
    return total / (logs.array.size / classes) if logs.array.size else total * math.nan


def _smoothed(logs: Tensor, target: Tensor, weight, ignore_index: int, reduction: str, smoothing: float) -> Tensor:
    """(1 - s) nll + s / C times the sum over all classes (Szegedy et al. 2016, section 7)."""
    ndim, dim = logs.array.ndim, min(1, logs.array.ndim - 1)
    nll = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    spread_out = -sum(logs if weight is None else logs * _class_weights(weight, ndim), dim)
    ignored = target == ignore_index
    spread_out = spread_out.masked_fill(ignored, 0)
    if reduction != "none":
        spread_out = sum(spread_out)
    if reduction == "mean":
        counted = ~ignored
        spread_out = spread_out / (sum(counted) if weight is None else sum(weight[target[counted]]))
    return nll * (1 - smoothing) + spread_out * (smoothing / logs.array.shape[dim])


def _cross_entropy_gradient(grad, input, target, weight=None, *, ignore_index, reduction):
    options = dict(ignore_index=ignore_index, reduction=reduction)
    slopes = nll_loss_backward(grad, target, weight, size=input.array.shape, **options)
    return log_softmax_backward(slopes, log_softmax(input, dim=1), dim=1)


@op(GENERAL, dtype=SAME, composite=_cross_entropy_gradient, backward_name="NllLossBackwardBackward0")
def cross_entropy_backward(grad, input, target, weight=None, *, ignore_index, reduction):
    """x' = g w[y] (softmax(x) - 1 at y), zero for ignored targets; for the mean divided by the sum of the w[y]"""
    options = dict(ignore_index=ignore_index, reduction=reduction)
    slopes = nll_loss_backward.op.reference(grad, target, weight, size=input.shape, **options)
    return log_softmax_backward.op.reference(slopes, log_softmax.op.reference(input, dim=1), dim=1)


def _into_logits(g, input, target, weight, ignore_index, reduction):
    return cross_entropy_backward(g, input, target, weight, ignore_index=ignore_index, reduction=reduction)


@op(GENERAL, dtype=SAME, vjp=dict(input=_into_logits), backward_name="NllLossBackward0")
def cross_entropy_of_classes(input, target, weight=None, *, ignore_index, reduction):
    """nll_loss(log_softmax(x), y) in one pass: x (N, C), y (N)"""
    logs = log_softmax.op.reference(input, dim=1)
    return nll_loss.op.reference(logs, target, weight, ignore_index=ignore_index, reduction=reduction)


_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_INDEX = np.dtype(np.int64)


def _in_one_pass(input: Tensor, target: Tensor, weight: Tensor | None) -> bool:
    """Whether `cross_entropy_of_classes` serves, and input and target fit.

    Whoever watches the operations sees the two that define it instead.
    """
    x, y = input.array, target.array
    return (
        x.ndim == 2 and y.ndim == 1 and len(x) == len(y) and x.size > 0 and x.dtype in _FLOATS and y.dtype == _INDEX
        and (not watched.threads or state.trace is None)
        and (weight is None or (weight.array.shape == x.shape[1:] and not weight.requires_grad))
    )  # fmt: skip


@function(torch="nn.functional.cross_entropy")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average=None,
    ignore_index: int = -100,
    reduce=None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of softmax(input) against target: class indices, or class probabilities shaped like `input`.

    With indices: nll_loss(log_softmax(input), target). label_smoothing: how much of the target is spread evenly over
    the classes.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if label_smoothing == 0 and _in_one_pass(input, target, weight):
        return cross_entropy_of_classes(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    probabilities = target.array.shape == input.array.shape
    if probabilities:
        _check_probabilities(input, target, weight, ignore_index)
    else:
        _check_target("cross_entropy", input, target, weight)
    logs = log_softmax(input, dim=min(1, input.array.ndim - 1))
    if probabilities:
        return _with_probabilities(logs, target, weight, reduction, label_smoothing)
    if label_smoothing > 0:
        return _smoothed(logs, target, weight, ignore_index, reduction, label_smoothing)
    return nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)


def _check_probabilities(input: Tensor, target: Tensor, weight, ignore_index: int) -> None:
    shape = input.array.shape
    if target.array.dtype.kind in "iub":
        raise RuntimeError(
            f"cross_entropy(): Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy(): ignore_index is not supported for floating point target")
    classes = shape[min(1, len(shape) - 1)] if shape else 0
    if weight is not None and weight.array.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy(): weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {list(weight.array.shape)}"
        )
