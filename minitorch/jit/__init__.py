"""torch.jit: the names of torch's compiler for programs that use it. Nothing is compiled: functions stay what they are.

`script` and `trace` return what they are given, `is_scripting()` is False. What needs a compiled program (`load`,
`save`) raises.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from ..trees import flatten as _flatten_tree
from . import annotations

T = TypeVar("T")

__all__ = [
    "Final", "TracerWarning", "annotate", "annotations", "export", "freeze", "ignore", "interface", "is_scripting", "is_tracing", "isinstance",
    "load", "optimize_for_inference", "save", "script", "script_if_tracing", "set_fusion_strategy", "trace", "trace_module",
    "unused",
]  # fmt: skip

_isinstance = isinstance


class TracerWarning(Warning):
    """torch's warning that a trace does not depend on something; never given here."""


class _Final:
    """`Final[int]` in annotations."""

    def __getitem__(self, kind: Any) -> Any:
        return kind


Final = _Final()


def script(obj: T, optimize: None = None, _frames_up: int = 0, _rcb: None = None, example_inputs: Any = None) -> T:
    """`obj`, a function, a class or a module, as it is."""
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **options: Any) -> T:
    """`func` as it is; it is not called."""
    return func


def trace_module(mod: T, inputs: Any, *args: Any, **options: Any) -> T:
    """`mod` as it is."""
    return mod


def freeze(mod: T, *args: Any, **options: Any) -> T:
    """`mod` as it is."""
    return mod


def optimize_for_inference(mod: T, *args: Any, **options: Any) -> T:
    """`mod` as it is."""
    return mod


def _unchanged(function: T) -> T:
    return function


# Decorators that tell torch's compiler what to leave out, or what to compile too.
unused = export = interface = script_if_tracing = _script_if_tracing = _overload_method = _overload = _unchanged


def ignore(drop: Any = False, **options: Any) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return drop if callable(drop) else _unchanged


def is_scripting() -> bool:
    """False: there is no compiler."""
    return False


def is_tracing() -> bool:
    """False: there is no compiler."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """`the_value`."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:  # noqa: A001 - torch's name
    """As Python's."""
    return _isinstance(obj, target_type)


def _flatten(tree: Any) -> tuple[list, Any]:
    """(the leaves of nested tuples, lists and dictionaries, what to rebuild them from)."""
    return _flatten_tree(tree)


def set_fusion_strategy(strategy: Any) -> list:
    """Nothing is fused."""
    return []


def load(f: Any, map_location: Any = None, *args: Any, **options: Any) -> Callable:
    """RuntimeError: a compiled program needs torch's own interpreter."""
    raise RuntimeError(
        "jit.load: minitorch has no interpreter for TorchScript; save a state_dict with torch.save instead"
    )


def save(m: Any, f: Any, *args: Any, **options: Any) -> None:
    """RuntimeError: nothing was compiled that could be saved."""
    raise RuntimeError("jit.save: minitorch does not compile; save the module's state_dict with torch.save instead")
