"""Functions that look at numbers, called once for every example; their gradients likewise."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import trees
from ..core.levels import highest, is_at, lifted, lowered, per_example
from ..core.node import MultiNode, Node, Output
from ..core.state import state
from ..core.tensor import Tensor, node_of, wrap
from ..tape import bare, follow, is_recorded, own_tape, pulled_back


class _Gradients:
    """The part of a node that differs for a function called for every example: its rule pulls back through each."""

    __slots__ = ()
    params: Any  # what Node keeps
    edges: Any

    def gradients(self, g, needed) -> list:
        function, leaves, structure, wanted = self.params
        pull = pullback(function, structure, wanted)
        found = pull(leaves, list(g) if isinstance(g, tuple) else [g])
        return [None if edge is None else part for edge, part in zip(self.edges, found, strict=True)]

    def name(self) -> str:
        return f"{self.params[0].__name__.capitalize()}Backward0"

    def release(self) -> None:
        pass


class EachNode(_Gradients, Node):
    __slots__ = ()


class MultiEachNode(_Gradients, MultiNode):
    __slots__ = ()


def pullback(function, structure, wanted: list[int]):
    """A function of the arguments' leaves and of cotangents: the gradient for the leaves at the places `wanted`."""

    @per_example
    def pull(leaves, cotangents):
        level = highest(leaves, {})
        recorded = state.grad and any([is_recorded(x, level) for x in (*leaves, *cotangents) if isinstance(x, Tensor)])
        with own_tape(level):
            full = list(leaves)
            for k in wanted:
                full[k] = follow(full[k] if level is None else lifted(full[k], level))
            args, kwargs = trees.unflatten(full, structure)
            outputs = [z for z in trees.flatten(function(*args, **kwargs))[0] if _is_floating(z)]
            pairs = [(z, v) for z, v in zip(outputs, cotangents, strict=True) if node_of(z) is not None]
            followed = [full[k] for k in wanted]
            found = pulled_back([z for z, _ in pairs], followed, [v for _, v in pairs], recorded)
        grads = [
            wrap(np.zeros(x.array.shape, x.array.dtype)) if g is None else g
            for x, g in zip(followed, found, strict=True)
        ]
        return [g if recorded else bare(g) for g in grads]

    return pull


def _is_floating(z) -> bool:
    return isinstance(z, Tensor) and z.dtype.is_floating_point


def call_each(level, function, args, kwargs):
    """The results of `function` for every example, as tensors of `level`; recorded where a gradient must flow."""
    leaves, structure = trees.flatten((args, kwargs))
    nodes = [node_of(x) if isinstance(x, Tensor) and is_at(level, x) else None for x in leaves]
    rows = []
    with lowered(level):
        for i in range(level.size):
            args, kwargs = trees.unflatten([level.pick(x, i) for x in leaves], structure)
            rows.append(function(*args, **kwargs))
    result = level.stacked(rows)
    wanted = [k for k, node in enumerate(nodes) if node is not None]
    if state.grad and wanted:
        _record(function, leaves, structure, wanted, [nodes[k] for k in wanted], trees.flatten(result)[0])
    return result


def _record(function, leaves, structure, wanted, nodes, outputs) -> None:
    outputs = [z for z in outputs if _is_floating(z)]
    params = (function, leaves, structure, wanted)
    shapes, dtypes = tuple([z.array.shape for z in outputs]), tuple([z.array.dtype for z in outputs])
    if len(outputs) == 1:
        outputs[0].node = EachNode(None, tuple(nodes), (), None, params, shapes[0], dtypes[0])
        return
    joint = MultiEachNode(None, tuple(nodes), (), None, params, shapes, dtypes)
    for i, z in enumerate(outputs):
        z.node = Output(joint, i, shapes[i], dtypes[i])
