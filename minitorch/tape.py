"""Reverse modes inside of each other and of other transformations: where their tapes begin and end.

The tape of a reverse mode lies at one level (core/levels.py): its nodes connect tensors that are lifted to that level.
"""

from __future__ import annotations

from .core.lifted import Lifted
from .core.node import Leaf
from .core.state import state
from .core.tensor import Tensor, edits_of, node_of, wrap
from .engine import Walk
from .ops.shape import view_as


class own_tape:
    """Context manager: a reverse mode at `level` (None: below all levels). It records, whatever the grad mode around it;
    what the levels underneath do stays as it was."""

    def __init__(self, level):
        self.level = level

    def __enter__(self):
        self.grad, self.transforms = state.grad, state.transforms
        if self.level is not None:
            self.mode_below = self.level.mode_below
            if self.mode_below is None:
                self.level.mode_below = self.grad
        state.grad = True
        state.transforms += 1

    def __exit__(self, *error):
        state.grad, state.transforms = self.grad, self.transforms
        if self.level is not None:
            self.level.mode_below = self.mode_below


def is_recorded(x: Tensor, level) -> bool:
    """Whether `x` has a history at `level`, or at one that was opened since."""
    while True:
        if node_of(x) is not None:
            return True
        array = x.array
        if not isinstance(array, Lifted) or array.level is level:
            return False
        x = array.value


def bare(tensor: Tensor) -> Tensor:
    """The same tensor without the history that it has at its own level."""
    alias = wrap(tensor.array)
    alias.edits = edits_of(tensor)
    return alias


def follow(tensor: Tensor) -> Tensor:
    """The same values as something to differentiate by; what it depends on already is not forgotten."""
    if state.grad and node_of(tensor) is not None:
        return view_as(tensor, tensor)
    if not tensor.dtype.is_floating_point:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    alias = bare(tensor)
    alias.node = Leaf(alias)
    return alias


def pulled_back(outputs, inputs, cotangents, create_graph: bool) -> list:
    """The gradients of `outputs` with respect to `inputs`, None where there is none."""
    walk = Walk(create_graph, create_graph, {node_of(x) for x in inputs})
    walk.run([(node_of(z), v if create_graph else bare(v)) for z, v in zip(outputs, cotangents, strict=True)])
    return [walk.found.get(node_of(x)) for x in inputs]
