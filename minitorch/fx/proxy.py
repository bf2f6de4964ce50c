"""torch.fx.proxy: what a tracer passes instead of tensors. There is no tracer here."""

from __future__ import annotations

from .node import Graph

__all__ = ["GraphAppendingTracer", "Proxy", "Tracer"]


class Tracer(Graph):
    """For subclasses and annotations. RuntimeError where one is made."""


class GraphAppendingTracer(Tracer):
    """For annotations. RuntimeError where one is made."""


class Proxy(Graph):
    """For annotations and `isinstance`, which is how programs ask whether they are traced: they never are."""
