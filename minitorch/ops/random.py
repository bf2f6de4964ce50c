"""New random tensors. The numbers are torch's own (see `samplers.py`).

All take `generator`, whose stream they draw from (None: the default generator); new tensors also `dtype`, `device`,
`requires_grad` and `out`, as in `creation.py`. A gradient through a draw is zero.
"""

from __future__ import annotations

from math import prod

import numpy as np

from .. import samplers
from ..core.inplace import write_out
from ..core.levels import draws
from ..core.op import ELEMENTWISE, KEEP, function, op
from ..core.state import no_grad
from ..core.tensor import Tensor, wrap
from ..devices import check_device
from ..dtypes import from_numpy_dtype
from ..generator import Generator, default_generator
from ..memory_formats import check_memory_format
from ..samplers import arrange
from ..shapes import as_int, broadcast_shapes
from .arithmetic import zeros_as
from .factory import deliver, empty_like_array, finished, numpy_type, read_size, type_with_out
from .integer_range import check_bounds, mantissa_digits

INT64 = np.dtype(np.int64)


def stream(name: str, generator: Generator | None) -> Generator:
    """The generator to draw from. TypeError for anything else."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"{name}(): argument 'generator' must be a Generator, not {type(generator).__name__}")
    return generator


def check_floating(name: str, dtype: np.dtype) -> None:
    if dtype.kind in "biu":
        raise NotImplementedError(f"{name}(): not implemented for {from_numpy_dtype(dtype)}, only for floating types")


def check_std(name: str, std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"{name} expects std >= 0.0, but found std {std}")


# New tensors.


def _draw_new(name: str, sample, sizes, size, out, dtype, device, requires_grad) -> Tensor:
    """A floating tensor of the numbers `sample(count, dtype, contiguous)`."""
    check_device(device)
    shape, target = read_size(name, sizes, size), type_with_out(name, dtype, out)
    check_floating(name, target)
    like = out.array if out is not None and out.array.shape == shape else None
    contiguous = like is None or like.flags.c_contiguous
    values = sample(prod(shape), target, contiguous)
    return deliver(
        name, values.reshape(shape) if like is None or contiguous else arrange(values, like), out, requires_grad
    )


@function(torch="rand")
@draws
def rand(
    *sizes, size=None, generator=None, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1)."""
    source = stream("rand", generator)

    def sample(count, dtype, contiguous):
        return samplers.uniform(source, count, dtype)

    return _draw_new("rand", sample, sizes, size, out, dtype, device, requires_grad)


