"""Normalisation by the mean of squares alone: root-mean-square norm, and local response normalisation.

    rms_norm                z = x / sqrt(mean(x^2) + eps) * weight           the mean over the last dimensions
    local_response_norm     z = x / (k + alpha mean(x^2))^beta               the mean over neighbouring channels

(B. Zhang, R. Sennrich, "Root Mean Square Layer Normalization", 2019; A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet
classification with deep convolutional neural networks", 2012, section 3.3.)
"""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor
from ..dtypes import finfo
from .convert import cast
from .half import widened
from .norm import check_floats, last_dims, mean_over
from .pad import constant_pad
from .pool import avg_pool2d
from .reduce import add_reduce, sum_to_size


def gradients(grad, input, weight=None, *, dims, eps) -> tuple[Tensor, ...]:
    """What `rms_norm_backward` computes, in tensor operations."""
    scale = ((input * input).mean(dims, keepdim=True) + eps).rsqrt()
    h, xhat = grad if weight is None else grad * weight, input * scale
    gx = (h - xhat * (h * xhat).mean(dims, keepdim=True)) * scale
    return (gx,) if weight is None else (gx, sum_to_size(grad * xhat, weight.array.shape))


@op(GENERAL, dtype=SAME, composite=gradients)
def rms_norm_backward(grad, input, weight=None, *, dims, eps):
    """gx = (h - xhat mean(h xhat)) / sqrt(mean(x^2) + eps), h = g weight, xhat = x / sqrt(mean(x^2) + eps);

    and, if there is a weight, gweight = the sum of g xhat over the first dimensions.
    """
    scale = 1 / np.sqrt(mean_over(np.square(input), dims) + np.array(eps, input.dtype))
    h, xhat = grad if weight is None else grad * weight, input * scale
    gx = (h - xhat * mean_over(h * xhat, dims)) * scale
    return (gx,) if weight is None else (gx, add_reduce(grad * xhat, tuple(range(dims[0]))))


def _backward(g, input, weight, dims, eps):
    return rms_norm_backward(g, input, weight, dims=dims, eps=eps)


@op(GENERAL, dtype=SAME, vjp={("input", "weight"): _backward}, backward_name="RmsNormBackward0")
def root_mean_square_norm(input, weight=None, *, dims, eps):
    """z = x / sqrt(mean(x^2) + eps) * weight, the mean taken over `dims`."""
    z = input / np.sqrt(mean_over(np.square(input), dims) + np.array(eps, input.dtype))
    if weight is not None:
        z *= weight
    return z


@function(torch=("nn.functional.rms_norm", "rms_norm"))
def rms_norm(input, normalized_shape, weight=None, eps=None) -> Tensor:
    """Divide by the root mean square over the last dimensions (`normalized_shape`), then multiply by `weight`.

    eps: default the machine epsilon of float32, or of float64 for a float64 input.
    """
    check_floats("rms_norm", input)
    dims = last_dims("rms_norm", input, normalized_shape, weight=weight)
    x, w = widened(input, weight)
    if eps is None:
        eps = finfo(x.dtype).eps
    if w is not None and w.array.dtype != x.array.dtype:
        return root_mean_square_norm(x, dims=dims, eps=eps) * w
    return cast(root_mean_square_norm(x, w, dims=dims, eps=eps), dtype=input.array.dtype)


@function(torch="nn.functional.local_response_norm")
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0) -> Tensor:
    """Divide every element of (N, C, L, ...) by (k + alpha m)^beta, m: the mean square of `size` channels around it.

    Channels beyond the first and last count as zeros. ValueError for fewer than 3 dimensions.
    """
    shape = input.array.shape
    if len(shape) < 3:
        raise ValueError(f"local_response_norm(): Expected 3 or more dimensions, got input of size {list(shape)}")
    if input.array.size == 0:
        return input
    squares = (input * input).reshape(shape[0], 1, shape[1], -1)
    squares = constant_pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(squares, (size, 1), stride=1).reshape(shape)
    return input / (mean * alpha + k).pow(beta)
