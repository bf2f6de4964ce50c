"""Embeddings: rows of a table, taken by their number, one by one or summed up in bags.

Taking rows and adding rows up are each other's adjoints:

    z = rows(table, index)                z[j] = table[index[j]]
    table = add_rows(z, index)            table[i] = the sum of z[j] over all j whose index[j] is i
"""

from __future__ import annotations

import numpy as np

from ..core.levels import per_example
from ..core.lifted import numbers
from ..core.op import LINEAR, SAME, function, op
from ..core.tensor import Tensor, bump_version, wrap
from ..shapes import as_int, within
from .resample import add_at


def taken(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """table[index], in half the time where rows lie in one piece (`take` would copy another table whole)."""
    return table.take(index, 0) if table.flags.c_contiguous else table[index]


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(weight=lambda g, input, coefficient, size: add_rows(g, input, coefficient=coefficient, size=size)),
    backward_name="EmbeddingBackward0",
)
def rows(weight, input, *, coefficient):
    """z[j] = weight[input[j]], times coefficient[j] if there is one: weight (n, ...), input (*), z (*, ...)."""
    z = taken(weight, input)
    return z if coefficient is None else z * scale_of(coefficient, z)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(grad=lambda g, input, coefficient: rows(g, input, coefficient=coefficient)),
    backward_name="EmbeddingDenseBackwardBackward0",
)
def add_rows(grad, input, *, size, coefficient):
    """table[i] = the sum of grad[j] (times coefficient[j]) over all j with input[j] = i; the table has shape `size`."""
    out = np.zeros(size, grad.dtype)
    if coefficient is not None:
        grad = grad * scale_of(coefficient, grad)
    add_at(out, input.reshape(-1), grad.reshape(input.size, *size[1:]), 0)
    return out


def scale_of(coefficient: np.ndarray, z: np.ndarray) -> np.ndarray:
    """One number per row, in the type and rank of the rows."""
    return coefficient.astype(z.dtype).reshape(*coefficient.shape, *[1] * (z.ndim - coefficient.ndim))


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        weight=lambda g, input, size, padding_idx, scale_grad_by_freq: add_rows(
            g, input, coefficient=gradient_shares(input.array, padding_idx, scale_grad_by_freq), size=size
        )
    ),
    backward_name="EmbeddingBackward0",
)
def embedding_rows(weight, input, *, padding_idx, scale_grad_by_freq):
    """z[j] = weight[input[j]]; row `padding_idx` gets no gradient, the others may get one divided by their count."""
    return taken(weight, input)


def gradient_shares(index: np.ndarray, padding_idx, scale_grad_by_freq: bool) -> np.ndarray | None:
    """What each taken row's gradient is multiplied by; None for 1."""
    if padding_idx is None and not scale_grad_by_freq:
        return None
    share = np.ones(index.shape)
    if scale_grad_by_freq:
        _, inverse, counts = np.unique(index, return_inverse=True, return_counts=True)
        share /= counts[inverse].reshape(index.shape)
    if padding_idx is not None:
        share[index == padding_idx] = 0
    return share


_INDICES = (np.dtype(np.int64), np.dtype(np.int32))


def check_indices(name: str, input, weight, no_such_row: type = IndexError) -> None:
    """TypeError or RuntimeError for what are no indices and no table; `no_such_row` for an index out of range."""
    for argument, value in (("input", input), ("weight", weight)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(value).__name__}")
    if input.array.dtype not in _INDICES:
        raise RuntimeError(f"{name}(): expected indices of type int64 or int32, but got {input.dtype}")
    if weight.array.ndim != 2:
        raise RuntimeError(f"{name}(): 'weight' must be 2-D, but got size {list(weight.array.shape)}")
    index = numbers(input.array)
    if not within(index, len(weight.array)):
        wrong = index[(index < 0) | (index >= len(weight.array))][0]
        raise no_such_row(f"{name}(): index out of range in self: {wrong} for a table of {len(weight.array)} rows")


