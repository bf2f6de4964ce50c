"""The walk backward: from the loss to the leaves, one node at a time, youngest first.

A node is always younger than the nodes of its inputs, so taking the youngest node that has a gradient, again and
again, is a topological order: when a node's turn comes, everything that used its output has already contributed.
The walk is a loop over a heap, not a recursion, so a graph may be as deep as memory allows.

    pending[node]   the sum of the gradients that have reached `node` so far
    heap            the same nodes, by birth

Rules are written in Tensor operations: run with grad mode off they are plain arithmetic; with `create_graph` they
are recorded like everything else, and the gradient can be differentiated again.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from .core.inplace import relayout
from .core.node import Leaf, MultiNode, Output
from .core.state import anomaly, state
from .core.tensor import Tensor, asked_node, bump_version, wrap
from .ops.convert import cast, copied
from .ops.reduce import sum_to_size
from .strided import is_dense


class Walk:
    """One backward pass. `targets`: the nodes whose gradients are wanted (None: accumulate into the leaves)."""

    def __init__(self, keep_graph: bool, create_graph: bool, targets=None):
        self.keep_graph, self.create_graph = keep_graph, create_graph
        self.targets = targets
        self.found: dict = {}
        self.pending: dict = {}
        self.owned: set = set()  # nodes whose pending gradient is an array nobody else holds
        self.heap: list = []

    def run(self, roots) -> None:
        """roots: (node, gradient) pairs to start from."""
        self.needed = None if self.targets is None else _leading_to(self.targets, [node for node, _ in roots])
        previous, state.grad = state.grad, self.create_graph
        outer, state.walk = state.walk, self
        try:
            for node, g in roots:
                self.add(node, g, fresh=False)
            while self.heap:
                self.visit(heappop(self.heap)[1])
        finally:
            state.grad, state.walk = previous, outer

    def add(self, node, g: Tensor, fresh: bool) -> None:
        """Contribute `g` to the gradient of `node`. fresh: nobody else holds its array."""
        array = g.array
        if array.shape != node.shape:
            g, fresh = sum_to_size(g, node.shape), True
        if array.dtype is not node.dtype and array.dtype != node.dtype:
            g, fresh = cast(g, dtype=node.dtype), True
        pending = self.pending
        if node in pending:
            pending[node] = pending[node] + g
            self.owned.add(node)
        else:
            pending[node] = g
            if fresh:
                self.owned.add(node)
            heappush(self.heap, (-node.birth, node))

    def add_output(self, output: Output, g: Tensor) -> None:
        """Contribute to one output of an operation that has several."""
        node = output.node
        slots = self.pending.get(node)
        if slots is None:
            slots = self.pending[node] = [None] * len(node.shape)
            heappush(self.heap, (-node.birth, node))
        slots[output.index] = g if slots[output.index] is None else slots[output.index] + g

    def visit(self, node) -> None:
        g = self.pending.pop(node)
        hooks = node.hooks
        if hooks is not None:
            g = self.run_hooks(hooks, g)
            self.owned.discard(node)
        if self.targets is not None and node in self.targets:
            self.found[node] = g
            self.owned.discard(node)
        kind = type(node)
        if kind is Leaf:
            if self.targets is None:
                self.accumulate(node, g)
        elif kind is Output:
            self.add_output(node, g)
        else:
            if kind is MultiNode or isinstance(g, list):
                g = tuple(
                    wrap(np.zeros(shape, dtype)) if part is None else part
                    for part, shape, dtype in zip(g, node.shape, node.dtype, strict=True)
                )
            if self.needed is not None and not any([edge in self.needed for edge in node.edges if edge is not None]):
                return  # a target beyond which nothing is asked for
            if state.profile is None:
                self.propagate(node, g)
            else:
                with state.profile.range(f"autograd::engine::evaluate_function: {node.name()}", "cpu_op"):
                    self.propagate(node, g)
            if not self.keep_graph:
                node.release()

    def propagate(self, node, g) -> None:
        """Run the node's rules and hand each result on."""
        if anomaly.enabled:
            return self.propagate_watched(node, g)
        if node.hooks is not None and node.hooks.post:
            return self.propagate_hooked(node, g)
        for edge, part in zip(node.edges, node.gradients(g, self.needed), strict=True):
            if part is not None:
                self.add(edge, part, fresh=part is not g and part.origin is None and node.op is not None)

    def propagate_hooked(self, node, g) -> None:
        grad_inputs = tuple(node.gradients(g, self.needed))
        grad_outputs = g if isinstance(g, tuple) else (g,)
        for hook in tuple(node.hooks.post.values()):
            result = hook(grad_inputs, grad_outputs)
            if result is not None:
                grad_inputs = result if isinstance(result, tuple) else (result,)
        for edge, part in zip(node.edges, grad_inputs, strict=True):
            if edge is not None and part is not None:
                self.add(edge, part, fresh=False)

    def propagate_watched(self, node, g) -> None:
        """Anomaly mode: say which forward call a failing or NaN gradient belongs to."""
        try:
            parts = node.gradients(g, self.needed)
        except Exception as error:
            raise type(error)(f"{error}{_forward_call(node)}") from error
        for i, (edge, part) in enumerate(zip(node.edges, parts, strict=True)):
            if part is None:
                continue
            if anomaly.check_nan and np.isnan(part.array).any():
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {i}th output.{_forward_call(node)}"
                )
            self.add(edge, part, fresh=False)

    def run_hooks(self, hooks, g):
        result = hooks.run(g)
        if hooks.retain is not None:
            tensor = hooks.retain()
            if tensor is not None:
                tensor._grad = copied(result, order="C") if tensor._grad is None else tensor._grad + result
        return result

    def accumulate(self, leaf: Leaf, g: Tensor) -> None:
        """Add `g` to the leaf tensor's `.grad`, which is in place unless that itself is to be differentiated."""
        tensor = leaf.tensor()
        if tensor is None or not tensor.requires_grad:
            return
        if tensor.node is not leaf or tensor.origin is not None:
            check_leaf(tensor)
        grad = tensor._grad
        if grad is None:
            if self.usable(leaf, g, tensor.array):
                tensor._grad = g if g.origin is None else wrap(g.array)
            else:
                tensor._grad = relayout(g, strides=_strides_of_grad(tensor.array))
        elif self.create_graph:
            tensor._grad = grad + g
        else:
            try:
                np.add(grad.array, g.array, out=grad.array, casting="unsafe")
            except ValueError:
                raise RuntimeError(
                    f".grad has shape {list(grad.array.shape)}, but a gradient of shape {list(g.array.shape)} is due"
                ) from None
            bump_version(grad)
        if leaf.hooks is not None:
            for hook in tuple(leaf.hooks.post.values()):
                if hook(tensor) is not None:
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")

    def usable(self, leaf: Leaf, g: Tensor, like: np.ndarray) -> bool:
        """Whether `g` can become `.grad` without a copy: nobody else holds it, and its strides are the right ones."""
        if self.create_graph or leaf not in self.owned or not g.array.flags.writeable:
            return False
        return g.array.flags.c_contiguous if like.flags.c_contiguous else g.array.strides == _strides_of_grad(like)


