"""Is this the same as that? One comparison for every parity check, with its answer in plain words.

``compare(ours, theirs)`` takes what two libraries returned from the same call: tensors, arrays, numbers, dtypes,
shapes, or tuples and lists of them. It returns ``None``, or the first ``Difference``; ``assert_same`` raises it.

The rules: same structure, same dtype, same shape; integers and bools equal; NaN where NaN is, infinities equal; floats
within ``atol + rtol * |theirs|``. The tolerances are those of ``torch.testing.assert_close``, times 1e-4 in float64,
where everything but rounding noise shows. The sign of a zero counts only on request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .ulps import FORMATS, spacing

TOLERANCES = {  # dtype name -> (rtol, atol)
    "float64": (1e-11, 1e-11),
    "float32": (1.3e-6, 1e-5),
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
}


@dataclass(frozen=True)
class Difference:
    """What differs, where, and by how much."""

    kind: str  # structure, type, dtype, shape or value
    where: str  # "output[1]", "gradient of input"
    message: str  # the whole finding, one sentence
    index: tuple[int, ...] | None = None  # first differing element
    ours: Any = None
    theirs: Any = None
    count: int = 0  # how many elements differ
    total: int = 0
    distance: float = float("inf")  # the largest |ours - theirs| / (1 + |theirs|), of values

    def __str__(self) -> str:
        return self.message


def is_tensor(value: object) -> bool:
    """True for a tensor of either library."""
    return hasattr(value, "detach") and hasattr(value, "dtype")


def dtype_name(dtype: object) -> str:
    """``float32`` for ``torch.float32``, ``minitorch.float32`` and ``np.dtype("float32")`` alike."""
    return str(dtype).rsplit(".", 1)[-1]


def to_array(value: Any) -> tuple[np.ndarray, str]:
    """The elements of a tensor or array, bfloat16 widened to float32, and the name of its own dtype."""
    if hasattr(value, "array"):  # minitorch's slot
        array, name = np.asarray(value.array), dtype_name(value.dtype)
        return (array.astype(np.float32), name) if name == "bfloat16" else (array, name)
    if is_tensor(value):
        name = dtype_name(value.dtype)
        return (value.float() if name == "bfloat16" else value).numpy(force=True), name
    array = np.asarray(value)
    return array, str(array.dtype)


def is_dtype(value: object) -> bool:
    return type(value).__name__ == "dtype"


def compare(
    ours: Any,
    theirs: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    where: str = "output",
    check_dtype: bool = True,
    signed_zeros: bool = False,
) -> Difference | None:
    """The first difference between what minitorch and torch returned, or ``None``."""
    options = dict(rtol=rtol, atol=atol, check_dtype=check_dtype, signed_zeros=signed_zeros)

    def differs(kind: str, what: str, left: Any, right: Any) -> Difference:
        return Difference(kind, where, f"{where}: {what}: minitorch {left}, torch {right}", ours=left, theirs=right)

    arrays = is_tensor(theirs) or isinstance(theirs, np.ndarray)
    if arrays != (is_tensor(ours) or isinstance(ours, np.ndarray)):
        return differs("type", "type differs", describe(ours), describe(theirs))
    if arrays:
        return compare_arrays(ours, theirs, where, **options)
    if is_dtype(theirs) or is_dtype(ours):
        same = dtype_name(ours) == dtype_name(theirs)
        return None if same else differs("dtype", "dtype differs", ours, theirs)
    if isinstance(theirs, (tuple, list)):
        return compare_sequences(ours, theirs, where, differs, options)
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            return differs("structure", "keys differ", describe(ours), describe(theirs))
        pairs = ((f"{where}[{key!r}]", ours[key], theirs[key]) for key in theirs)
        return next((d for at, a, b in pairs if (d := compare(a, b, where=at, **options))), None)
    if type(ours) is not type(theirs):
        return differs("type", "type differs", describe(ours), describe(theirs))
    if isinstance(theirs, float):
        bounds = [TOLERANCES["float64"][i] if given is None else given for i, given in enumerate((rtol, atol))]
        wrong = differing(np.array(ours), np.array(theirs), *bounds)
        return differs("value", "value differs", ours, theirs) if wrong else None
    return None if ours == theirs else differs("value", "value differs", ours, theirs)


def compare_sequences(ours: Any, theirs: Any, where: str, differs: Any, options: dict) -> Difference | None:
    """Tuples and lists element by element; a named tuple must answer to torch's field names."""
    if not isinstance(ours, (tuple, list)) or isinstance(ours, list) != isinstance(theirs, list):
        return differs("structure", "structure differs", describe(ours), describe(theirs))
    if len(ours) != len(theirs):
        return differs("structure", "number of elements differs", len(ours), len(theirs))
    for name in field_names(theirs):
        if not hasattr(ours, name):
            return differs("structure", f"field {name!r} is missing", describe(ours), describe(theirs))
    for i, (left, right) in enumerate(zip(ours, theirs, strict=True)):
        if found := compare(left, right, where=f"{where}[{i}]", **options):
            return found
    return None