def limit_norms(weight: Tensor, index: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Shrink, in place and unrecorded, the rows that are about to be taken and whose norm is above `max_norm`."""
    taken = np.unique(index)
    table = weight.array
    norms = np.linalg.norm(table[taken].astype(np.float64), norm_type, axis=1)
    large = norms > max_norm
    scale = (max_norm / (norms[large] + 1e-7)).astype(table.dtype)
    table[taken[large]] *= scale[:, None]
    bump_version(weight)


def row_number(name: str, padding_idx, count: int):
    """`padding_idx` counted from the front. AssertionError where there is no such row."""
    if padding_idx is None:
        return None
    padding_idx = as_int(padding_idx, "padding_idx")
    if not -count <= padding_idx < count and padding_idx != 0:
        raise AssertionError(f"{name}(): Padding_idx must be within num_embeddings, got {padding_idx} for {count} rows")
    return padding_idx % count if count else padding_idx


@function(torch=("nn.functional.embedding",))
def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
) -> Tensor:  # fmt: skip
    """The rows of `weight` (n, d) that `input` (*) names: (*, d).

    padding_idx: a row that gets no gradient. max_norm: rows that are taken are first shrunk to that norm, in place.
    scale_grad_by_freq: a row's gradient is divided by how often it was taken. sparse: accepted, gradients are dense.
    """
    if isinstance(weight, Tensor):
        padding_idx = row_number("embedding", padding_idx, len(weight.array) if weight.array.ndim else 0)
    check_indices("embedding", input, weight)
    if max_norm is not None:
        limit_norms(weight, input.array, max_norm, norm_type)
    return embedding_rows(weight, input, padding_idx=padding_idx, scale_grad_by_freq=bool(scale_grad_by_freq))


# Bags.


def largest_rows(table: np.ndarray, index: np.ndarray, starts, ends) -> np.ndarray:
    """For every bag and column the row that holds the maximum, the first of equals; -1 for an empty bag."""
    found = np.full((len(starts), table.shape[1]), -1, np.int64)
    for bag, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if end > start:
            inside = index[start:end]
            found[bag] = inside[table[inside].argmax(axis=0)]
    return found


def bag_limits(offsets, count: int, include_last_offset: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where each bag starts, and where it ends. RuntimeError for offsets that do not begin at 0 or lead too far."""
    if include_last_offset and not offsets.size:
        raise RuntimeError("embedding_bag(): include_last_offset: number of offset should be at least 1")
    if offsets.size and offsets[0] != 0:
        raise RuntimeError(
            f"embedding_bag(): offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {offsets[0]}"
        )
    if offsets.size and offsets[-1] > count:
        raise RuntimeError(
            f"embedding_bag(): offsets[-1] can not be greater than input's length({count}) but got offsets[-1] of "
            f"{offsets[-1]}"
        )
    if include_last_offset:
        return offsets[:-1], np.append(offsets[1:-1], count) if len(offsets) > 1 else offsets[1:]
    return offsets, np.append(offsets[1:], count)


@function(torch="nn.functional.embedding_bag")
@per_example
def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
) -> Tensor:
    """The sum, mean or maximum of several rows of `weight` (n, d) for every bag of indices: (bags, d).

    input: (bags, k), or (m) with `offsets` (bags), where each bag begins. An empty bag gives zeros; entries equal to
    `padding_idx` are left out. per_sample_weights: a factor per entry, for mode "sum" only.
    """
    if per_sample_weights is not None and per_sample_weights.array.shape != input.array.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.array.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.array.ndim}")
    if input.array.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag(): if input is 2D, then offsets has to be None")
        bags, length = input.array.shape
        starts = np.arange(bags) * length
        ends = starts + length
    elif input.array.ndim == 1:
        if offsets is None or offsets.array.ndim != 1:
            raise ValueError("embedding_bag(): offsets has to be a 1D Tensor for 1D input")
        starts, ends = bag_limits(offsets.array, input.array.size, include_last_offset)
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.array.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag(): mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("embedding_bag(): max mode supports neither scale_grad_by_freq nor sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode='{mode}')."
        )
    if per_sample_weights is not None and per_sample_weights.array.dtype != weight.array.dtype:
        raise RuntimeError(
            f"embedding_bag: expected weight and per_sample_weights to have the same dtype, but got {weight.dtype} and "
            f"{per_sample_weights.dtype}"
        )
    check_indices("embedding_bag", input, weight, RuntimeError)
    padding_idx = row_number("embedding_bag", padding_idx, len(weight.array))
    index = input.array.reshape(-1)
    if max_norm is not None:
        limit_norms(weight, index, max_norm, norm_type)
    bag = np.repeat(np.arange(len(starts)), ends - starts)
    kept = np.arange(bag.size) if padding_idx is None else np.flatnonzero(index[: bag.size] != padding_idx)
    index, bag = index[kept], bag[kept]
    if mode == "max":
        edges = np.searchsorted(bag, np.arange(len(starts) + 1))
        found = largest_rows(weight.array, index, edges[:-1], edges[1:])
        return weight.gather(0, wrap(found.clip(0))).masked_fill(wrap(found < 0), 0)
    taken = embedding_rows(weight, wrap(index), padding_idx=None, scale_grad_by_freq=bool(scale_grad_by_freq))
    if per_sample_weights is not None:
        factors = rows(per_sample_weights.reshape(-1), wrap(kept), coefficient=None)
        taken = taken * factors.unsqueeze(-1)
    count = np.bincount(bag, minlength=len(starts))
    share = (1 / np.maximum(count, 1))[bag] if mode == "mean" else None
    return add_rows(taken, wrap(bag), coefficient=share, size=(len(starts), weight.array.shape[1]))
