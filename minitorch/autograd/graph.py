"""The recorded graph as users see it: node types, and hooks on several tensors."""

from __future__ import annotations

from ..core.node import Node
from ..core.tensor import Tensor, bump_version, node_of

__all__ = ["Node", "get_gradient_edge", "increment_version"]


def increment_version(tensor) -> None:
    """Count an in-place change that was made behind the tensor's back (through `.data` or NumPy)."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        bump_version(t)


def get_gradient_edge(tensor: Tensor):
    """The (node, output number) that the tensor's gradient goes to. RuntimeError when it does not require grad."""
    node = node_of(tensor)
    if node is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return getattr(node, "node", node), getattr(node, "index", 0)