@function(torch="randn")
@draws
def randn(
    *sizes, size=None, generator=None, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """Standard normal numbers."""
    source = stream("randn", generator)

    def sample(count, dtype, contiguous):
        return samplers.normal(source, count, dtype, contiguous=contiguous)

    return _draw_new("randn", sample, sizes, size, out, dtype, device, requires_grad)


def _like(name: str, input, dtype, device, memory_format) -> np.ndarray:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    check_device(device)
    check_memory_format(name, memory_format)
    return empty_like_array(input.array, numpy_type(name, dtype, input.array.dtype), memory_format)


@function(torch="rand_like")
@draws
def rand_like(
    input, *, generator=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Uniform numbers in [0, 1), in the shape, type and memory order of `input`."""
    like = _like("rand_like", input, dtype, device, memory_format)
    check_floating("rand_like", like.dtype)
    values = samplers.uniform(stream("rand_like", generator), like.size, like.dtype)
    return finished(arrange(values, like), requires_grad)


@function(torch="randn_like")
@draws
def randn_like(
    input, *, generator=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False,
    memory_format=None,
) -> Tensor:  # fmt: skip
    """Standard normal numbers in the shape, type and memory order of `input`."""
    like = _like("randn_like", input, dtype, device, memory_format)
    check_floating("randn_like", like.dtype)
    source = stream("randn_like", generator)
    values = samplers.normal(source, like.size, like.dtype, contiguous=like.flags.c_contiguous)
    return finished(arrange(values, like), requires_grad)


def _integers(name: str, low: int, high: int, count: int, dtype: np.dtype, generator) -> np.ndarray:
    low, high = check_bounds(name, low, high, dtype)
    return samplers.integers(stream(name, generator), count, dtype, low, high)


@function(torch="randint")
@draws
def randint(
    *bounds, low=None, high=None, size=None, generator=None, out=None, dtype=None, layout=None, device=None,
    pin_memory=False, requires_grad=False,
) -> Tensor:  # fmt: skip
    """Integers in [low, high): `randint(high, size)` (from 0 on) or `randint(low, high, size)`; int64 by default.

    RuntimeError for an empty range and for one that the type cannot hold.
    """
    check_device(device)
    numbers = list(bounds)
    if size is None:
        size = numbers.pop() if numbers else None
    if low is None and len(numbers) + (high is not None) == 2:
        low = numbers.pop(0)
    if high is None and len(numbers) == 1:
        high = numbers.pop()
    if numbers or high is None or not isinstance(size, (tuple, list)):
        raise TypeError("randint() takes (high, size) or (low, high, size), where size is a tuple of ints")
    low = 0 if low is None else as_int(low, "randint(): argument 'low'")
    high = as_int(high, "randint(): argument 'high'")
    shape, target = read_size("randint", (size,)), type_with_out("randint", dtype, out, INT64)
    values = _integers("randint", low, high, prod(shape), target, generator)
    return deliver("randint", values.reshape(shape), out, requires_grad)


@function(torch="randint_like")
@draws
def randint_like(
    input, low_or_high=None, high=None, *, low=None, generator=None, dtype=None, layout=None, device=None,
    pin_memory=False, requires_grad=False, memory_format=None,
) -> Tensor:  # fmt: skip
    """Integers in [low, high), shaped and laid out as `input`: `randint_like(input, high)` or `(input, low, high)`."""
    first = low_or_high if low is None else low
    start, stop = (0, first) if high is None else (0 if first is None else first, high)
    start = as_int(start, "randint_like(): argument 'low'")
    stop = as_int(stop, "randint_like(): argument 'high'")
    like = _like("randint_like", input, dtype, device, memory_format)
    values = _integers("randint_like", start, stop, like.size, like.dtype, generator)
    return finished(arrange(values, like), requires_grad)


@function(torch="randperm")
@draws
def randperm(
    n, *, generator=None, out=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
) -> Tensor:
    """A random order of 0 .. n - 1; int64 by default. RuntimeError when the type cannot hold n."""
    check_device(device)
    n, target = as_int(n, "randperm(): argument 'n'"), type_with_out("randperm", dtype, out, INT64)
    if n < 0:
        raise RuntimeError(f"randperm(): n must be non-negative, got {n}")
    if target.kind == "b":
        raise NotImplementedError("\"randperm\" not implemented for 'Bool'")
    most = np.iinfo(target).max if target.kind in "iu" else 2 ** mantissa_digits(target) + 1
    if n > most and target.name != "bfloat16":  # which torch lets round
        raise RuntimeError(f"randperm(): n cannot be greater than {most} for {from_numpy_dtype(target)}, got {n}")
    values = samplers.permutation(stream("randperm", generator), n)
    return deliver("randperm", values.astype(target, copy=False), out, requires_grad)


# Draws that depend on tensors. Their gradient is zero.


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=zeros_as, other=zeros_as), backward_name="NormalBackward3")
def drawn_from(input, other=None, *, values):
    """Numbers drawn with parameters `input` and `other`: constants, as far as a derivative goes"""
    return values


@function(torch="normal")
@draws
def normal(
    mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
) -> Tensor:  # fmt: skip
    """Normal numbers. `mean` and `std` are tensors, or one is a number, or both are and `size` is given.

    Shapes broadcast. RuntimeError for a negative `std`, NotImplementedError for integer tensors.
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors:
        if size is None:
            raise TypeError("normal(): 'size' must be given when neither 'mean' nor 'std' is a tensor")
        return _normal_of_size(mean, std, size, generator, out, dtype, device, requires_grad)
    if isinstance(std, Tensor):
        if std.array.size and not std.array.min() >= 0:
            raise RuntimeError("normal expects all elements of std >= 0.0")
    else:
        check_std("normal", std)
    target = type_with_out("normal", dtype, out, tensors[0].array.dtype)
    check_floating("normal", target)
    shape = broadcast_shapes(*[x.array.shape for x in tensors])
    like = np.empty(shape, target) if out is None or out.array.shape != shape else out.array
    scale, source = 1.0 if isinstance(std, Tensor) else std, stream("normal", generator)
    flat = samplers.normal(source, like.size, target, 0.0, scale, contiguous=like.flags.c_contiguous)
    values = wrap(arrange(flat, like))
    with no_grad():
        if isinstance(std, Tensor):
            values.mul_(std)
        values.add_(mean)
    if out is not None:
        return deliver("normal", values.array, out, False)
    return drawn_from(*tensors, values=values.array)


def _normal_of_size(mean, std, size, generator, out, dtype, device, requires_grad) -> Tensor:
    check_std("normal", std)
    source = stream("normal", generator)

    def sample(count, dtype, contiguous):
        return samplers.normal(source, count, dtype, mean, std, contiguous=contiguous)

    return _draw_new("normal", sample, (), size, out, dtype, device, requires_grad)


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=zeros_as, other=zeros_as), backward_name="BernoulliBackward0")
def bernoulli_drawn(input, other=None, *, values):
    """Zeros and ones drawn with the probabilities `input` or `other`: constants, as far as a derivative goes"""
    return values


