"""From a list of samples to one batch: tensors are stacked, containers are gone into."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ...ops.data import as_tensor, tensor
from ...ops.join import stack

MESSAGE = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
NOT_NUMERIC = "SaUO"  # array kinds that no tensor can hold: bytes, texts, objects


def default_convert(data: Any) -> Any:
    """Every NumPy array or number in `data` as a tensor, everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        is_numeric_array = isinstance(data, np.ndarray) and data.dtype.kind not in NOT_NUMERIC
        return as_tensor(data) if is_numeric_array or isinstance(data, (np.bool_, np.number)) else data
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(item) for key, item in data.items()})
    if isinstance(data, tuple):
        items = [default_convert(item) for item in data]
        return type(data)(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def collate(batch: Sequence, *, collate_fn_map: dict[type | tuple[type, ...], Callable] | None = None) -> Any:
    """Merge samples of one structure into a batch of that structure.

    `collate_fn_map` says, by type of the sample, which function `f(batch, collate_fn_map=...)` merges the leaves.
    RuntimeError for sequences of different lengths, TypeError for a type that nothing is known about.
    """
    first = batch[0]
    if collate_fn_map:
        exact = collate_fn_map.get(type(first))
        related = (function for kind, function in collate_fn_map.items() if isinstance(first, kind))
        if (function := exact or next(related, None)) is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        merged = {key: collate([sample[key] for sample in batch], collate_fn_map=collate_fn_map) for key in first}
        return _rebuild_mapping(first, merged)
    if isinstance(first, Sequence):
        is_namedtuple = isinstance(first, tuple) and hasattr(first, "_fields")
        if not is_namedtuple and any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=False)]
        if is_namedtuple:
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _rebuild_sequence(first, columns)
    raise TypeError(MESSAGE.format(type(first)))


def _rebuild_mapping(like: Mapping, items: dict) -> Any:
    """A mapping of the type of `like`; a plain dict where that type cannot be made from items."""
    try:
        if isinstance(like, MutableMapping):
            # Copied, not constructed: a subclass may carry more than its items.
            clone = copy.copy(like)
            clone.update(items)
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _rebuild_sequence(like: Sequence, items: list) -> Any:
    """A sequence of the type of `like`; a plain list where that type cannot be made from items."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for index, item in enumerate(items):
                clone[index] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _collate_tensors(batch: list, *, collate_fn_map: Any = None) -> Tensor:
    return stack(batch, 0)


def _collate_arrays(batch: list, *, collate_fn_map: Any = None) -> Any:
    if batch[0].dtype.kind in NOT_NUMERIC:
        raise TypeError(MESSAGE.format(batch[0].dtype))
    return collate([as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def _collate_array_numbers(batch: list, *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.array(batch))


def _collate_floats(batch: list, *, collate_fn_map: Any = None) -> Tensor:
    return as_tensor(np.array(batch, np.float64))


def _collate_integers(batch: list, *, collate_fn_map: Any = None) -> Tensor:
    return tensor(batch)


def _collate_texts(batch: list, *, collate_fn_map: Any = None) -> list:
    return batch


default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    Tensor: _collate_tensors,
    np.ndarray: _collate_arrays,
    (np.bool_, np.number, np.object_): _collate_array_numbers,
    float: _collate_floats,
    int: _collate_integers,
    str: _collate_texts,
    bytes: _collate_texts,
}


def default_collate(batch: list) -> Any:
    """Merge a list of samples into a batch with a new first dimension.

    Tensors, arrays and numbers become tensors (Python floats float64); texts stay a list; in mappings, tuples and
    other sequences every entry is merged by itself.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
