"""Adaptive pooling, where the size of the output is given, and the partial inverse of max pooling.

Along an axis of size n, output j of m covers the elements from floor(j n / m) to ceil((j + 1) n / m), so neighbouring
windows may differ in size and overlap by one element.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, LINEAR, SAME, function, op
from ..core.tensor import Tensor
from ..shapes import as_int
from .convert import cast
from .family import renamed
from .half import widened
from .pool import amounts, by_plane, flat_index, gather_planes, keep_larger, lowest, scatter_planes
from .resample import resample
from .windows import offsets


def spans(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The first element of each of the m windows over an axis of size n, and the one after its last."""
    j = np.arange(m)
    return j * n // max(m, 1), -(-(j + 1) * n // max(m, 1))


def members(n: int, m: int) -> np.ndarray:
    """The elements of each window, (m, longest); a shorter window names its last element again."""
    first, end = spans(n, m)
    longest = int((end - first).max(initial=1))
    return np.minimum(first[:, None] + np.arange(longest), end[:, None] - 1)


def adaptive_max_with_indices(input, *, output_size):
    """The maximum of every window, and its index in the plane: the first of equals; nan counts as the largest."""
    n = len(output_size)
    size = input.shape[-n:]
    windows = [members(length, m) for length, m in zip(size, output_size, strict=True)]
    values = np.full((*input.shape[:-n], *output_size), lowest(input.dtype), input.dtype)
    indices = np.empty(values.shape, np.int64)
    indices[...] = flat_index([w[:, 0] for w in windows], size)
    rows = ([w[:, i] for w, i in zip(windows, at, strict=True)] for at in offsets([w.shape[1] for w in windows]))
    keep_larger(values, indices, ((input[(..., *np.ix_(*each))], flat_index(each, size)) for each in rows))
    return values, indices


def declare_adaptive_max(n: int):
    return op(
        GENERAL,
        dtype=SAME,
        vjp=dict(input=lambda g, z, size, output_size: scatter_planes(g[0], z[1], size=size, n=len(output_size))),
        backward_name=f"AdaptiveMaxPool{n}DBackward0",
    )(renamed(adaptive_max_with_indices, f"adaptive_max_pool{n}d_with_indices"))


ADAPTIVE_MAX = {n: declare_adaptive_max(n) for n in (1, 2, 3)}


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, indices, n: gather_planes(g, indices, n=n)),
    backward_name="MaxUnpoolBackward0",
)
def unpool_planes(input, indices, *, size, n):
    """x[..., indices[j]] = z[..., j] in zeros of shape `size`; where several have one index, the last one stays."""
    out = np.zeros(size, input.dtype)
    # Row-major, for NumPy assigns in the order of memory.
    planes = [np.ascontiguousarray(by_plane(array, n)) for array in (indices, input)]
    np.put_along_axis(by_plane(out, n), *planes, axis=1)
    return out


# Arguments as torch takes and refuses them.


def output_sizes(name: str, n: int, input, output_size) -> tuple[int, ...]:
    """The output size, None standing for the input's. RuntimeError for what does not fit."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    shape = list(input.array.shape)
    if len(shape) not in (n + 1, n + 2):
        # torch looks at a tuple of sizes before it looks at the tensor.
        kind = ValueError if n > 1 and isinstance(output_size, (tuple, list)) and len(shape) <= n else RuntimeError
        raise kind(f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {shape}")
    sizes = list(output_size) if isinstance(output_size, (tuple, list)) else [output_size] * n
    if len(sizes) != n:
        raise RuntimeError(f"{name}(): output_size must have {n} elements, but got {sizes}")
    sizes = [m if size is None else as_int(size, "output_size") for m, size in zip(shape[-n:], sizes, strict=True)]
    if min(sizes) < 0:
        raise RuntimeError(f"{name}(): elements of output_size must be greater than or equal to 0, but got {sizes}")
    if 0 in shape[-n:]:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {shape}"
        )
    if input.array.dtype.kind in "iub":
        raise NotImplementedError(f"{name}(): not implemented for {input.dtype}")
    return tuple(sizes)


def adaptive_mean(n: int, input, output_size) -> Tensor:
    """The mean of every window: an average along each dimension in turn."""
    sizes = output_sizes(f"adaptive_avg_pool{n}d", n, input, output_size)
    ndim = input.array.ndim
    if all(size == 1 for size in sizes):
        return input.mean(tuple(range(ndim - n, ndim)), keepdim=True)
    (out,) = widened(input)
    for dim, (length, size) in enumerate(zip(input.array.shape[-n:], sizes, strict=True), ndim - n):
        first, end = spans(length, size)
        index = members(length, size)
        weight = (first[:, None] + np.arange(index.shape[1]) < end[:, None]) / (end - first)[:, None]
        out = resample(out, dim=dim, index=index, weight=weight)
    return cast(out, dtype=input.array.dtype)


def adaptive_max(n: int, input, output_size) -> tuple[Tensor, Tensor]:
    """(maxima, indices) of every window."""
    name = f"adaptive_max_pool{n}d"
    sizes = output_sizes(name, n, input, output_size)
    shape = list(input.array.shape)
    if 0 in shape[-n - 1 :]:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {shape}"
        )
    batched = input if len(shape) == n + 2 else input.unsqueeze(0)
    found = ADAPTIVE_MAX[n](batched, output_size=sizes)
    return found if batched is input else tuple(out.squeeze(0) for out in found)


@function(torch=("nn.functional.adaptive_avg_pool1d", "adaptive_avg_pool1d"))
def adaptive_avg_pool1d(input, output_size) -> Tensor:
    """Means of ([N,] C, L) over `output_size` windows that cover the sequence."""
    return adaptive_mean(1, input, output_size)


@function(torch="nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(input, output_size) -> Tensor:
    """Means of ([N,] C, H, W) over a grid of `output_size` windows that cover the image; None keeps a size."""
    return adaptive_mean(2, input, output_size)


@function(torch="nn.functional.adaptive_avg_pool3d")
def adaptive_avg_pool3d(input, output_size) -> Tensor:
    """Means of ([N,] C, D, H, W) over a grid of `output_size` windows that cover the volume; None keeps a size."""
    return adaptive_mean(3, input, output_size)


@function(torch=("nn.functional.adaptive_max_pool1d_with_indices",))
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True) -> tuple[Tensor, Tensor]:
    """Maxima of ([N,] C, L) over `output_size` windows that cover the sequence, and their indices."""
    return adaptive_max(1, input, output_size)


@function(torch=("nn.functional.adaptive_max_pool2d_with_indices",))
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=True) -> tuple[Tensor, Tensor]:
    """Maxima of ([N,] C, H, W) over a grid of `output_size` windows, and their indices h * W + w."""
    return adaptive_max(2, input, output_size)


@function(torch=("nn.functional.adaptive_max_pool3d_with_indices",))
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=True) -> tuple[Tensor, Tensor]:
    """Maxima of ([N,] C, D, H, W) over a grid of `output_size` windows, and their indices in the flattened volume."""
    return adaptive_max(3, input, output_size)


@function(torch=("nn.functional.adaptive_max_pool1d", "adaptive_max_pool1d"))
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maxima of ([N,] C, L) over `output_size` windows that cover the sequence; with `return_indices` also where."""
    found = adaptive_max(1, input, output_size)
    return found if return_indices else found[0]


