"""`autocast`: a region of a program in which torch computes matrix products in half precision.

Here the region is entered and left, and `is_autocast_enabled` answers accordingly, but every operation keeps computing
in the types of its inputs: in NumPy half precision is slower than float32, not faster. A program gives float32's
results, which are the more exact ones.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from ..dtypes import bfloat16, dtype, float16

__all__ = ["autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available", "is_autocast_enabled"]

DEVICES = ("cpu", "cuda", "mps", "xpu")
FAST: dict[str, dtype] = {"cpu": bfloat16, "cuda": float16, "mps": float16, "xpu": float16}


class _Regions(threading.local):
    """device type -> the types of the regions that are open in this thread, innermost last; None where switched off."""

    def __init__(self) -> None:
        self.open: dict[str, list[dtype | None]] = {name: [] for name in DEVICES}


_regions = _Regions()


class autocast:
    """`with autocast("cpu", dtype=bfloat16):`, or as a decorator. Types stay as they are (see above).

    enabled=False ends a region for a part of it. RuntimeError for an unknown device type. As in torch, a warning is
    given for "cuda" where there is none, and for a type that the CPU does not cast to.
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in DEVICES:
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = FAST[device_type] if dtype is None else dtype
        if device_type == "cuda" and enabled:
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling", UserWarning, stacklevel=2
            )
            enabled = False
        if device_type == "cpu" and enabled and self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In CPU autocast, but the target dtype {self.fast_dtype} is not supported. Disabling autocast.",
                UserWarning,
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self) -> autocast:
        _regions.open[self.device].append(self.fast_dtype if self._enabled else None)
        return self

    def __exit__(self, *error: Any) -> None:
        _regions.open[self.device].pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return inside


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the program is inside an `autocast` for the device type."""
    open = _regions.open[device_type]
    return bool(open) and open[-1] is not None


def get_autocast_dtype(device_type: str) -> dtype:
    """The type that the innermost `autocast` asks for, or the device type's usual one."""
    return next((kind for kind in reversed(_regions.open[device_type]) if kind is not None), FAST[device_type])


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device type."""
    return device_type in DEVICES


def custom_fwd(fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: dtype | None = None) -> Any:
    """Decorator for `forward` of a Function under autocast: nothing is cast here."""
    return fwd if fwd is not None else functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Any:
    """Decorator for `backward` of a Function under autocast: nothing is cast here."""
    return bwd if bwd is not None else functools.partial(custom_bwd, device_type=device_type)