def field_names(value: Any) -> tuple[str, ...]:
    """The field names of a named tuple, or of one of torch's structured results (``torch.return_types``)."""
    if hasattr(value, "_fields"):
        return tuple(value._fields)
    if getattr(type(value), "n_sequence_fields", 0):
        return tuple(n for n in dir(type(value)) if type(getattr(type(value), n)).__name__ == "member_descriptor")
    return ()


def compare_arrays(
    ours: Any, theirs: Any, where: str, *, rtol: float | None, atol: float | None, check_dtype: bool, signed_zeros: bool
) -> Difference | None:
    left, left_name = to_array(ours)
    right, right_name = to_array(theirs)
    if check_dtype and left_name != right_name:
        text = f"{where}: dtype differs: minitorch {left_name}, torch {right_name}"
        return Difference("dtype", where, text, ours=left_name, theirs=right_name)
    if left.shape != right.shape:
        text = f"{where}: shape differs: minitorch {left.shape}, torch {right.shape}"
        return Difference("shape", where, text, ours=left.shape, theirs=right.shape)
    default_rtol, default_atol = TOLERANCES.get(right_name, (0.0, 0.0))
    rtol, atol = (default_rtol if rtol is None else rtol), (default_atol if atol is None else atol)
    wrong = differing(left, right, rtol, atol)
    if signed_zeros and right.dtype.kind == "f":
        wrong |= (right == 0) & (np.signbit(left) != np.signbit(right))
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    a, b = left[index].item(), right[index].item()
    text = f"{where}: value differs at {list(index)}: minitorch {a!r}, torch {b!r}"
    text += f"{how_far(a, b, right_name, rtol, atol)} ({int(wrong.sum())} of {wrong.size} elements differ)"
    with np.errstate(all="ignore"):
        apart = np.abs(left.astype(np.float64) - right) / (1 + np.abs(right.astype(np.float64)))
    distance = float(apart[wrong].max()) if np.isfinite(apart[wrong]).all() else float("inf")
    return Difference("value", where, text, index, a, b, int(wrong.sum()), wrong.size, distance)


def differing(left: np.ndarray, right: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """Where two arrays of one shape differ by more than ``atol + rtol * |right|``, as a bool array."""
    if left.dtype.kind not in "fc" and right.dtype.kind not in "fc":
        return np.asarray(left != right)
    left, right = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(all="ignore"):
        near = np.abs(left - right) <= atol + rtol * np.abs(right)
        near &= np.isfinite(left) & np.isfinite(right)
    return np.asarray(~(near | (left == right) | (np.isnan(left) & np.isnan(right))))


def how_far(ours: Any, theirs: Any, dtype: str, rtol: float, atol: float) -> str:
    """The distance in words, with what is allowed; nothing where no distance makes sense."""
    if dtype not in FORMATS or not (math.isfinite(ours) and math.isfinite(theirs)):
        return ""
    distance = abs(ours - theirs)
    ulps = distance / float(spacing(np.float64(theirs), dtype))
    return f", off by {distance:.3g} = {ulps:.4g} ulp where {atol + rtol * abs(theirs):.3g} is allowed"


def describe(value: Any) -> str:
    """A value in a few words: ``float32[2, 3]``, ``(float32[2], int64[2])``, ``None``."""
    if is_tensor(value) or isinstance(value, np.ndarray):
        return f"{dtype_name(value.dtype)}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(describe, value[:8])) + (", ..." if len(value) > 8 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    return f"{type(value).__name__} {value!r}" if isinstance(value, (bool, int, float)) else repr(value)


def assert_same(ours: Any, theirs: Any, **options: Any) -> None:
    """Raise ``AssertionError`` with the first difference; the options are those of ``compare``."""
    if found := compare(ours, theirs, **options):
        raise AssertionError(str(found))