@function(torch="nn.functional.adaptive_max_pool2d")
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maxima of ([N,] C, H, W) over a grid of `output_size` windows; with `return_indices` also where they stand."""
    found = adaptive_max(2, input, output_size)
    return found if return_indices else found[0]


@function(torch="nn.functional.adaptive_max_pool3d")
def adaptive_max_pool3d(input, output_size, return_indices=False):
    """Maxima of ([N,] C, D, H, W) over a grid of `output_size` windows; with `return_indices` also where they stand."""
    found = adaptive_max(3, input, output_size)
    return found if return_indices else found[0]


def unpool(n: int, input, indices, kernel_size, stride, padding, output_size) -> Tensor:
    """The maxima put back where they stood, in zeros."""
    name = f"max_unpool{n}d"
    kernel_size = amounts(name, "kernel_size", kernel_size, n)
    stride = kernel_size if stride is None else amounts(name, "stride", stride, n)
    padding = amounts(name, "padding", padding, n)
    shape = list(input.array.shape)
    default = [(m - 1) * s + k - 2 * p for m, s, k, p in zip(shape[-n:], stride, kernel_size, padding, strict=True)]
    size = default if output_size is None else list(output_size)
    if len(size) == n + 2:
        size = size[2:]
    if len(size) != n:
        raise ValueError(f"{name}(): output_size should contain {n} or {n + 2} elements, but got {size}")
    for d, (given, expected, s) in enumerate(zip(size, default, stride, strict=True)):
        if abs(given - expected) >= s or given < 0:
            raise ValueError(
                f'{name}(): invalid output_size "{size}" (dim {d} must be above {max(expected - s, -1)} '
                f"and below {expected + s})"
            )
    if len(shape) not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(f"{name}(): Expected non-empty {n + 1}D or {n + 2}D input, but got {shape}")
    if indices.array.dtype != np.int64:
        raise RuntimeError(f"{name}(): elements in indices should be type int64 but got: {indices.dtype}")
    if indices.array.shape != input.array.shape:
        raise RuntimeError(
            f"{name}(): Expected shape of indices to be same as that of the input tensor ({shape}) "
            f"but got indices tensor with shape: {list(indices.array.shape)}"
        )
    if input.array.dtype.kind in "iub":
        raise NotImplementedError(f"{name}(): not implemented for {input.dtype}")
    found = numbers(indices.array)
    if found.size and not (0 <= found.min() and found.max() < prod(size)):
        wrong = found[(found < 0) | (found >= prod(size))][0]
        raise RuntimeError(f"{name}(): Found an invalid max index: {wrong} (output volumes are of size {size})")
    return unpool_planes(input, indices, size=(*shape[:-n], *size), n=n)


@function(torch="nn.functional.max_unpool1d")
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The maxima of `max_pool1d` put back at their indices, zeros elsewhere: ([N,] C, L)."""
    return unpool(1, input, indices, kernel_size, stride, padding, output_size)


@function(torch="nn.functional.max_unpool2d")
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The maxima of `max_pool2d` put back at their indices, zeros elsewhere: ([N,] C, H, W)."""
    return unpool(2, input, indices, kernel_size, stride, padding, output_size)


@function(torch="nn.functional.max_unpool3d")
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """The maxima of `max_pool3d` put back at their indices, zeros elsewhere: ([N,] C, D, H, W)."""
    return unpool(3, input, indices, kernel_size, stride, padding, output_size)
