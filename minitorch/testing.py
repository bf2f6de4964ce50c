"""torch.testing: `assert_close`, which compares tensors by tolerances that suit their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .core.tensor import Tensor
from .dtypes import bfloat16, dtype, float16, float32, float64
from .ops.data import tensor
from .ops.random import rand

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# |actual - expected| <= atol + rtol * |expected|; dtype -> (rtol, atol)
TOLERANCES: dict[dtype, tuple[float, float]] = {
    float16: (1e-3, 1e-5),
    bfloat16: (1.6e-2, 1e-5),
    float32: (1.3e-6, 1e-5),
    float64: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless every element has |actual - expected| <= atol + rtol * |expected|.

    Takes tensors, arrays, numbers, and sequences and mappings of them. rtol and atol come together, or from the dtype
    (`TOLERANCES`; where two dtypes meet, the wider). msg: another text, or a function of the usual one.
    ValueError where only one tolerance is given, TypeError for what cannot be compared.
    """
    options = (rtol, atol, equal_nan, check_dtype, check_stride)
    fault = _fault(actual, expected, "", *options)
    if fault is not None:
        raise AssertionError(fault if msg is None else msg(fault) if callable(msg) else msg)


def _fault(actual: Any, expected: Any, where: str, *options: Any) -> str | None:
    """What is wrong, None if nothing is. `where`: the path to the item in the containers."""
    plain = (str, bytes, Tensor, np.ndarray)
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match:\nactual {set(actual)}, expected {set(expected)}"
        found = (_fault(actual[key], expected[key], f"{where}[{key!r}]", *options) for key in expected)
        return next((fault for fault in found if fault is not None), None)
    if isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, plain):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = enumerate(zip(actual, expected, strict=True))
        found = (_fault(a, b, f"{where}[{i}]", *options) for i, (a, b) in pairs)
        return next((fault for fault in found if fault is not None), None)
    return _tensor_fault(actual, expected, where, *options)


def _tensor_fault(
    actual: Any, expected: Any, where: str, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, check_stride: bool
) -> str | None:
    scalars = not isinstance(actual, (Tensor, np.ndarray)) and not isinstance(expected, (Tensor, np.ndarray))
    try:
        left, right = (x if isinstance(x, Tensor) else tensor(x) for x in (actual, expected))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
        ) from error
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"rtol and atol must both be specified or both be unspecified, but got no "
            f"{'rtol' if rtol is None else 'atol'} in contrast to {'atol' if rtol is None else 'rtol'}."
        )
    a, b = left.array, right.array
    kind = "Scalars" if scalars or a.ndim == b.ndim == 0 else "Tensor-likes"
    item = f"\n\nThe failure occurred for item {where}" if where else ""
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {left.shape} != {right.shape}.{item}"
    if check_dtype and not scalars and left.dtype is not right.dtype:
        return f"The values for attribute 'dtype' do not match: {left.dtype} != {right.dtype}.{item}"
    if check_stride and left.stride() != right.stride():
        return f"The values for attribute 'stride()' do not match: {left.stride()} != {right.stride()}.{item}"
    if rtol is None:
        usual = [
            TOLERANCES.get(x.dtype, (0.0, 0.0)) if not scalars or x.dtype is not float32 else (1e-7, 1e-7)
            for x in (left, right)
        ]
        rtol, atol = map(max, zip(*usual, strict=True))
    if a.dtype.kind in "iub" and b.dtype.kind in "iub" and not rtol and not atol:
        near = a == b
    else:
        a, b = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(all="ignore"):
            near = (a == b) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= atol + rtol * np.abs(b)))
        if equal_nan:
            near |= np.isnan(a) & np.isnan(b)
    if np.all(near):
        return None
    # What is printed is computed in the type of the tensors.
    a, b = (x.array.astype(np.int64) if x.array.dtype.kind in "iub" else x.array for x in (left, right))
    ratio = np.float32 if b.dtype.kind == "i" else b.dtype
    with np.errstate(all="ignore"):
        absolute = np.where(near, 0, np.abs(a - b))
        relative = np.where(near, 0, (absolute / np.abs(b)).astype(ratio))
    lines = [f"{kind} are not {'close' if rtol or atol else 'equal'}!", ""]
    if a.ndim == 0:
        lines.insert(2, f"Expected {b.item()} but got {a.item()}.")
    else:
        wrong = int(np.size(near) - np.sum(near))
        lines.append(f"Mismatched elements: {wrong} / {np.size(near)} ({wrong / np.size(near):.1%})")
    for name, values, allowed in (("absolute", absolute, atol), ("relative", relative, rtol)):
        i = np.unravel_index(int(np.argmax(values)), values.shape) if a.ndim else ()
        at = f" at index {tuple(int(n) for n in i)}" if a.ndim else ""
        bound = f" (up to {allowed} allowed)" if rtol or atol else ""
        lines.append(f"{'Greatest a' if name == 'absolute' and a.ndim else name[0].upper() if not a.ndim else 'Greatest r'}"
                     f"{name[1:]} difference: {values[i]}{at}{bound}")  # fmt: skip
    return "\n".join(lines) + item


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The old spelling of `assert_close`: types may differ, nan equals nan, plain numbers become tensors."""
    left, right = (x if isinstance(x, Tensor) else tensor(x) for x in (actual, expected))
    if rtol is None and atol is None:
        rtol, atol = map(max, zip(*(TOLERANCES.get(x.dtype, (0.0, 0.0)) for x in (left, right)), strict=True))
    assert_close(left, right, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def make_tensor(
    *shape: Any,
    dtype: dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
) -> Tensor:
    """A tensor of uniform random numbers in [low, high): for floating types [-9, 9), for bool [0, 2), otherwise [0, 10)."""
    size = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    usual = (-9.0, 9.0) if dtype.is_floating_point else (0.0, 2.0) if dtype.name == "bool" else (0.0, 10.0)
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    drawn = rand(size, dtype=float64) * (high - low) + low
    made = (drawn if dtype.is_floating_point else drawn.floor()).to(dtype)
    if exclude_zero:
        made[made == 0] = 1
    if noncontiguous and made.numel() > 1:
        made = made.repeat_interleave(2, dim=-1)[..., ::2]
    return made.requires_grad_(requires_grad)
