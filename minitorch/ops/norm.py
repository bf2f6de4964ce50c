"""Normalisation: batch, layer, group and instance norm.

The four are one operation. Over a set of dimensions D (`dims`), with n elements in it,

    mean = sum x / n        var = sum (x - mean)^2 / n        z = (x - mean) / sqrt(var + eps) * weight + bias

and they differ only in D and in the shape of weight and bias:

    batch_norm      (N, C, ...)        D = all but C        weight (C)
    instance_norm   (N, C, ...)        D = all but N, C     weight (C)
    layer_norm      (..., *shape)      D = shape            weight (*shape)
    group_norm      (N, G, C/G, ...)   D = all but N, G     weight (C)

(S. Ioffe, C. Szegedy, "Batch Normalization", 2015; J. Ba, J. Kiros, G. Hinton, "Layer Normalization", 2016;
Y. Wu, K. He, "Group Normalization", 2018; D. Ulyanov et al., "Instance Normalization", 2016.)

With xhat = (x - mean) / sqrt(var + eps), h = g * weight and means over D, the gradient is

    gx = (h - mean(h) - xhat mean(h xhat)) / sqrt(var + eps)        gweight = sum g xhat        gbias = sum g

The kernels compute that in one go. Below each stands its composite, the same in tensor operations, which is what is
differentiated when a second derivative is wanted.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..core.op import ELEMENTWISE, GENERAL, PROMOTE, SAME, function, op
from ..core.state import state
from ..core.tensor import Tensor, bump_version
from ..dtypes import NUMPY_HALF, float32
from ..shapes import as_int
from .convert import cast, copy_
from .creation import zeros_like
from .family import renamed
from .half import narrowed, widened
from .reduce import add_reduce, sum_to_size


def mean_over(x: np.ndarray, dims) -> np.ndarray:
    """The mean over `dims`, which are kept with size 1."""
    return add_reduce(x, dims, True) / np.array(count(x.shape, dims), x.dtype)


def count(shape, dims) -> int:
    """The number of elements in the dimensions `dims`."""
    return prod(shape[d] for d in dims)


def repeated_dims(size, shape) -> tuple[int, ...]:
    """The dimensions of `shape` along which an array of shape `size` is repeated."""
    extra = len(shape) - len(size)
    return tuple(d for d, n in enumerate(shape) if d < extra or size[d - extra] != n)


# The operation, its two gradients, and their composites.


def normalized(input, weight=None, bias=None, *, dims, eps):
    """z = (x - mean) / sqrt(var + eps) * weight + bias, and the mean and variance over `dims` (kept with size 1)."""
    mean = mean_over(input, dims)
    z = input - mean
    # What rounding left in the mean is the mean of the differences (corrected two-pass algorithm, Chan et al. 1983).
    drift = mean_over(z, dims)
    mean += drift
    z -= drift
    var = mean_over(np.square(z), dims)
    z /= np.sqrt(var + np.array(eps, z.dtype))
    if weight is not None:
        z *= weight
    if bias is not None:
        z += bias
    return z, mean, var


def standardized(input: Tensor, dims, eps) -> tuple[Tensor, Tensor]:
    """(xhat, sqrt(var + eps)) in tensor operations."""
    centred = input - input.mean(dims, keepdim=True)
    std = ((centred * centred).mean(dims, keepdim=True) + eps).sqrt()
    return centred / std, std


def gradients(grad, grad_mean, grad_var, input, mean, var, weight=None, *, dims, eps) -> tuple[Tensor, ...]:
    """What `norm_backward` computes, in tensor operations."""
    xhat, std = standardized(input, dims, eps)
    h = grad if weight is None else grad * weight
    n = count(input.array.shape, dims)
    # The outputs mean and var have gradients too: d mean / dx = 1 / n, d var / dx = 2 (x - mean) / n.
    shift = h.mean(dims, keepdim=True) - grad_mean * std / n
    slope = (h * xhat).mean(dims, keepdim=True) - grad_var * std * std * (2 / n)
    gx = (h - shift - xhat * slope) / std
    if weight is None:
        return (gx,)
    return gx, sum_to_size(grad * xhat, weight.array.shape), sum_to_size(grad, weight.array.shape)


@op(GENERAL, dtype=SAME, composite=gradients)
def norm_backward(grad, grad_mean, grad_var, input, mean, var, weight=None, *, dims, eps):
    """gx = (h - mean(h) - xhat mean(h xhat)) / sqrt(var + eps), h = g weight, and what came in through mean and var;

    and, if there is a weight, gweight = sum g xhat and gbias = sum g over what it is repeated along.
    """
    n = np.array(count(input.shape, dims), input.dtype)
    std = np.sqrt(var + np.array(eps, input.dtype))
    xhat = (input - mean) / std
    h = grad if weight is None else grad * weight
    shift = mean_over(h, dims) - grad_mean * std / n
    slope = mean_over(h * xhat, dims) - grad_var * std * std * (2 / n)
    gx = h - shift
    gx -= xhat * slope
    gx /= std
    if weight is None:
        return (gx,)
    size, repeated = weight.shape, repeated_dims(weight.shape, input.shape)
    xhat *= grad
    return gx, add_reduce(xhat, repeated, True).reshape(size), add_reduce(grad, repeated, True).reshape(size)


def declare(name: str, backward_name: str):
    """One of the four norms, by its own name. There is a bias only where there is a weight."""

    def backward(g, input, weight, z, dims, eps):
        return norm_backward(*g, input, z[1], z[2], weight, dims=dims, eps=eps)

    return op(GENERAL, dtype=SAME, vjp={("input", "weight", "bias"): backward}, backward_name=backward_name)(
        renamed(normalized, name)
    )


BATCH = declare("batch_norm_train", "NativeBatchNormBackward0")
INSTANCE = declare("instance_norm", "NativeBatchNormBackward0")
LAYER = declare("layer_norm", "NativeLayerNormBackward0")
GROUP = declare("group_norm", "NativeGroupNormBackward0")


def apply(norm, input: Tensor, weight, bias, dims, eps) -> tuple[Tensor, Tensor, Tensor]:
    """z, mean and var by one of the four."""
    if weight is None and bias is not None:
        z, mean, var = norm(input, None, None, dims=dims, eps=eps)
        return z + bias, mean, var
    return norm(input, weight, bias, dims=dims, eps=eps)


@op(
    ELEMENTWISE,
    dtype=PROMOTE,
    vjp={
        "input": lambda g, var, weight, eps: scaled(g, var, weight, eps),
        ("weight", "bias"): lambda g, input, mean, var, eps: batch_norm_eval_weight(g, input, mean, var, eps=eps),
    },
    jvp=dict(
        input=lambda t, var, weight, eps: scaled(t, var, weight, eps),
        weight=lambda t, input, mean, var, eps: t * batch_norm_eval(input, mean, var, None, None, eps=eps),
        bias=lambda t: t,
    ),
    backward_name="NativeBatchNormBackward0",
)
def batch_norm_eval(input, mean, var, weight=None, bias=None, *, eps):
    """z = (x - mean) / sqrt(var + eps) * weight + bias with given mean and variance, which get no gradient."""
    scale = 1 / np.sqrt(var + np.array(eps, var.dtype))
    if weight is not None:
        scale = scale * weight
    z = (input - mean) * scale
    if bias is not None:
        z += bias
    return z


def scaled(x: Tensor, var: Tensor, weight, eps) -> Tensor:
    """x / sqrt(var + eps) * weight."""
    return batch_norm_eval(x, zeros_like(var), var, weight, None, eps=eps)


def parameter_gradients(grad, input, mean, var, *, eps) -> tuple[Tensor, Tensor]:
    """What `batch_norm_eval_weight` computes, in tensor operations."""
    xhat = (input - mean) / (var + eps).sqrt()
    return sum_to_size(grad * xhat, mean.array.shape), sum_to_size(grad, mean.array.shape)


@op(GENERAL, dtype=SAME, composite=parameter_gradients)
def batch_norm_eval_weight(grad, input, mean, var, *, eps):
    """gweight = sum g xhat, gbias = sum g over what mean and var are repeated along, xhat = (x - mean) / sqrt(var + eps)."""
    xhat, repeated = (input - mean) / np.sqrt(var + np.array(eps, var.dtype)), repeated_dims(mean.shape, input.shape)
    return tuple([add_reduce(part, repeated, True).reshape(mean.shape) for part in (grad * xhat, grad)])


# What torch calls them, with what torch refuses.


def check_floats(name: str, input, *parameters) -> None:
    """TypeError, NotImplementedError or RuntimeError where input and parameters are not of one floating type.

    A half input may come with float32 parameters.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"{name}(): not implemented for {input.dtype}")
    for parameter in parameters:
        if parameter is not None and parameter.array.dtype != input.array.dtype:
            if input.array.dtype in NUMPY_HALF and parameter.dtype is float32:
                continue
            raise RuntimeError(
                f"{name}(): mixed dtype: expected all inputs to have the type {input.dtype}, but got {parameter.dtype}"
            )


