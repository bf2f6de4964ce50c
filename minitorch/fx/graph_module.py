"""torch.fx.graph_module: modules made of traced graphs, which are not made here."""

from __future__ import annotations

from typing import Any

from ..nn.modules.module import Module

__all__ = ["GraphModule"]


class GraphModule(Module):
    """For annotations and `isinstance`. RuntimeError where one is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise RuntimeError("fx.GraphModule: minitorch has no traced graphs")
