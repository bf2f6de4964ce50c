"""torch.fx.node: the nodes of traced graphs, which are not made here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Argument", "Graph", "Node", "Target", "map_arg"]

Target = Callable[..., Any] | str
Argument = Any


class Graph:
    """For annotations and `isinstance`. RuntimeError where one is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise RuntimeError(f"fx.{type(self).__name__}: minitorch has no traced graphs")


class Node(Graph):
    """For annotations and `isinstance`. RuntimeError where one is made."""


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`a`, nested tuples, lists, dictionaries and slices, with fn(node) for every Node in it."""
    if isinstance(a, Node):
        return fn(a)
    if isinstance(a, (tuple, list)):
        return type(a)(map_arg(x, fn) for x in a)
    if isinstance(a, dict):
        return {key: map_arg(value, fn) for key, value in a.items()}
    return slice(map_arg(a.start, fn), map_arg(a.stop, fn), map_arg(a.step, fn)) if isinstance(a, slice) else a
