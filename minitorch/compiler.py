"""torch.compiler: hints for a compiler that is not here. Functions stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "reset",
]


def disable(fn: Callable | None = None, recursive: bool = True, **options: Any) -> Any:
    """`fn` as it is; also as a decorator with options."""
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """`fn` as it is."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """`fn` as it is."""
    return fn


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_compiling


def cudagraph_mark_step_begin() -> None:
    """Nothing."""


def reset() -> None:
    """Nothing."""
