"""Tensors from Python numbers, nested lists, NumPy arrays and buffers."""

from __future__ import annotations

import array as python_array
import warnings
from collections.abc import Sequence

import numpy as np

from ..core.op import function
from ..core.tensor import Tensor, node_of, wrap
from ..devices import check_device
from ..dtypes import bool as bool_
from ..dtypes import combine, from_numpy_dtype, get_default_dtype, int64
from ..dtypes import dtype as DType
from .convert import to_dtype
from .factory import cast_values, check_range, finished, numpy_type

SEQUENCES = (list, tuple, range, bytearray, memoryview, python_array.array)


@function(torch="tensor")
def tensor(data, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new leaf with a copy of `data`: a number, nested sequences of numbers, an ndarray or a tensor.

    Without `dtype`, ndarrays, NumPy scalars and tensors keep their type; Python numbers make bool, int64 or the default
    floating type, whichever holds all of them. RuntimeError for what is no number or out of range, ValueError for
    sequences of unequal lengths, TypeError for text.
    """
    check_device(device)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor(sourceTensor).",
            stacklevel=2,
        )
    return finished(new_array(data, None if dtype is None else numpy_type("tensor", dtype)), requires_grad)


def new_array(data, dtype: np.dtype | None) -> np.ndarray:
    """`data` (see `tensor`) as an ndarray of its own, of type `dtype` or the type inferred."""
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, (np.ndarray, np.generic)) or (hasattr(data, "__array__") and not isinstance(data, SEQUENCES)):
        array = checked_array(np.asarray(data))
    else:
        return _from_python(data, dtype)
    if dtype is None or array.dtype == dtype:
        return array.copy(order="K")
    return cast_values(array, dtype)


def checked_array(array: np.ndarray) -> np.ndarray:
    """An array that a tensor can hold: TypeError for its type, ValueError for byte order or negative strides."""
    from_numpy_dtype(array.dtype)
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    if min(array.strides, default=0) < 0:
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array with array.copy().)"
        )
    return array.view(np.ndarray)


def _from_python(data, dtype: np.dtype | None) -> np.ndarray:
    kinds: set[DType] = set()
    holds_tensors = _collect_types(data, kinds, 0)
    if dtype is None:
        dtype = (combine(sorted(kinds, key=str), [], []) if kinds else get_default_dtype()).numpy
    if holds_tensors:
        data = _without_tensors(data)
    floating = dtype.kind not in "biu" or any(kind.is_floating_point for kind in kinds)
    try:
        values = np.array(data, np.float64 if floating else np.int64)
    except OverflowError:
        if floating:
            raise
        raise ValueError(f"tensor(): an integer in the data does not fit into 64 bits (type {dtype})") from None
    except (ValueError, TypeError):
        _complain(data, _expected_shape(data), 0)
        raise
    check_range(values, dtype)
    return cast_values(values, dtype)


def _collect_types(data, kinds: set, depth: int) -> bool:
    """Add the types of all numbers in `data` to `kinds`; says whether there are tensors among them."""
    if isinstance(data, SEQUENCES) or _is_other_sequence(data):
        depth += 1
    else:
        data = (data,)
    found = False
    for kind in set(map(type, data)):
        if kind is float:
            kinds.add(get_default_dtype())
        elif kind is int:
            kinds.add(int64)
        elif kind is bool:
            kinds.add(bool_)
        elif issubclass(kind, np.generic):
            kinds.add(from_numpy_dtype(np.dtype(kind)))
        else:
            members = [item for item in data if type(item) is kind]
            found = _collect_members(kind, members, kinds, depth) or found
    return found


def _collect_members(kind: type, members: list, kinds: set, depth: int) -> bool:
    if issubclass(kind, Tensor) or kind is np.ndarray:
        kinds.update(from_numpy_dtype(item.array.dtype if issubclass(kind, Tensor) else item.dtype) for item in members)
        return issubclass(kind, Tensor)
    if issubclass(kind, (int, float)):
        kinds.add(int64 if issubclass(kind, int) else get_default_dtype())
        return False
    if issubclass(kind, (str, bytes)):
        if depth:
            raise ValueError(f"too many dimensions '{kind.__name__}'")
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if not isinstance(members[0], SEQUENCES) and not _is_other_sequence(members[0]):
        raise RuntimeError(f"Could not infer dtype of {kind.__name__}")
    return any([_collect_types(item, kinds, depth) for item in members])


def _is_other_sequence(data) -> bool:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes))


def _without_tensors(data):
    """Nested lists with every tensor replaced by its number. ValueError for one of more than one element."""
    if isinstance(data, Tensor):
        if data.array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return data.item()
    if isinstance(data, SEQUENCES) or _is_other_sequence(data):
        return [_without_tensors(item) for item in data]
    return data


def _expected_shape(data) -> list[int]:
    """The lengths found along the first elements."""
    lengths = []
    while isinstance(data, SEQUENCES) or _is_other_sequence(data):
        lengths.append(len(data))
        if not data:
            break
        data = data[0]
    return lengths


def _complain(data, shape: list[int], depth: int) -> None:
    """Raise for the first place where nested sequences do not have the expected shape."""
    nested = isinstance(data, SEQUENCES) or _is_other_sequence(data)
    if depth == len(shape):
        if nested:
            raise TypeError(f"expected a number at depth {depth}, got '{type(data).__name__}'")
        return
    if not nested:
        raise TypeError(f"expected a sequence of length {shape[depth]} at dim {depth}, got '{type(data).__name__}'")
    if len(data) != shape[depth]:
        raise ValueError(f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})")
    for item in data:
        _complain(item, shape, depth + 1)


@function(torch="as_tensor")
def as_tensor(data, dtype=None, device=None) -> Tensor:
    """`data` as a tensor, sharing memory with a tensor or ndarray of the right type; a copy of anything else."""
    check_device(device)
    if isinstance(data, Tensor):
        return to_dtype(data, None if dtype is None else _dtype_of("as_tensor", dtype))
    target = None if dtype is None else numpy_type("as_tensor", dtype)
    if isinstance(data, np.ndarray):
        shared = from_numpy(data)
        return shared if target is None else wrap(cast_values(shared.array, target))
    return wrap(new_array(data, target))


def _dtype_of(name: str, dtype) -> DType:
    return from_numpy_dtype(numpy_type(name, dtype))


@function(torch="from_numpy")
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the memory of `ndarray`: changes through either are seen by both. Read-only arrays are copied.

    TypeError for anything but an ndarray of a type that tensors have, ValueError for negative strides.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    array = checked_array(ndarray)
    return wrap(array if array.flags.writeable else array.copy(order="K"))


@function(torch="asarray")
def asarray(obj, *, dtype=None, device=None, copy: bool | None = None, requires_grad: bool = False) -> Tensor:
    """`obj` as a tensor that shares its memory where possible; `copy` demands (True) or forbids (False) a copy.

    Tensors, ndarrays and buffers can be shared, numbers and sequences cannot. ValueError when a copy is forbidden but
    needed.
    """
    check_device(device)
    if isinstance(obj, Tensor):
        return _share_tensor(obj, dtype, copy, requires_grad)
    target = None if dtype is None else numpy_type("asarray", dtype)
    if isinstance(obj, np.generic):
        obj = np.asarray(obj)
    elif not isinstance(obj, np.ndarray) and isinstance(obj, (bytes, bytearray, memoryview, python_array.array)):
        obj = np.frombuffer(obj, get_default_dtype().numpy if target is None else target)
    if not isinstance(obj, np.ndarray):
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return finished(new_array(obj, target), requires_grad)
    array = checked_array(obj)
    if target is not None and array.dtype != target:
        if copy is False:
            raise ValueError(f"can't alias tensor with dtype {array.dtype} into dtype {target}.")
        return finished(cast_values(array, target), requires_grad)
    return finished(array.copy(order="K") if copy else from_numpy(array).array, requires_grad)


def _share_tensor(obj: Tensor, dtype, copy: bool | None, requires_grad: bool) -> Tensor:
    target = obj.dtype if dtype is None else _dtype_of("asarray", dtype)
    if target is not obj.dtype and copy is False:
        raise ValueError(f"can't alias tensor with dtype {obj.dtype} into dtype {target}.")
    result = to_dtype(obj, target)
    if copy and result is obj:
        result = obj.clone()
    if requires_grad and node_of(result) is None:
        result = wrap(result.array) if result is obj else result
        result.requires_grad_()
    return result


@function(torch="scalar_tensor")
def scalar_tensor(s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad: bool = False) -> Tensor:
    """A 0-dim tensor with the number `s`, of the default floating type unless told otherwise."""
    check_device(device)
    return finished(new_array(s, numpy_type("scalar_tensor", dtype)), requires_grad)


@function(torch="frombuffer")
def frombuffer(buffer, *, dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-dim tensor over the memory of a Python buffer, `count` elements from byte `offset` on (-1: all).

    ValueError when the buffer is empty, too short, or no multiple of the element size. Read-only buffers are copied.
    """
    target, size = numpy_type("frombuffer", dtype), memoryview(buffer).nbytes
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and less than buffer length ({size})")
    if count < 0 and (size - offset) % target.itemsize:
        raise ValueError(
            f"buffer length ({size} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({target.itemsize})"
        )
    if count > 0 and count * target.itemsize > size - offset:
        raise ValueError(
            f"requested buffer length ({count} * {target.itemsize} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({size} bytes)"
        )
    return finished(from_numpy(np.frombuffer(buffer, target, count, offset)).array, requires_grad)


@function(torch="Tensor.new_tensor")
def new_tensor(self: Tensor, data, *, dtype=None, device=None, requires_grad: bool = False, **_) -> Tensor:
    """A new leaf with a copy of `data`, of this tensor's type unless told otherwise."""
    check_device(device)
    return finished(new_array(data, numpy_type("new_tensor", dtype, self.array.dtype)), requires_grad)
