"""The text of a tensor, character by character as torch writes it (floor 0: arrays in, strings out).

All elements of a tensor are written in one common format, chosen from the finite nonzero ones: whole numbers as `1.`,
else fixed point, else scientific when the magnitudes spread over more than 1000, exceed 1e8 or fall below 1e-4. A
tensor of more than `threshold` elements shows `edgeitems` at both ends of every dimension.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np

from . import dtypes


@dataclasses.dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES: dict[str | None, dict[str, float]] = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on; None leaves an option as it is, except that `sci_mode=None` means automatic.

    precision: digits after the point. threshold: more elements than this are summarised. edgeitems: how many are then
    shown at each end of a dimension. linewidth: characters per line. profile: "default", "short" or "full", over which
    the other arguments win.
    """
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    chosen = _PROFILES.get(profile, {}) | {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict:
    """The options in force, as keyword arguments for `set_printoptions`."""
    return dataclasses.asdict(_options)


def tensor_text(
    array: np.ndarray,
    *,
    name: str = "tensor",
    grad_fn: str | None = None,
    requires_grad: bool = False,
    tangent: str | None = None,
    contents: str | None = None,
) -> str:
    """`array` as `name(...)`, followed by what is not the default of size, dtype, grad_fn or requires_grad, tangent.

    contents: what stands between the brackets instead of the elements.
    """
    dtype = dtypes.from_numpy_dtype(array.dtype)
    suffixes = []
    if array.size == 0 and array.ndim != 1 or array.size and not _options.edgeitems:
        suffixes.append(f"size={tuple(array.shape)}")
    # An empty list does not even tell integers from floats.
    understood = (dtypes.get_default_dtype(),) + ((dtypes.int64, dtypes.bool) if array.size else ())
    if dtype not in understood:
        suffixes.append(f"dtype={dtype}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    prefix = f"{name}("
    return _append(prefix + (contents or _contents(array, len(prefix))), suffixes, len(prefix))


def _append(text: str, suffixes: Iterable[str], indent: int) -> str:
    """The suffixes after commas, each on a new line when it no longer fits, and the closing bracket."""
    # torch counts two characters more than the line has, so it breaks a little earlier than it need.
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _contents(array: np.ndarray, indent: int) -> str:
    if array.size == 0:
        return "[]"
    summarize = array.size > _options.threshold
    write, width = _common_format(_shown(array) if summarize else array)
    per_line = max(1, (_options.linewidth - indent - array.ndim + 1) // (width + 2))
    return _nested(array, indent, summarize, write, per_line)


def _nested(array: np.ndarray, indent: int, summarize: bool, write: Callable[..., str], per_line: int) -> str:
    """Brackets within brackets; `indent` is the column of the opening one."""
    if array.ndim == 0:
        return write(array.item())
    edge = _options.edgeitems
    cut = summarize and len(array) > 2 * edge
    shown = [array[:edge], array[len(array) - edge :]] if cut else [array]
    if array.ndim > 1:
        parts = [[_nested(a, indent + 1, summarize, write, per_line) for a in part] for part in shown]
        items = parts[0] + ["..."] + parts[1] if cut else parts[0]
        return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(items) + "]"
    parts = [[write(value) for value in part.tolist()] for part in shown]
    items = parts[0] + [" ..." if edge else "..."] + parts[1] if cut else parts[0]
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _shown(array: np.ndarray) -> np.ndarray:
    """The elements that a summary shows. With `edgeitems=0` that is nothing, though torch measures a vector whole."""
    edge = _options.edgeitems
    if not edge:
        return array if array.ndim < 2 else array[:0]
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
    return array


def _common_format(array: np.ndarray) -> tuple[Callable[..., str], int]:
    """A function that writes one element, and the width to which it pads on the left."""
    if not dtypes.from_numpy_dtype(array.dtype).is_floating_point:
        width = max(len(str(value)) for value in array.reshape(-1).tolist())
        return lambda value: f"{value}".rjust(width), width

    values = array.astype(np.float64).reshape(-1)
    measured = values[np.isfinite(values) & (values != 0)]
    if measured.size == 0:
        return lambda value: f"{value:.0f}" + "." * math.isfinite(value), 1
    magnitudes = np.abs(measured)
    smallest, largest = magnitudes.min(), magnitudes.max()
    scientific = _options.sci_mode
    if scientific is None:
        with np.errstate(over="ignore"):
            scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    whole = (measured == np.ceil(measured)).all()

    def plain(value: float) -> str:
        if scientific:
            return f"{value:.{_options.precision}e}"
        if whole:
            return f"{value:.0f}" + "." * math.isfinite(value)
        return f"{value:.{_options.precision}f}"

    width = max(len(plain(value)) for value in measured.tolist())
    return lambda value: plain(value).rjust(width), width
