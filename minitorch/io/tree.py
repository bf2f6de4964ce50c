"""Trees of Python values and tensors as JSON and named arrays, and back.

In the JSON, None, booleans, numbers and texts are themselves; everything else is a dictionary whose first key names its
kind. Tensors that share memory share it again when they are read: the memory is stored once.
"""

from __future__ import annotations

import ctypes
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap, wrap_as
from ..devices import device
from ..shapes import Size
from ..strided import address

TENSORS: Mapping[str, type[Tensor]] = {"tensor": Tensor}
SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "size": Size}


def pack(tree: Any, tensor_kinds: Mapping[str, type[Tensor]] = TENSORS) -> tuple[Any, dict[str, np.ndarray]]:
    """(JSON, arrays): every array under its path in the tree (`model.conv1.weight`).

    tensor_kinds: names for the types of tensors; a tensor is the last one in the table that it is an instance of.
    TypeError for a value that cannot be stored, naming its place.
    """
    packer = _Packer(tensor_kinds)
    packed = packer.pack(tree, "")
    packer.share()
    return packed, packer.arrays


def unpack(packed: Any, arrays: Mapping[str, np.ndarray], tensor_kinds: Mapping[str, type[Tensor]] = TENSORS) -> Any:
    """The tree. ValueError, KeyError, TypeError or RecursionError for JSON that `pack` did not make."""
    if not isinstance(packed, dict):
        if isinstance(packed, list):
            raise TypeError("a list stands where a value should")
        return packed
    kind = next(iter(packed))
    content = packed[kind]
    if kind in SEQUENCES:
        return SEQUENCES[kind](unpack(item, arrays, tensor_kinds) for item in content)
    if kind == "dict":
        return {key: unpack(item, arrays, tensor_kinds) for key, item in content}
    if kind == "ordered":
        ordered = OrderedDict((key, unpack(item, arrays, tensor_kinds)) for key, item in content)
        ordered.__dict__.update(unpack(packed["attributes"], arrays, tensor_kinds))
        return ordered
    if kind in _SIMPLE:
        return _SIMPLE[kind](content)
    array = arrays[content]
    if "view" in packed:
        array = _checked_view(array, *packed["view"])
    if kind == "array":
        return array
    tensor_type = tensor_kinds.get(kind) or TENSORS[kind]
    made = wrap(array) if tensor_type is Tensor else wrap_as(tensor_type, array)
    return made.requires_grad_() if packed.get("requires_grad") else made


def _dtype_of(name: str) -> dtypes.dtype:
    return next(dtype for dtype in dtypes.ALL if dtype.name == name)


_SIMPLE = {
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "dtype": _dtype_of,
    "device": device,
}