@op(ELEMENTWISE, dtype=KEEP)
def bernoulli_like(input, *, values):
    """Zeros and ones drawn in the shape of `input`; torch has no derivative for this form"""
    return values


def draw_bernoulli(name: str, p: np.ndarray, like: np.ndarray, generator) -> np.ndarray:
    """Draws with the probabilities `p`, broadcast to the shape of `like`, in its type and memory order."""
    check_floating(name, p.dtype)
    wide = p if p.dtype == np.float64 else p.astype(np.float32)
    if wide.size and not ((wide >= 0) & (wide <= 1)).all():
        raise RuntimeError(f"{name} expects all probabilities to be in [0, 1]")
    try:
        wide = np.broadcast_to(wide, like.shape)
    except ValueError:
        raise RuntimeError(f"{name}(): p of shape {list(p.shape)} does not expand to {list(like.shape)}") from None
    flat = samplers.flatten(wide, like)
    return arrange(samplers.bernoulli_each(stream(name, generator), like.dtype, flat), like)


def check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name} expects p to be in [0, 1], but got p={p}")


@function(torch="bernoulli")
@draws
def bernoulli(input: Tensor, p: float | None = None, *, generator=None, out: Tensor | None = None) -> Tensor:
    """Ones with the probabilities `input`, else zeros, in its type; with `p`, every element with that probability.

    RuntimeError for a probability outside [0, 1], NotImplementedError for integer probabilities.
    """
    if out is not None:
        like = np.empty(input.array.shape, type_with_out("bernoulli", None, out))
        like = out.array if out.array.shape == like.shape else like
        return write_out("bernoulli", out, wrap(draw_bernoulli("bernoulli", input.array, like, generator)))
    like = np.empty(input.array.shape, input.array.dtype)
    if p is None:
        return bernoulli_drawn(input, values=draw_bernoulli("bernoulli", input.array, like, generator))
    check_probability("bernoulli", p)
    values = samplers.bernoulli(stream("bernoulli", generator), like.size, like.dtype, p)
    return bernoulli_like(input, values=values.reshape(like.shape))


@function(torch="multinomial")
@draws
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator=None, out=None) -> Tensor:
    """Indices drawn in proportion to the weights in each row: (n) to (num_samples), (rows, n) to (rows, num_samples).

    The weights need not sum to one. RuntimeError for negative, infinite, nan or all-zero weights, for other
    dimensions, and for more samples without replacement than there are weights.
    """
    weights, count = input.array, as_int(num_samples, "multinomial(): argument 'num_samples'")
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"multinomial(): weights must have 1 or 2 dimensions, got the shape {list(weights.shape)}")
    if weights.dtype.kind in "biu":
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype}")
    if count <= 0:
        raise RuntimeError(f"multinomial(): cannot sample n_sample <= 0 samples, got {count}")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError(
            f"multinomial(): cannot sample n_sample > prob_dist.size(-1) samples without replacement, got {count} "
            f"samples of {weights.shape[-1]}"
        )
    if out is not None and type_with_out("multinomial", None, out) != INT64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype}")
    if weights.ndim == 2 and weights.shape[0] == 0:
        return deliver("multinomial", np.empty((0, count), INT64), out, False)
    wide = weights if weights.dtype == np.float64 else weights.astype(np.float32)
    if not ((wide >= 0) & (wide < np.inf)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (wide.sum(axis=-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    source = stream("multinomial", generator)
    if 0 in weights.strides:  # draws follow the order in memory, which repeated rows do not have
        weights = weights.copy()
    if replacement and count > 1:
        drawn = samplers.choices(source, np.atleast_2d(wide), count)
    else:
        drawn = samplers.distinct_choices(source, np.atleast_2d(weights), count)
    return deliver("multinomial", drawn if weights.ndim == 2 else drawn[0], out, False)
