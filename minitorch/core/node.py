"""The tape: what a recorded operation leaves behind so that the backward pass can run its rules.

    x ──► Node(mul) ──► z          z.node is the Node that made z
          edges  = the nodes of its inputs, None where no gradient is needed
          inputs = exactly the inputs that its rules name (None for the others)
          output = the output's array, if a rule names z

A tensor that requires grad but was made by no operation (a parameter) has a `Leaf` instead.
"""

from __future__ import annotations

import traceback
import weakref

from .state import anomaly, tick

FREED = "freed"


class Hooks:
    """Functions to run on a node's gradient, in order of registration, and who wants to retain it."""

    __slots__ = ("functions", "retain", "post")

    def __init__(self):
        self.functions = {}
        self.retain = None
        self.post = {}

    def run(self, g):
        """`g` after every hook; a hook returns a new gradient, or None to leave it."""
        for function in tuple(self.functions.values()):
            result = function(g)
            if result is not None:
                _check_replaced(getattr(function, "__name__", repr(function)), g, result)
                g = result
        return g


def _check_replaced(name: str, g, result) -> None:
    """TypeError, RuntimeError when a hook returns what cannot take the place of the gradient `g`."""
    if isinstance(g, list):  # the gradients of several outputs
        return
    if not hasattr(result, "array"):
        raise TypeError(f"hook '{name}' must return a Tensor or None, got {type(result).__name__}")
    was, now = g.array, result.array
    if now.dtype != was.dtype:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {g.dtype}, got {result.dtype})")
    if now.shape != was.shape:
        raise RuntimeError(
            f"hook '{name}' has changed the size of value (was {list(was.shape)}, got {list(now.shape)})"
        )


class RemovableHandle:
    """What `register_hook` returns: `remove()` takes the hook away again. Also a context manager."""

    def __init__(self, table: dict):
        self.table, self.id = table, tick()

    def remove(self) -> None:
        self.table.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()


class Node:
    """One recorded operation. `shape` and `dtype` are those of its output, so of the gradient it receives."""

    __slots__ = (
        "op",
        "edges",
        "inputs",
        "output",
        "params",
        "birth",
        "shape",
        "dtype",
        "hooks",
        "stack",
        "__weakref__",
    )

    def __init__(self, op, edges, inputs, output, params, shape, dtype):
        self.op = op
        self.edges = edges
        self.inputs = inputs
        self.output = output
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.birth = tick()
        self.hooks = None
        if anomaly.enabled:
            self.stack = traceback.format_stack()[:-2]

    def gradients(self, g, needed) -> list:
        """The gradient for every edge (None where none is needed), by the op's rules.

        g: gradient of the loss with respect to this node's output (a tuple for several outputs).
        needed: the nodes that want one; None: all.
        """
        if self.inputs is FREED:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they "
                "have already been freed). Saved intermediate values of the graph are freed when you call .backward() "
                "or autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time "
                "or if you need to access saved tensors after calling backward."
            )
        parts: list = []
        joint: dict = {}  # what rules for several inputs have returned
        for i, edge in enumerate(self.edges):
            if edge is None or (needed is not None and edge not in needed):
                parts.append(None)
            elif type(edge) is Leaf and edge.tensor is nobody:
                for want in self.op.shared(i):
                    want(self, i)  # refuses what was changed, as torch does, though no rule is run
                parts.append(None)
            else:
                rule, wants, place = self.op.rule(i)
                if place is None:
                    parts.append(rule(g, *[want(self, i) for want in wants]))
                else:
                    if rule not in joint:
                        joint[rule] = rule(g, *[want(self, i) for want in wants])
                    parts.append(joint[rule][place])
        return parts

    def release(self):
        """Let go of everything kept for the rules."""
        if self.inputs or self.output is not None:
            self.inputs = FREED
            self.output = None

    # What torch shows of a grad_fn.
    def name(self) -> str:
        return self.op.backward_name

    @property
    def next_functions(self):
        return tuple([_shown(edge) for edge in self.edges])

    def register_hook(self, function):
        """Call `function(grad_inputs, grad_outputs)` after this node ran; it may return other grad_inputs."""
        return _register(self, "post", function)

    def register_prehook(self, function):
        """Call `function(grad_outputs)` before this node runs; it may return other grad_outputs."""

        def on_gradient(g):
            result = function((g,))
            return None if result is None else result[0]

        return _register(self, "functions", on_gradient)

    def __repr__(self):
        return f"<{self.name()} object at {hex(id(self))}>"


class MultiNode(Node):
    """A recorded operation with several outputs: `shape` and `dtype` are tuples, one entry per output."""

    __slots__ = ()


class Output:
    """One output of an operation that has several: a stop between the tensor and the operation's node."""

    __slots__ = ("node", "index", "birth", "shape", "dtype", "hooks")

    def __init__(self, node, index, shape, dtype):
        self.node, self.index, self.shape, self.dtype = node, index, shape, dtype
        self.birth = tick()
        self.hooks = None

    @property
    def edges(self):
        return (self.node,)

    def name(self) -> str:
        return self.node.name()

    @property
    def next_functions(self):
        return self.node.next_functions

    def __repr__(self):
        return repr(self.node)


class Leaf:
    """Where a gradient ends: it is added to the tensor's `.grad`."""

    __slots__ = ("tensor", "birth", "shape", "dtype", "hooks", "__weakref__")
    edges = ()

    def __init__(self, tensor):
        # Weak: the tensor owns its leaf, and a tensor nobody holds has no `.grad` that anybody could read.
        self.tensor = weakref.ref(tensor)
        self.shape = tensor.array.shape
        self.dtype = tensor.array.dtype
        self.birth = tick()
        self.hooks = None

    @property
    def variable(self):
        return self.tensor()

    @property
    def next_functions(self):
        return ()

    def name(self) -> str:
        return "AccumulateGrad"

    def __repr__(self):
        return f"<AccumulateGrad object at {hex(id(self))}>"


def _shown(edge) -> tuple:
    """The edge as torch shows it: a node and which of its outputs."""
    if isinstance(edge, Output):
        return edge.node, edge.index
    return (None if type(edge) is Leaf and edge.tensor is nobody else edge), 0


def _register(node, table: str, function) -> RemovableHandle:
    if node.hooks is None:
        node.hooks = Hooks()
    handle = RemovableHandle(getattr(node.hooks, table))
    handle.table[handle.id] = function
    return handle


def register_gradient_hook(node, function) -> RemovableHandle:
    """Call `function(g)` on the gradient that reaches `node`."""
    return _register(node, "functions", function)


def register_accumulate_hook(leaf, function) -> RemovableHandle:
    """Call `function(tensor)` after the leaf's `.grad` was updated."""
    return _register(leaf, "post", function)


def retain_gradient(tensor, node) -> None:
    """Have the backward pass store the gradient that reaches `node` in the `.grad` of `tensor` (None: nowhere)."""
    if node is not None:
        if node.hooks is None:
            node.hooks = Hooks()
        node.hooks.retain = None if tensor is None else weakref.ref(tensor)


def no_leaf(tensor) -> Leaf:
    """A leaf for the gradient of `tensor` that collects nothing: no rule is run for it."""
    leaf = Leaf(tensor)
    leaf.tensor = nobody
    return leaf


def nobody() -> None:
    """In the place of a leaf's tensor, where it never had one."""
    return None
