"""Copies and changes of type: clone, contiguous, to, copy_, fill_."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..core.inplace import apply_in_place, check_overlap
from ..core.op import ELEMENTWISE, KEEP, LINEAR, function, op
from ..core.promote import result_dtype
from ..core.state import state, watched
from ..core.tensor import Tensor, bump_version, node_of, wrap
from ..devices import check_device
from ..dtypes import as_numpy_dtype, dtype
from ..memory_formats import check_memory_format
from ..strided import copied_in_order
from .factory import number_of_type


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g: g), backward_name="CloneBackward0")
def copied(input, *, order):
    """A copy with memory of its own; order "C" is row-major, "K" keeps the strides of a dense input."""
    if order == "channels_last":
        out = np.empty([input.shape[0], *input.shape[2:], input.shape[1]], input.dtype)
        out = np.moveaxis(out, -1, 1)
        out[...] = input
        return out
    return np.array(input, order="C") if order == "C" else copied_in_order(input, input.dtype)


_ORDERS = {
    "torch.contiguous_format": "C",
    "torch.channels_last": "channels_last",
    "torch.channels_last_3d": "channels_last",
}


def _order_of(name: str, memory_format, input: Tensor, default: str) -> str:
    """The order that a memory format asks for. TypeError for what is none, RuntimeError for another rank than its."""
    if memory_format is None:
        return default
    check_memory_format(name, memory_format)
    order = _ORDERS.get(str(memory_format), default)
    rank = 5 if memory_format.name.endswith("3d") else 4
    if order == "channels_last" and input.array.ndim != rank:
        raise RuntimeError(
            f"{name}(): required rank {rank} tensor to use {memory_format.name} format, got the shape "
            f"{list(input.array.shape)}"
        )
    return order


def _in_order(input: Tensor, order: str) -> bool:
    if order == "channels_last":
        return np.moveaxis(input.array, 1, -1).flags.c_contiguous
    return order == "K" or input.array.flags.c_contiguous


@function(torch="clone")
def clone(input: Tensor, *, memory_format=None) -> Tensor:
    """A copy with memory of its own, differentiable; the strides of a dense input are kept unless told otherwise."""
    return copied(input, order=_order_of("clone", memory_format, input, "K"))


@function(torch="Tensor.contiguous")
def contiguous(input: Tensor, memory_format=None) -> Tensor:
    """The tensor itself when its memory is row-major (or in the order of `memory_format`), else a copy that is."""
    order = _order_of("contiguous", memory_format, input, "C")
    return input if _in_order(input, order) else copied(input, order=order)


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g, source: cast(g, dtype=source)), backward_name="ToCopyBackward0")
def convert(input, *, dtype, source):
    """The values as another type; floats become integers by truncation, as in C."""
    return copied_in_order(input, dtype)


def cast(input: Tensor, *, dtype) -> Tensor:
    """`input` as `dtype` (a NumPy dtype); itself when it has that type already."""
    source = input.array.dtype
    return input if source == dtype else convert(input, dtype=dtype, source=source)


def to_dtype(input: Tensor, dtype) -> Tensor:
    """`input` as a `minitorch.dtype` (None: as it is)."""
    return input if dtype is None else cast(input, dtype=as_numpy_dtype(dtype))


@function(torch="Tensor.to")
def to(input: Tensor, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None) -> Tensor:
    """The tensor as another type or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`.

    Itself when nothing changes and `copy` is False. RuntimeError for a device other than the CPU.
    """
    for value in args:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, dtypes.dtype) or value in (float, int, bool):
            dtype = value
        elif isinstance(value, bool):
            copy = value if copy is False and non_blocking else copy
            non_blocking = True
        elif value is not None:
            device = value
    check_device(device)
    converted = to_dtype(input, dtype)
    if copy and converted is input:
        return clone(input, memory_format=memory_format)
    return converted if memory_format is None else _reordered("to", converted, memory_format)


def _reordered(name: str, input: Tensor, memory_format) -> Tensor:
    order = _order_of(name, memory_format, input, "K")
    return input if _in_order(input, order) else copied(input, order=order)


def _to_type(name: str, target: dtype):
    def convert_to(input: Tensor, memory_format=None) -> Tensor:
        return _reordered(name, to_dtype(input, target), memory_format)

    convert_to.__doc__ = f"The tensor as {target.name}; itself when it has that type already."
    return convert_to


_TYPE_METHODS = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool,
}  # fmt: skip
for _name, _target in _TYPE_METHODS.items():
    function(torch=f"Tensor.{_name}")(_to_type(_name, _target))


@function(torch="Tensor.cpu")
def cpu(input: Tensor, memory_format=None) -> Tensor:
    """The tensor itself: it lives on the CPU already."""
    check_memory_format("cpu", memory_format)
    return input


@function(torch="Tensor.cuda")
def cuda(input: Tensor, device=None, non_blocking=False, memory_format=None) -> Tensor:
    """AssertionError: there is no GPU here."""
    check_device("cuda" if device is None else device)
    return input


@function(torch="Tensor.type_as")
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor as the type of `other`."""
    return to_dtype(input, other.dtype)


LEGACY_TYPES = {
    "torch.FloatTensor": dtypes.float32, "torch.DoubleTensor": dtypes.float64, "torch.HalfTensor": dtypes.float16,
    "torch.BFloat16Tensor": dtypes.bfloat16, "torch.LongTensor": dtypes.int64, "torch.IntTensor": dtypes.int32,
    "torch.ShortTensor": dtypes.int16, "torch.CharTensor": dtypes.int8, "torch.ByteTensor": dtypes.uint8,
    "torch.BoolTensor": dtypes.bool,
}  # fmt: skip


@function(torch="Tensor.type")
def type_(input: Tensor, dtype=None, non_blocking=False):
    """The name of the tensor's type ("torch.FloatTensor"), or the tensor as another type (a dtype or such a name)."""
    if dtype is None:
        return next(name for name, t in LEGACY_TYPES.items() if t is input.dtype)
    if isinstance(dtype, str):
        if dtype not in LEGACY_TYPES:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = LEGACY_TYPES[dtype]
    return to_dtype(input, getattr(dtype, "dtype", dtype))


# Overwriting.


def _broadcast_to(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.broadcast_to(source, target.shape).astype(target.dtype)


def _zeros(g: Tensor) -> Tensor:
    return wrap(np.zeros(g.array.shape, g.array.dtype))


@op(
    ELEMENTWISE,
    dtype=KEEP,
    vjp=dict(input=_zeros, src=lambda g: g),
    backward_name="CopyBackwards",
)
def copied_over(input, src):
    """The values of `src`, broadcast to the shape and converted to the type of `input`"""
    return _broadcast_to(src, input)


@function(torch="Tensor.copy_")
def copy_(input: Tensor, src, non_blocking: bool = False) -> Tensor:
    """Overwrite the tensor with `src`, a tensor or number, broadcast and converted. RuntimeError when the shapes do not fit."""
    if isinstance(src, (bool, int, float)):
        src = wrap(np.array(src))
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    if src.array.ndim > input.array.ndim:
        raise RuntimeError(
            f"output with shape {list(input.array.shape)} doesn't match the broadcast shape {list(src.array.shape)}"
        )
    if (
        state.grad
        and (node_of(input) is not None or node_of(src) is not None)
        or (watched.threads and state.trace is not None)
    ):
        return apply_in_place("copy_", copied_over, input, (src,))
    check_overlap("copy_", input.array, (src,))
    try:
        np.copyto(input.array, src.array, casting="unsafe")
    except ValueError:
        raise RuntimeError(
            f"copy_(): the source of shape {list(src.array.shape)} cannot be broadcast to {list(input.array.shape)}"
        ) from None
    bump_version(input)
    return input


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=_zeros, value=lambda g: g), backward_name="FillBackward0")
def filled(input, value):
    """`value` everywhere, in the shape and type of `input`"""
    return _broadcast_to(value, input)


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=_zeros), backward_name="FillBackward0")
def filled_with(input, *, value):
    """A Python number everywhere, in the shape and type of `input`"""
    return np.full(input.shape, value).astype(input.dtype)


def _check_fill(input: Tensor, value) -> None:
    if isinstance(value, Tensor) and value.array.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim} dimensions."
        )
    if not isinstance(value, (Tensor, bool, int, float, np.number, np.bool_)):
        raise TypeError(f"fill_(): argument 'value' must be Tensor or Number, not {type(value).__name__}")
    if not isinstance(value, Tensor) and not -128 <= value < 128:  # these fit into every type
        number_of_type("fill_", value, input.array.dtype)


@function(torch="fill")
def fill(input: Tensor, value) -> Tensor:
    """A tensor like `input` with `value` (a number or 0-dim tensor) everywhere."""
    _check_fill(input, value)
    return filled(input, value) if isinstance(value, Tensor) else filled_with(input, value=value)


@function(torch=("Tensor.fill_", "fill_"))
def fill_(input: Tensor, value) -> Tensor:
    """Overwrite every element with `value` (a number or 0-dim tensor)."""
    _check_fill(input, value)
    if isinstance(value, Tensor):
        check_overlap("copy_", input.array)
    return apply_in_place("fill_", fill, input, (value,))


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=_zeros), backward_name="ZeroBackward0")
def zeroed(input):
    """Zeros in the shape and type of `input`"""
    return np.zeros(input.shape, input.dtype)


@function(torch=("Tensor.zero_", "zero_"))
def zero_(input: Tensor) -> Tensor:
    """Overwrite every element with zero."""
    return apply_in_place("zero_", zeroed, input)


@function(torch="result_type")
def result_type(tensor1, tensor2) -> dtype:
    """The type that arithmetic on the two (tensors or numbers) gives."""

    return result_dtype((tensor1, tensor2))


@function(torch="promote_types")
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both convert to."""
    return dtypes.promote_types(type1, type2)


@function(torch="can_cast")
def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of type `from_` may be written to a tensor of type `to`."""
    return dtypes.can_cast(from_, to)
