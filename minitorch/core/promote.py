"""dtype rules: what a kernel's inputs are converted to, and what its result is rounded to.

A rule is a function (op, inputs) -> (arrays, result): the ndarrays to call the kernel with, and the NumPy dtype to
round floating results to (None: leave them). Half types are computed in float32 and rounded once at the end, as
torch does; only KEEP, which moves data without arithmetic, leaves them as they are.
"""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..dtypes import FLOATING, NUMPY_HALF, combine, from_numpy_dtype, scalar_dtype
from ..strided import copied_in_order
from .tensor import Tensor

_FLOAT32 = np.dtype(np.float32)
_NUMBERS = (bool, int, float, np.number, np.bool_)
OPERANDS = (Tensor, *_NUMBERS)  # what an arithmetic operator combines a tensor with


def result_dtype(inputs) -> dtypes.dtype:
    """torch's result type of tensors and Python numbers (None entries are skipped)."""
    dimensioned: list[dtypes.dtype] = []
    zero_dim: list[dtypes.dtype] = []
    scalars: list[dtypes.dtype] = []
    for value in inputs:
        if isinstance(value, Tensor):
            (dimensioned if value.array.ndim else zero_dim).append(from_numpy_dtype(value.array.dtype))
        elif value is not None:
            scalars.append(scalar_dtype(value))
    return combine(dimensioned, zero_dim, scalars)


def not_a_tensor(op, name, value) -> TypeError:
    return TypeError(f"{op.title}(): argument '{name}' must be Tensor, not {type(value).__name__}")


def check_tensor(name: str, argument: str, value) -> None:
    """TypeError unless `value` is a Tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(value).__name__}")


def _check_operands(op, inputs) -> None:
    tensors = 0
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor):
            tensors += 1
        elif op.input_name(i) in op.numbers:
            if not isinstance(value, _NUMBERS):
                raise not_a_tensor(op, op.input_name(i), value)
        elif value is not None or (i and not op.reference.__defaults__):  # None: an input that may be left out
            raise not_a_tensor(op, op.input_name(i), value)
    if not tensors:
        raise not_a_tensor(op, op.input_name(0), inputs[0])


def _convert(inputs, compute: np.dtype) -> list:
    arrays: list = []
    for value in inputs:
        if isinstance(value, Tensor):
            array = value.array
            arrays.append(array if array.dtype is compute else copied_in_order(array, compute))
        else:
            arrays.append(None if value is None else number(value, compute))
    return arrays


def number(value, compute: np.dtype) -> np.ndarray:
    """A Python number as a 0-dim array; integers out of range wrap around, as C's do."""
    if compute.kind in "iu" and not -(2**63) <= value < 2**63:
        raise OverflowError(f"value {value} cannot be converted to type {compute} without overflow")
    if compute.kind in "iu":
        return np.array(value, np.int64).astype(compute)
    return np.array(value, compute)


def PROMOTE(op, inputs):
    """All inputs to torch's common type."""
    _check_operands(op, inputs)
    common = result_dtype(inputs).numpy
    if common in NUMPY_HALF:
        return _convert(inputs, _FLOAT32), common
    return _convert(inputs, common), None


def check_no_bools(*inputs) -> None:
    """RuntimeError when an operand of a subtraction is a bool."""
    for value in inputs:
        if isinstance(value, bool) or (isinstance(value, Tensor) and value.array.dtype == np.bool_):
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a "
                "mask, use the `~` or `logical_not()` operator instead."
            )


def DIFFERENCE(op, inputs):
    """As PROMOTE, but bools have no difference."""
    check_no_bools(*inputs)
    return PROMOTE(op, inputs)


def NUMBERS(op, inputs):
    """As PROMOTE, but not for bools: NotImplementedError."""
    arrays, result = PROMOTE(op, inputs)
    if arrays[0].dtype == np.bool_:
        raise NotImplementedError(f"{op.title}(): not implemented for 'Bool'")
    return arrays, result


def FLOATING_ONLY(op, inputs):
    """As PROMOTE, but not for integers and bools: NotImplementedError."""
    _check_operands(op, inputs)
    common = result_dtype(inputs)
    if common.category != FLOATING:
        raise NotImplementedError(f"{op.title}(): not implemented for {common}")
    return PROMOTE(op, inputs)


def FLOAT(op, inputs):
    """As PROMOTE, but integers and bools become the default floating type."""
    _check_operands(op, inputs)
    common = result_dtype(inputs)
    if common.category != FLOATING:
        common = dtypes.get_default_dtype()
    if common.numpy in NUMPY_HALF:
        return _convert(inputs, _FLOAT32), common.numpy
    return _convert(inputs, common.numpy), None


def COMPARE(op, inputs):
    """All inputs to the common type; the result is bool whatever that was."""
    _check_operands(op, inputs)
    return _convert(inputs, result_dtype(inputs).numpy), None


def _tensors(op, inputs) -> list:
    for i, value in enumerate(inputs):
        if value is not None and not isinstance(value, Tensor):
            raise not_a_tensor(op, op.input_name(i), value)
    return [None if value is None else value.array for value in inputs]


def KEEP(op, inputs):
    """Data movement: nothing is converted."""
    return _tensors(op, inputs), None


def SAME(op, inputs):
    """Floating inputs must agree in type (RuntimeError otherwise); integer inputs (indices) pass as they are."""
    arrays = _tensors(op, inputs)
    found = None
    for array in arrays:
        if array is None or array.dtype not in dtypes.NUMPY_FLOATING:
            continue
        if found is None:
            found = array.dtype
        elif array.dtype != found:
            raise RuntimeError(
                f"{op.title}(): expected all floating inputs to have the same dtype, but got "
                f"{from_numpy_dtype(found)} and {from_numpy_dtype(array.dtype)}"
            )
    if found in NUMPY_HALF:
        arrays = [a.astype(_FLOAT32) if a is not None and a.dtype == found else a for a in arrays]
        return arrays, found
    return arrays, None


def SUM(op, inputs):
    """As SAME, but bools and integers are computed in int64."""
    arrays, result = SAME(op, inputs)
    return [a.astype(np.int64, copy=False) if a is not None and a.dtype.kind in "iub" else a for a in arrays], result


def round_to(outputs, result: np.dtype | None):
    """A kernel's output (array or tuple) with its float32 parts rounded to `result`."""
    if result is None:
        return outputs
    if isinstance(outputs, tuple):
        return tuple(round_to(o, result) for o in outputs)
    return outputs.astype(result) if outputs.dtype == _FLOAT32 else outputs
