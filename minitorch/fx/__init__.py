"""torch.fx: the names of torch's tracer, for programs that decorate or annotate with them. Nothing is traced here.

`wrap` returns what it is given. Making a graph, or tracing, raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from . import graph_module, node, proxy
from .graph_module import GraphModule
from .node import Graph, Node, map_arg
from .proxy import Proxy, Tracer

__all__ = [
    "Graph", "GraphModule", "Node", "Proxy", "Tracer", "graph_module", "map_arg", "node", "proxy", "replace_pattern",
    "symbolic_trace", "wrap",
]  # fmt: skip


def wrap(fn_or_name: str | Callable) -> str | Callable:
    """What it is given: a function, or the name of one, that a tracer would not look into."""
    return fn_or_name


def symbolic_trace(root: Any, concrete_args: Any = None) -> NoReturn:
    """RuntimeError: nothing is traced here."""
    raise RuntimeError("fx.symbolic_trace: minitorch has no tracer")


def replace_pattern(gm: Any, pattern: Any, replacement: Any) -> NoReturn:
    """RuntimeError: nothing is traced here."""
    raise RuntimeError("fx.replace_pattern: minitorch has no graphs")