class _Packer:
    def __init__(self, tensor_kinds: Mapping[str, type[Tensor]]):
        self.tensor_kinds = tensor_kinds
        self.arrays: dict[str, np.ndarray] = {}
        self.leaves: list[tuple[dict, np.ndarray]] = []

    def pack(self, value: Any, place: str) -> Any:
        if isinstance(value, (Tensor, np.ndarray)):
            return self._leaf(value, place)
        if value is None or type(value) in (bool, int, float, str) or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, dict):
            return self._mapping(value, place)
        for kind, sequence in SEQUENCES.items():
            if type(value) is sequence:
                return {kind: self._items(value, place)}
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return {"list" if isinstance(value, list) else "tuple": self._items(value, place)}
        if isinstance(value, (bytes, bytearray)):
            return {"bytes" if isinstance(value, bytes) else "bytearray": value.hex()}
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, dtypes.dtype):
            return {"dtype": value.name}
        if isinstance(value, device):
            return {"device": str(value)}
        raise TypeError(f"a checkpoint cannot hold a {type(value).__name__} at '{place}'")

    def _items(self, values: Any, place: str) -> list:
        return [self.pack(item, _below(place, index)) for index, item in enumerate(values)]

    def _mapping(self, value: dict, place: str) -> dict:
        for key in value:
            if not isinstance(key, (str, int, float, bool)):
                raise TypeError(f"a checkpoint cannot hold the key {key!r} at '{place}'")
        items = [[key, self.pack(item, _below(place, key))] for key, item in value.items()]
        if type(value) is not OrderedDict:
            return {"dict": items}
        # A state dict carries the versions of its modules as an attribute.
        return {"ordered": items, "attributes": self.pack(vars(value), _below(place, "attributes"))}

    def _leaf(self, value: Tensor | np.ndarray, place: str) -> dict:
        name = place
        while name in self.arrays:  # {"a.b": t} and {"a": {"b": t}} would meet
            name += "_"
        if isinstance(value, np.ndarray):
            array = value
            leaf: dict[str, Any] = {"array": name}
        else:
            array = value.array
            kinds = [kind for kind, tensor_type in self.tensor_kinds.items() if isinstance(value, tensor_type)]
            leaf = {kinds[-1]: name}
            if value.requires_grad:
                leaf["requires_grad"] = True
        self.arrays[name] = array
        self.leaves.append((leaf, array))
        return leaf

    def share(self) -> None:
        """Let leaves whose memory overlaps refer to one array: the memory that all of them span."""
        for group in _overlapping(self.leaves):
            names = [leaf[next(iter(leaf))] for leaf, _ in group]
            arrays = [array for _, array in group]
            first = arrays[0]
            same = all(_layout(array) == _layout(first) for array in arrays)
            for name in names[1:]:
                del self.arrays[name]
            for leaf, _ in group:
                leaf[next(iter(leaf))] = names[0]
            if same:
                continue
            low = min(_span(array)[0] for array in arrays)
            high = max(_span(array)[1] for array in arrays)
            memory = memoryview((ctypes.c_ubyte * (high - low)).from_address(low))
            self.arrays[names[0]] = np.frombuffer(memory, np.uint8).copy()
            for leaf, array in group:
                offset = address(array) - low
                leaf["view"] = [array.dtype.name, offset, list(array.shape), list(array.strides)]


def _below(place: str, key: Any) -> str:
    return f"{place}.{key}" if place else f"{key}"


def _layout(array: np.ndarray) -> tuple:
    return address(array), array.dtype, array.shape, array.strides


def _span(array: np.ndarray) -> tuple[int, int]:
    """The addresses of the array's first byte and of the one after its last."""
    return np.lib.array_utils.byte_bounds(array)


def _overlapping(leaves: list[tuple[dict, np.ndarray]]) -> Iterator[list[tuple[dict, np.ndarray]]]:
    """The groups of two and more leaves whose memory meets, each in the order of `leaves`."""
    order = sorted(
        (number for number, (_, array) in enumerate(leaves) if array.size), key=lambda n: _span(leaves[n][1])
    )
    group: list[int] = []
    end = 0
    for number in [*order, None]:
        start, stop = _span(leaves[number][1]) if number is not None else (end, end)
        if group and start >= end:
            if len(group) > 1:
                yield [leaves[n] for n in sorted(group)]
            group = []
        if number is not None:
            group.append(number)
        end = max(end, stop)


def _checked_view(memory: np.ndarray, dtype: str, offset: int, shape: list, strides: list) -> np.ndarray:
    numbers = [offset, *shape, *strides]
    if memory.dtype != np.uint8 or memory.ndim != 1 or len(shape) != len(strides):
        raise ValueError("a view does not fit its memory")
    if not all(type(number) is int for number in numbers) or offset < 0 or min(shape, default=0) < 0:
        raise ValueError("a view has sizes or steps that are no integers, or negative ones")
    kind = _dtype_of(dtype).numpy
    reach = [(size - 1) * stride for size, stride in zip(shape, strides, strict=True)]
    low, high = sum(min(r, 0) for r in reach), sum(max(r, 0) for r in reach)
    if offset + low < 0 or offset + high + kind.itemsize > len(memory):
        raise ValueError("a view reaches beyond its memory")
    return np.ndarray(shape, kind, memory, offset, strides)