def check_vector(name: str, argument: str, value, channels: int) -> None:
    """RuntimeError for a parameter that is not one number per channel."""
    if value is not None and value.array.size != channels:
        raise RuntimeError(f"{name}(): {argument} should contain {channels} elements not {value.array.size}")


def per_channel(value, ndim: int):
    """A vector (C) shaped so that it broadcasts against (N, C, ...)."""
    return value if value is None or ndim == 2 else value.reshape(-1, *[1] * (ndim - 2))


def update_running(running: Tensor, now: Tensor, momentum: float, factor: float = 1.0) -> None:
    """running = (1 - momentum) running + momentum * factor * now, in place, rounded once."""
    if state.levels:
        wide, double = now.detach().reshape(running.array.shape), np.dtype(np.float64)
        copy_(running, cast(running, dtype=double) * (1 - momentum) + cast(wide, dtype=double) * (factor * momentum))
        return
    array = running.array
    new = array.astype(np.float64)
    new *= 1 - momentum
    new += now.array.reshape(array.shape).astype(np.float64) * (factor * momentum)
    array[...] = new
    bump_version(running)


def count_batch(counter: Tensor) -> None:
    """counter += 1, in place and unrecorded."""
    if state.levels:
        counter.add_(1)
    else:
        counter.array += 1
        bump_version(counter)


