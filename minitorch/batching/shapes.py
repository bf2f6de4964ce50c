"""Batching rules of views, of indexing and of what writes into them."""

from __future__ import annotations

import numpy as np

from ..core.lifted import layout_of
from ..core.tensor import Tensor, wrap
from ..ops.embedding import add_rows, rows
from ..ops.part import ALL
from ..ops.permute import permute_dims
from ..ops.shape import expand, reshape
from .rules import Batch, batches, moved, with_rank

# Views.


@batches("select_view", "slice_view", "place_slice")
def basic_index(batch: Batch):
    index = batch.params["index"]
    params = {"index": (ALL, *index) if isinstance(index, tuple) else (ALL, index)}
    if "size" in batch.params:
        params["size"] = (batch.size, *batch.params["size"])
    return batch.call(batch.whole(), **params)


@batches("permute_dims")
def permuted(batch: Batch):
    return batch.call(batch.whole(), dims=(0, *moved(batch.params["dims"])))


@batches("transpose_matrix")
def transposed(batch: Batch):
    return permute_dims(batch.whole(), dims=(0, *range(batch.rank(), 0, -1)))


@batches("expand_to")
def expanded(batch: Batch):
    shape = batch.params["shape"]
    return batch.call(with_rank(batch.whole(), len(shape)), shape=(batch.size, *shape))


@batches("pad_sides")
def padded(batch: Batch):
    return batch.call(batch.whole(), before=(0, *batch.params["before"]), after=(0, *batch.params["after"]))


@batches("repeated")
def repeated(batch: Batch):
    repeats = batch.params["repeats"]
    return batch.call(with_rank(batch.whole(), len(repeats)), repeats=(1, *repeats))


def _step_of_batch(x: Tensor) -> int:
    """The distance in memory from one example to the next, in elements."""
    layout = layout_of(x.array)
    return layout.strides[0] // layout.itemsize


@batches("as_strided_view")
def strided_view(batch: Batch):
    shape, strides, offset = batch.params["layout"]
    x, step = batch.whole(), _step_of_batch(batch.whole())
    source_shape, source_strides, source_offset = batch.params["source"]
    return batch.call(
        x,
        layout=((batch.size, *shape), (step, *strides), offset),
        source=((batch.size, *source_shape), (step, *source_strides), source_offset),
    )


@batches("relayout")
def laid_out(batch: Batch):
    strides = batch.params["strides"]
    extent = sum([(n - 1) * abs(s) for n, s in zip(batch.shape(), strides, strict=True)])
    itemsize = batch.examples[0].array.itemsize
    return batch.call(batch.whole(), strides=(max(extent, 0) + itemsize, *strides))


# Index tensors. The batch is one more dimension in front, taken whole where all examples have the same places.


def _adjacent(indices) -> bool:
    """Whether the index tensors stand side by side, so that their dimensions come in their place, not in front."""
    used = [d for d, i in enumerate(indices) if i is not None]
    return used == list(range(used[0], used[-1] + 1))


def _is_mask(index) -> bool:
    return index is not None and index.array.dtype.kind == "b"


def _with_batch_index(batch: Batch, first: int):
    """(index tensors with one for the batch in front, number of dimensions that they make of an example), for index
    tensors that differ from example to example. They stand side by side from dimension `start` on."""
    examples = batch.examples[first:]
    rank = max([i.array.ndim for i in examples if i is not None])
    numbers = wrap(np.arange(batch.size).reshape(batch.size, *(1,) * rank))
    indices = [
        None if x is None else with_rank(x, rank) if m else x
        for x, m in zip(batch.values[first:], batch.mapped[first:], strict=True)
    ]
    return [numbers, *indices], rank


@batches("take_at")
def taken(batch: Batch):
    if any([_is_mask(i) for i in batch.examples[1:]]) and any(batch.mapped[1:]):
        raise RuntimeError(
            "vmap: We do not support batching operators that can support dynamic shape. Attempting to batch over "
            "indexing with a boolean mask."
        )
    if not _adjacent(batch.values[1:]):
        return None
    if not any(batch.mapped[1:]):
        return batch.call(batch.values[0], None, *batch.values[1:])
    start = [i is not None for i in batch.values[1:]].index(True)
    indices, rank = _with_batch_index(batch, 1)
    z = batch.call(batch.whole(), *indices)
    if not start:
        return z
    # The batch's index stands apart from the others, so that all of them put their dimensions in front.
    behind = rank + 1 + start
    order = (0, *range(rank + 1, behind), *range(1, rank + 1), *range(behind, z.array.ndim))
    return permute_dims(z, dims=order)


@batches("add_at", "put_at")
def placed(batch: Batch):
    """Writing at the same places in all examples, or at places of their own in the first dimension."""
    first = 1 if batch.op.name == "add_at" else 2
    indices = batch.values[first:]
    if not _adjacent(indices):
        return None
    params = {"size": (batch.size, *batch.params["size"])} if first == 1 else {}
    whole = [] if first == 1 else [batch.whole(0)]
    shape = _shape_at(batch, first)
    values = batch.values[first - 1]
    if batch.mapped[first - 1]:
        values = with_rank(values, len(shape))
    if any(batch.mapped[first:]):
        if indices[0] is None or any([_is_mask(i) for i in batch.examples[first:]]):
            return None
        indices, _ = _with_batch_index(batch, first)
    else:
        indices = [None, *indices]
    return batch.call(*whole, expand(values, (batch.size, *shape)), *indices, **params)


def _shape_at(batch: Batch, first: int) -> tuple[int, ...]:
    """The shape of what an example has at the places."""
    size = batch.params["size"] if first == 1 else batch.shape(0)
    shown = np.broadcast_to(np.empty((), np.bool_), size)
    key = [
        ALL if i is None else np.zeros(i.array.shape, np.int64) if not _is_mask(i) else i.array
        for i in batch.examples[first:]
    ]
    return shown[tuple(key)].shape


@batches("scatter_at")
def scattered(batch: Batch):
    if not all([x.array.ndim for x in (batch.examples[0], batch.examples[2])]):
        return None
    index = batch.whole(2)
    src = with_rank(batch.whole(1), batch.rank(2))
    return batch.call(batch.whole(0), src, index, dim=moved(batch.params["dim"]))


# Tables: each example's rows are found behind those of the examples before it.


def _in_one_table(batch: Batch, i: int, length: int) -> Tensor:
    """The indices of all examples into their tables laid one behind the other."""
    index = batch.whole(i)
    starts = np.arange(batch.size).reshape(batch.size, *(1,) * batch.rank(i)) * length
    return index + wrap(starts)


@batches("rows", "embedding_rows")
def rows_of_table(batch: Batch):
    if batch.params.get("coefficient") is not None or batch.params.get("scale_grad_by_freq"):
        return None
    if not batch.mapped[0]:
        return batch.call(*batch.values)
    if batch.params.get("padding_idx") is not None:
        return None
    length, *rest = batch.shape(0)
    index = _in_one_table(batch, 1, length)
    return rows(reshape(batch.values[0], (batch.size * length, *rest)), index, coefficient=None)


@batches("add_rows")
def rows_added(batch: Batch):
    if batch.params["coefficient"] is not None:
        return None
    length, *rest = batch.params["size"]
    index = _in_one_table(batch, 1, length)
    table = add_rows(batch.whole(0), index, size=(batch.size * length, *rest), coefficient=None)
    return reshape(table, (batch.size, length, *rest))
