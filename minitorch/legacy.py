"""Old spellings: `Tensor(2, 3)`, `FloatTensor([1, 2])`, and types that `isinstance` understands.

`Tensor(2, 3)` and `FloatTensor(2, 3)` make an uninitialised tensor of that shape, `FloatTensor([2, 3])` one with
those values: two meanings, told apart by what is passed.
"""

from __future__ import annotations

import numpy as np

from . import dtypes
from .core.tensor import Tensor, wrap, wrap_as
from .ops.creation import empty
from .ops.data import tensor
from .shapes import Size
from .storage import TypedStorage


def construct(dtype: dtypes.dtype, args: tuple) -> Tensor:
    """What `Tensor(*args)` of the given type makes. TypeError for arguments that are neither sizes nor data."""
    if not args:
        return empty(0, dtype=dtype)
    if len(args) == 1:
        (value,) = args
        if isinstance(value, Tensor):
            if value.dtype is not dtype:
                raise TypeError(f"expected a tensor of type {dtype} but got {value.dtype}")
            return value.detach()
        if isinstance(value, TypedStorage):
            if value.dtype is not dtype:
                raise TypeError(f"expected a storage of {dtype} but got one of {value.dtype}")
            return wrap(value.array)
        if isinstance(value, Size):
            return empty(tuple(value), dtype=dtype)
        if isinstance(value, (list, tuple, np.ndarray)):
            return tensor(value, dtype=dtype)
    if all(isinstance(n, (int, np.integer)) for n in args):
        return empty(tuple(int(n) for n in args), dtype=dtype)
    raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")


def _new(cls, *args, device=None):
    made = construct(dtypes.get_default_dtype(), args)
    return made if cls is Tensor else wrap_as(cls, made.array)


def bind() -> None:
    """Let `Tensor(...)` construct."""
    Tensor.__new__ = staticmethod(_new)
    Tensor.__init__ = lambda self, *args, **kwargs: None


class _TensorType(type):
    """`isinstance(x, FloatTensor)` asks for the type of the elements."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, value) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __call__(cls, *args, device=None) -> Tensor:
        return construct(cls.dtype, args)


def _type_for(name: str, dtype: dtypes.dtype) -> type:
    return _TensorType(name, (), {"dtype": dtype, "__doc__": f"Constructor and type test for {dtype.name} tensors."})


TYPES = {
    name: _type_for(name, dtype)
    for name, dtype in {
        "FloatTensor": dtypes.float32,
        "DoubleTensor": dtypes.float64,
        "HalfTensor": dtypes.float16,
        "BFloat16Tensor": dtypes.bfloat16,
        "LongTensor": dtypes.int64,
        "IntTensor": dtypes.int32,
        "ShortTensor": dtypes.int16,
        "CharTensor": dtypes.int8,
        "ByteTensor": dtypes.uint8,
        "BoolTensor": dtypes.bool,
    }.items()
}
