"""Data types and torch's promotion rules, over NumPy's dtypes (floor 0: no Tensor here).

A `dtype` object is what users write (`minitorch.float32`); `.numpy` is the NumPy dtype that stores it.
bfloat16 has no NumPy type of its own: it comes from `ml_dtypes`, loaded when somebody first asks for it.

Promotion (torch docs, "Tensor Attributes"): operands fall into three ranks, tensors with dimensions, 0-dim
tensors, Python scalars. A lower rank only counts when its *category* (bool < integer < float) is higher than
that of the ranks above it.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

BOOL, INTEGER, FLOATING = 0, 1, 2


class dtype:
    """A data type: `name`, `itemsize` in bytes, `is_floating_point`, `is_signed`, and its NumPy dtype."""

    __slots__ = ("name", "category", "is_signed", "itemsize", "_numpy")

    def __init__(self, name: str, category: int, is_signed: builtins.bool, itemsize: int, numpy_dtype=None):
        self.name = name
        self.category = category
        self.is_signed = is_signed
        self.itemsize = itemsize
        self._numpy = numpy_dtype

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype; for bfloat16 this needs the `ml_dtypes` package."""
        if self._numpy is None:
            self._numpy = _load_bfloat16()
        return self._numpy

    @property
    def is_floating_point(self) -> builtins.bool:
        return self.category == FLOATING

    @property
    def is_complex(self) -> builtins.bool:
        return False

    def to_real(self) -> dtype:
        return self

    def __repr__(self) -> str:
        # torch's spelling, so that a program prints the same text whichever of the two it imports.
        return f"torch.{self.name}"

    def __reduce__(self):
        return _by_name, (self.name,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _make(name: str, category: int, is_signed: builtins.bool = True) -> dtype:
    numpy_dtype = np.dtype(name)
    return dtype(name, category, is_signed, numpy_dtype.itemsize, numpy_dtype)


float64 = _make("float64", FLOATING)
float32 = _make("float32", FLOATING)
float16 = _make("float16", FLOATING)
bfloat16 = dtype("bfloat16", FLOATING, True, 2)
int64 = _make("int64", INTEGER)
int32 = _make("int32", INTEGER)
int16 = _make("int16", INTEGER)
int8 = _make("int8", INTEGER)
uint8 = _make("uint8", INTEGER, is_signed=False)
bool = _make("bool", BOOL, is_signed=False)

ALL = (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool)
_from_numpy: dict[np.dtype, dtype] = {t._numpy: t for t in ALL if t._numpy is not None}
NUMPY_FLOATING = {np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16)}
# Types whose arithmetic is done in float32 and rounded back, as torch does ("opmath").
NUMPY_HALF = {np.dtype(np.float16)}


def _by_name(name: str) -> dtype:
    return next(t for t in ALL if t.name == name)


def _load_bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError as error:
        raise TypeError("bfloat16 needs the package ml_dtypes (python -m pip install ml_dtypes)") from error
    numpy_dtype = np.dtype(ml_dtypes.bfloat16)
    _from_numpy[numpy_dtype] = bfloat16
    NUMPY_FLOATING.add(numpy_dtype)
    NUMPY_HALF.add(numpy_dtype)
    return numpy_dtype


def from_numpy_dtype(numpy_dtype) -> dtype:
    """The `dtype` stored as `numpy_dtype`. TypeError for one that tensors cannot hold (complex, uint16, ...)."""
    found = _from_numpy.get(numpy_dtype)
    if found is None:
        numpy_dtype = np.dtype(numpy_dtype)
        if numpy_dtype.name == "bfloat16":
            bfloat16.numpy  # noqa: B018 - loading it fills the table
        found = _from_numpy.get(numpy_dtype.newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert an array of type {numpy_dtype} to a tensor. The supported types are: "
            + ", ".join(t.name for t in ALL)
        )
    return found


def as_numpy_dtype(value) -> np.dtype:
    """The NumPy dtype for a `dtype`, a NumPy dtype or Python's `float`, `int`, `bool`."""
    if isinstance(value, dtype):
        return value.numpy
    if value is float:
        return float64.numpy
    if value is int:
        return int64.numpy
    if value is builtins.bool:
        return bool.numpy
    return from_numpy_dtype(np.dtype(value)).numpy


_default = float32


def get_default_dtype() -> dtype:
    """The floating type of new tensors made from Python floats (float32 unless changed)."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the default floating type. TypeError for a type that is not floating."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default = d


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that both convert to, within torch's lattice (float16 with bfloat16 gives float32)."""
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == FLOATING:
        if a.itemsize == b.itemsize:
            return float32
        return a if a.itemsize > b.itemsize else b
    # Integers: uint8 against a signed type needs one bit more than uint8 has.
    if a.is_signed != b.is_signed:
        signed = a if a.is_signed else b
        return int16 if signed is int8 else signed
    return a if a.itemsize > b.itemsize else b


def scalar_dtype(value) -> dtype:
    """The type a Python number counts as: bool, int64, or the default floating type."""
    if isinstance(value, (builtins.bool, np.bool_)):
        return bool
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default
    raise TypeError(f"expected a number, got {type(value).__name__}")


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Whether torch lets a result of type `from_` be written to a tensor of type `to`: never down a category."""
    return from_.category <= to.category


def combine(dimensioned: list[dtype], zero_dim: list[dtype], scalars: list[dtype]) -> dtype:
    """torch's result type for operands of the three ranks, each given by its list of types."""
    result: Any = None
    for rank in (dimensioned, zero_dim, scalars):
        if not rank:
            continue
        own = rank[0]
        for other in rank[1:]:
            own = promote_types(own, other)
        if result is None:
            result = own
        elif own.category > result.category:
            result = own
    return result


class finfo:
    """Limits of a floating type: `bits`, `eps`, `max`, `min`, `tiny`, `smallest_normal`, `resolution`."""

    def __init__(self, type: dtype | None = None):
        type = _default if type is None else type
        if not isinstance(type, dtype) or not type.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        self.dtype = type.name
        self.bits = type.itemsize * 8
        if type is bfloat16:
            import ml_dtypes

            info: Any = ml_dtypes.finfo(type.numpy)
        else:
            info = np.finfo(type.numpy)
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = float(f"1e-{info.precision}")  # the digits that survive

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type: `bits`, `max`, `min`."""

    def __init__(self, type: dtype):
        if not isinstance(type, dtype) or type.category != INTEGER:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        info = np.iinfo(type.numpy)
        self.dtype, self.bits, self.max, self.min = type.name, info.bits, int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
