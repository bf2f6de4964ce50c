"""torch's process-wide switches, for programs that set them. Results here do not depend on them."""

from __future__ import annotations

import builtins
import warnings
from typing import Any

from .core.state import state
from .core.tensor import Tensor
from .devices import CPU, check_device, device
from .dtypes import dtype, set_default_dtype

__all__ = [
    "are_deterministic_algorithms_enabled", "compile", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "is_deterministic_algorithms_warn_only_enabled", "is_inference_mode_enabled",
    "set_default_device", "set_default_tensor_type", "set_deterministic_debug_mode", "set_float32_matmul_precision",
    "set_flush_denormal", "set_num_interop_threads", "typename", "use_deterministic_algorithms",
]  # fmt: skip

PRECISIONS = ("highest", "high", "medium")
DEBUG_MODES = ("default", "warn", "error")


class _Switches:
    precision = "highest"
    deterministic = False
    warn_only = False
    interop_threads = 1


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` set; "highest" at first."""
    return _Switches.precision


def set_float32_matmul_precision(precision: str) -> None:
    """Float32 products are computed in float32 whatever is set. Another word than torch knows is left with a warning."""
    if precision not in PRECISIONS:
        warnings.warn(
            f"{precision} is not one of {', '.join(PRECISIONS)}; the current setting is left unchanged", stacklevel=2
        )
        return
    _Switches.precision = precision


def use_deterministic_algorithms(mode: builtins.bool, *, warn_only: builtins.bool = False) -> None:
    """Every operation is deterministic here, whatever is set."""
    _Switches.deterministic, _Switches.warn_only = builtins.bool(mode), builtins.bool(warn_only)


def are_deterministic_algorithms_enabled() -> builtins.bool:
    """What `use_deterministic_algorithms` set."""
    return _Switches.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> builtins.bool:
    """What `use_deterministic_algorithms` set for `warn_only`."""
    return _Switches.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 "default", 1 "warn", 2 "error": another spelling of `use_deterministic_algorithms`."""
    if isinstance(debug_mode, str):
        if debug_mode not in DEBUG_MODES:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of {', '.join(DEBUG_MODES)}, got {debug_mode}"
            )
        debug_mode = DEBUG_MODES.index(debug_mode)
    if debug_mode not in range(3):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, as `set_deterministic_debug_mode` takes them."""
    return 0 if not _Switches.deterministic else 1 if _Switches.warn_only else 2


def set_default_device(device: Any) -> None:
    """Accepts the CPU, where tensors are made anyhow. RuntimeError for another device."""
    check_device(device)


def get_default_device() -> device:
    """The CPU."""
    return CPU


def set_default_tensor_type(t: Any) -> None:
    """Set the default dtype by a tensor type: `FloatTensor`, or its name. TypeError for a type that is not floating."""
    name = t.rpartition(".")[2] if isinstance(t, str) else t.__name__
    kind: dtype | None = TENSOR_TYPES.get(name)
    if kind is None or not kind.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {t}")
    set_default_dtype(kind)


TENSOR_TYPES: dict[str, dtype] = {}  # filled by the package, which knows the old spellings


def set_flush_denormal(mode: builtins.bool) -> builtins.bool:
    """False: numbers below the smallest normal one are kept."""
    return False


def set_num_interop_threads(threads: int) -> None:
    """Operations run one after the other. RuntimeError for a number that is not positive."""
    if threads < 1:
        raise RuntimeError(f"Expected a positive number of threads, got {threads}")
    _Switches.interop_threads = threads


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` set; 1 at first."""
    return _Switches.interop_threads


def is_inference_mode_enabled() -> builtins.bool:
    """Whether the program is inside `inference_mode`."""
    return state.inference


def typename(obj: Any) -> str:
    """The name of a tensor's type, or of another object's class."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) or hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None) or ""
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


def compile(model: Any = None, **options: Any) -> Any:
    """`model`, a function or a module, as it is; also as a decorator with options. Nothing is compiled."""
    return model if model is not None else lambda function: function


def _assert(condition: Any, message: str) -> None:
    """`assert condition, message`, in the form that torch's tracer understands."""
    assert condition, message