@function(torch="nn.functional.batch_norm")
def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
) -> Tensor:  # fmt: skip
    """Normalise every channel of (N, C, ...) by its mean and variance over the batch and all positions.

    In training the batch's own statistics are used and `running_mean` and `running_var` (the variance with n - 1)
    move towards them by `momentum`; otherwise the running ones are used. ValueError where a channel has one value only.
    """
    check_floats("batch_norm", input, weight, bias, running_mean, running_var)
    shape = input.array.shape
    if training and prod(shape[:1] + shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm eps must be {'positive' if training else 'non-negative'}, but got {eps}")
    if shape == (0,):
        return input.clone()
    if len(shape) < 2:
        raise IndexError(f"batch_norm(): expected an input of at least 2 dimensions, but got {list(shape)}")
    if not isinstance(momentum, (int, float)):
        raise TypeError(f"batch_norm(): argument 'momentum' must be float, not {type(momentum).__name__}")
    if not training:
        for argument, value in (("running_mean", running_mean), ("running_var", running_var)):
            if value is None:
                raise RuntimeError(f"{argument} must be defined in evaluation mode")
    elif (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for argument, value in named.items():
        check_vector("batch_norm", argument, value, shape[1])
    if input.array.size == 0:
        return empty_norm(input, weight, bias)
    x, w, b = widened(input, weight, bias)
    w, b = per_channel(w, len(shape)), per_channel(b, len(shape))
    if not training:
        mean, var = [per_channel(t.detach(), len(shape)) for t in widened(running_mean, running_var)]
        return narrowed(batch_norm_eval(x, mean, var, w, b, eps=eps), input)
    dims = (0, *range(2, len(shape)))
    z, mean, var = apply(BATCH, x, w, b, dims, eps)
    if running_mean is not None:
        n = count(shape, dims)
        update_running(running_mean, mean, momentum)
        update_running(running_var, var, momentum, n / (n - 1))
    return narrowed(z, input)


def empty_norm(input: Tensor, weight, bias) -> Tensor:
    """An empty tensor has no statistics: it is returned, tied to the parameters so that they get zero gradients."""
    out = input.clone()
    if weight is not None:
        out = out * per_channel(weight, input.array.ndim)
    return out if bias is None else out + per_channel(bias, input.array.ndim)


@function(torch="nn.functional.instance_norm")
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
) -> Tensor:  # fmt: skip
    """Normalise every channel of every sample of (N, C, ...) by its own mean and variance over the positions."""
    check_floats("instance_norm", input, weight, bias, running_mean, running_var)
    shape = input.array.shape
    if use_input_stats and prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for argument, value in named.items():
        check_vector("instance_norm", argument, value, shape[1])
    if input.array.size == 0:
        return empty_norm(input, weight, bias)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    x, w, b = widened(input, weight, bias)
    dims = tuple(range(2, len(shape)))
    z, mean, var = apply(INSTANCE, x, per_channel(w, len(shape)), per_channel(b, len(shape)), dims, eps)
    n = count(shape, dims)
    if running_mean is not None:
        update_running(running_mean, mean.detach().mean(0), momentum)
    if running_var is not None:
        update_running(running_var, var.detach().mean(0), momentum, n / (n - 1))
    return narrowed(z, input)


def last_dims(name: str, input: Tensor, normalized_shape, **parameters) -> tuple[int, ...]:
    """The trailing dimensions that `normalized_shape` names. RuntimeError where the input or a parameter differs."""
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' must be tuple of ints, not {type(normalized_shape).__name__}"
        )
    wanted = tuple(as_int(n, "normalized_shape") for n in normalized_shape)
    if not wanted:
        raise RuntimeError(
            f"{name}(): Expected normalized_shape to be at least 1-dimensional, but got normalized_shape = []"
        )
    for argument, value in parameters.items():
        if value is not None and value.array.shape != wanted:
            raise RuntimeError(
                f"{name}(): Expected {argument} to be of same shape as normalized_shape, but got {argument} of shape "
                f"{list(value.array.shape)} and normalized_shape = {list(wanted)}"
            )
    shape = input.array.shape
    if shape[max(len(shape) - len(wanted), 0) :] != wanted:
        raise RuntimeError(
            f"{name}(): Given normalized_shape={list(wanted)}, expected input with shape [*, "
            f"{str(list(wanted))[1:-1]}], but got input of size {list(shape)}"
        )
    return tuple(range(len(shape) - len(wanted), len(shape)))


