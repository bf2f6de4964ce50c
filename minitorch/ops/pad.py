"""Padding: constant values, or the tensor's own values reflected, repeated or wrapped around."""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, KEEP, function, op
from ..core.tensor import Tensor
from ..shapes import as_int
from ..strided import empty_as_suggested
from .resample import resample


@op(
    GENERAL,  # affine: linear for value 0 only
    dtype=KEEP,
    vjp=dict(input=lambda g, before, after: pad_sides(g, before=_negated(before), after=_negated(after), value=0)),
    jvp=dict(input=lambda t, before, after: pad_sides(t, before=before, after=after, value=0)),
    backward_name="ConstantPadNdBackward0",
)
def pad_sides(input, *, before, after, value):
    """`input` with `before` and `after` elements of `value` added in every dimension; negative amounts take away."""
    shape = [n + b + a for n, b, a in zip(input.shape, before, after, strict=True)]
    out = empty_as_suggested(shape, [input])
    out[...] = value
    inside = [slice(max(b, 0), m - max(a, 0)) for m, b, a in zip(shape, before, after, strict=True)]
    kept = [slice(max(-b, 0), n - max(-a, 0)) for n, b, a in zip(input.shape, before, after, strict=True)]
    out[tuple(inside)] = input[tuple(kept)]
    return out


def _negated(amounts) -> tuple[int, ...]:
    return tuple(-n for n in amounts)


def constant_pad(input: Tensor, pad, value=0) -> Tensor:
    """`input` padded with `value`; `pad` holds (before, after) for the last dimension, the one before it, and so on."""
    ndim = input.array.ndim
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            f"pad(): Padding length should be less than or equal to two times the input dimension but got padding "
            f"length {len(pad)} and input of dimension {ndim}"
        )
    before, after = [0] * ndim, [0] * ndim
    for i in range(len(pad) // 2):
        before[ndim - 1 - i], after[ndim - 1 - i] = pad[2 * i], pad[2 * i + 1]
    for d, n in enumerate(input.array.shape):
        if min(n, n + before[d]) + min(after[d], 0) < 0:
            raise RuntimeError(
                f"pad(): the input size {n}, plus negative padding {before[d]} and {after[d]}, results in a negative "
                f"output size at dimension {d} of input {list(input.array.shape)}"
            )
    return pad_sides(input, before=tuple(before), after=tuple(after), value=value)


# Which element of an axis of size n stands at each position of the padded axis.


def reflected(n: int, before: int, after: int) -> np.ndarray:
    """... 2 1 | 0 1 2 ... n-1 | n-2 n-3 ...: mirrored at the border elements, which are not repeated."""
    position = np.abs(np.arange(-before, n + after))
    return np.where(position < n, position, 2 * (n - 1) - position)


def replicated(n: int, before: int, after: int) -> np.ndarray:
    """... 0 0 | 0 1 2 ... n-1 | n-1 n-1 ...: the border element repeated."""
    return np.arange(-before, n + after).clip(0, n - 1)


def wrapped(n: int, before: int, after: int) -> np.ndarray:
    """... n-2 n-1 | 0 1 2 ... n-1 | 0 1 ...: as if the axis were a circle, which negative amounts first shorten."""
    first, last = max(-before, 0), n - max(-after, 0)
    return first + np.arange(-max(before, 0), last - first + max(after, 0)) % max(last - first, 1)


POSITIONS = {"reflect": reflected, "replicate": replicated, "circular": wrapped}


@function(torch="nn.functional.pad")
def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` with its last dimensions extended (or, by negative amounts, cut).

    pad: (before, after) of the last dimension, then of the one before it, and so on. mode: "constant" (with `value`,
    default 0) for any dimensions; "reflect", "replicate" or "circular" for the last 1, 2 or 3 dimensions of an input
    that has one or two more. NotImplementedError for other ranks or modes; RuntimeError where the input is too small.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"pad(): argument 'input' must be Tensor, not {type(input).__name__}")
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, not {type(pad).__name__}")
    pad = [as_int(n, "pad(): an amount of padding") for n in pad]
    if len(pad) % 2:
        raise RuntimeError(f"pad(): Padding length must be divisible by 2, but got {len(pad)}")
    if mode == "constant":
        return constant_pad(input, pad, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    n = len(pad) // 2
    if n not in (1, 2, 3) or input.array.ndim not in (n + 1, n + 2):
        raise NotImplementedError(
            f"pad(): Padding size {len(pad)} is not supported for {input.array.ndim}D input tensor, mode '{mode}'."
        )
    if mode not in POSITIONS:
        raise NotImplementedError(f"pad(): Unrecognised padding mode {mode}")
    check_amounts(input.array, pad, mode)
    if not any(pad):
        return input.clone()
    for i in reversed(range(n)):
        before, after = pad[2 * i], pad[2 * i + 1]
        if before or after:
            dim = input.array.ndim - 1 - i
            index = POSITIONS[mode](input.array.shape[dim], before, after)
            input = resample(input, dim=dim, index=index[:, None], weight=None)
    return input


def check_amounts(array: np.ndarray, pad, mode: str) -> None:
    """RuntimeError where an axis is too short for what is asked of it."""
    n = len(pad) // 2
    shape = list(array.shape)
    if mode != "circular":
        if array.dtype == np.bool_:
            raise NotImplementedError(f"pad(): mode '{mode}' is not implemented for 'Bool'")
        if 0 in (shape if array.ndim == n + 1 else shape[1:]):
            raise RuntimeError(
                f"pad(): Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other "
                f"non-zero dimensions for input, but got: {shape}"
            )
    for i in range(n):
        before, after, size = pad[2 * i], pad[2 * i + 1], shape[-1 - i]
        where = f"padding ({before}, {after}) at dimension {array.ndim - 1 - i} of input {shape}"
        if mode == "reflect" and max(before, after) >= size:
            raise RuntimeError(
                f"pad(): Padding size should be less than the corresponding input dimension, but got: {where}"
            )
        if mode == "circular" and max(before, after) > size:
            raise RuntimeError(f"pad(): Padding value causes wrapping around more than once: {where}")
        smallest = 0 if mode == "circular" else 1
        padded = size + before + after
        if padded < smallest:
            raise RuntimeError(f"pad(): input is too small, the calculated output size is {padded}: {where}")