def check_leaf(tensor: Tensor) -> None:
    """RuntimeError for a tensor that was a leaf when the graph was recorded, and has got a history since: a view, by an
    in-place operation on its root."""
    node = asked_node(tensor)
    if node is not None and type(node) is not Leaf:
        raise RuntimeError(
            f"a leaf of shape {list(tensor.array.shape)} has been moved into the graph interior: its memory was written "
            "to by a recorded in-place operation, so there is no leaf for its gradient to go to"
        )


def _strides_of_grad(array: np.ndarray) -> tuple[int, ...]:
    """`.grad` has the strides of its tensor where those are dense, else row-major ones (torch's layout contract)."""
    return array.strides if is_dense(array) else np.empty(array.shape, array.dtype).strides


def _forward_call(node) -> str:
    stack = getattr(node, "stack", None)
    if stack is None:
        return " (No forward call is known: the node was made before anomaly mode was switched on.)"
    return f"\nThe forward call that made {node.name()}:\n{''.join(stack)}"


def _leading_to(targets, roots) -> set:
    """The nodes on a path from the roots to a target: only these have to be visited."""
    order, seen, stack = [], set(), list(roots)
    oldest = min([node.birth for node in targets], default=0)  # what is older leads to none of them
    while stack:
        node = stack.pop()
        if node in seen or node.birth < oldest:
            continue
        seen.add(node)
        order.append(node)
        stack.extend(edge for edge in node.edges if edge is not None)
    needed = set(targets)
    for node in sorted(order, key=lambda n: n.birth):
        if node not in needed and any(edge in needed for edge in node.edges if edge is not None):
            needed.add(node)
    return needed