@function(torch=("nn.functional.layer_norm", "layer_norm"))
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5) -> Tensor:
    """Normalise over the last dimensions, which must be `normalized_shape`; weight and bias have that shape."""
    check_floats("layer_norm", input, weight, bias)
    dims = last_dims("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    x, w, b = widened(input, weight, bias)
    z, _, _ = apply(LAYER, x, w, b, dims, eps)
    return narrowed(z, input)


@function(torch=("nn.functional.group_norm", "group_norm"))
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5) -> Tensor:
    """Normalise every group of C / num_groups neighbouring channels of every sample of (N, C, ...)."""
    check_floats("group_norm", input, weight, bias)
    shape = input.array.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    num_groups = as_int(num_groups, "num_groups")
    if prod((shape[0] * shape[1] // num_groups, *shape[2:])) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    if num_groups < 0:
        raise RuntimeError(f"group_norm(): Expected num groups to be greater than 0, got {num_groups}")
    if shape[1] % num_groups:
        raise RuntimeError(
            "group_norm(): Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for argument, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.array.shape != (shape[1],):
            raise RuntimeError(
                f"group_norm(): Expected {argument} to be a vector of size equal to the number of channels in input, "
                f"but got {argument} of shape {list(value.array.shape)} and input of shape {list(shape)}"
            )
    x, w, b = widened(input, weight, bias)
    grouped = x.reshape(shape[0], num_groups, shape[1] // num_groups, *shape[2:])
    w, b = [t if t is None else t.reshape(num_groups, -1, *[1] * (len(shape) - 2)) for t in (w, b)]
    z, _, _ = apply(GROUP, grouped, w, b, tuple(range(2, len(shape) + 1)), eps)
    return narrowed(z.reshape(shape), input)
