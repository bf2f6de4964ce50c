"""torch.storage: the memory of a tensor as a row of its elements, for programs that pack bytes or count them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import dtypes
from .core.op import function
from .core.tensor import Tensor
from .ops.turn import storage_of
from .strided import address

__all__ = ["STORAGES", "TypedStorage", "UntypedStorage"]


class TypedStorage:
    """A row of elements of one type: `FloatStorage(3)`, `FloatStorage([1, 2])`, `tensor.storage()`.

    It shares the memory that it is made of; indexing, `len`, `tolist` as of a list.
    """

    kind: dtypes.dtype | None = None  # of the subclasses FloatStorage, ...

    def __init__(self, source: Any = 0, dtype: dtypes.dtype | None = None) -> None:
        kind = self.kind or dtype or dtypes.get_default_dtype()
        if isinstance(source, np.ndarray):
            self.array = source
        elif isinstance(source, int):
            self.array = np.empty(source, kind.numpy)
        else:
            self.array = np.array(list(source), kind.numpy)

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0) -> TypedStorage:
        """A copy of the elements in `bytes`. byte_order: "native", "little" or "big"."""
        kind = (cls.kind or dtypes.get_default_dtype()).numpy
        elements = np.frombuffer(buffer, kind, count, offset)
        foreign = byte_order != "native" and byte_order != sys.byteorder
        return cls(elements.byteswap() if foreign else elements.copy())

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        return dtypes.from_numpy_dtype(self.array.dtype)

    def __len__(self) -> int:
        return self.array.size

    def __getitem__(self, index: Any) -> Any:
        part = self.array[index]
        return type(self)(part) if isinstance(part, np.ndarray) else part.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __iter__(self) -> Iterator:
        return iter(self.array.tolist())

    def __repr__(self) -> str:
        values = "\n".join(f" {value}" for value in self.array.tolist())
        return f"{values}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {len(self)}]"

    def size(self) -> int:
        """The number of elements."""
        return self.array.size

    def nbytes(self) -> int:
        """The number of bytes."""
        return self.array.nbytes

    def element_size(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return address(self.array) if self.array.size else 0

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self.array.tolist()

    def clone(self) -> TypedStorage:
        """A copy."""
        return type(self)(self.array.copy())

    def copy_(self, source: TypedStorage) -> TypedStorage:
        """Copy the elements of another storage of this size; returns this one."""
        self.array[...] = source.array
        return self

    def fill_(self, value: Any) -> TypedStorage:
        """Set all elements; returns this storage."""
        self.array[...] = value
        return self

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage(self.array.view(np.uint8))


class UntypedStorage(TypedStorage):
    """A row of bytes."""

    kind = dtypes.uint8


STORAGES: dict[str, type[TypedStorage]] = {
    f"{name}Storage": type(f"{name}Storage", (TypedStorage,), {"kind": kind, "__doc__": f"A row of {kind.name}."})
    for name, kind in {
        "Float": dtypes.float32,
        "Double": dtypes.float64,
        "Half": dtypes.float16,
        "BFloat16": dtypes.bfloat16,
        "Long": dtypes.int64,
        "Int": dtypes.int32,
        "Short": dtypes.int16,
        "Char": dtypes.int8,
        "Byte": dtypes.uint8,
        "Bool": dtypes.bool,
    }.items()
}


@function(torch=("Tensor.storage", "Tensor.typed_storage"))
def storage(input: Tensor) -> TypedStorage:
    """The whole memory that the tensor views, as a row of its elements."""
    return TypedStorage(storage_of(input.array).view(input.array.dtype))


@function(torch="Tensor.untyped_storage")
def untyped_storage(input: Tensor) -> UntypedStorage:
    """The whole memory that the tensor views, as bytes."""
    return UntypedStorage(storage_of(input.array).view(np.uint8))


@function(torch=("Tensor.values", "Tensor.indices"))
def values(input: Tensor) -> Tensor:
    """RuntimeError: these are parts of a sparse tensor, and tensors here are dense."""
    raise RuntimeError("values expected sparse tensor layout but got Strided")


@function(torch="Tensor.resize")
def resize(input: Tensor, *sizes: Any) -> Tensor:
    """The old spelling of `reshape`. RuntimeError where the number of elements differs."""
    size = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    count = int(np.prod(size, dtype=np.int64))
    if count != input.array.size:
        raise RuntimeError(
            f"requested resize to {tuple(size)} ({count} elements in total), but the given tensor has a size of "
            f"{tuple(input.shape)} ({input.array.size} elements). autograd's resize can only change the shape of a given "
            "tensor, while preserving the number of elements."
        )
    return input.view(tuple(size))


@function(torch="Tensor.pin_memory")
def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """RuntimeError: memory is pinned for an accelerator, and there is none."""
    raise RuntimeError("Cannot access accelerator device when none is available.")
