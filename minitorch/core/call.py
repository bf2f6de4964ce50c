"""Calling an operation: arrays out of the tensors, the kernel, a tensor around the result, a node on the tape.

This is the hottest code of the library: on small tensors it is most of the cost of an operation. So there is one
caller for operations with one input, one for two, one for views, and a general one; the first three hold the common
case (float32 or float64, one type) in a straight line and leave everything else to the general one. All do the same:

    1. let a watcher (forward mode, vmap, a profiler: `state.trace`) take the call, if there is one      levels.py
    2. convert the inputs by the op's dtype rule                         promote.py
    3. run the kernel that is selected now
    4. record a Node when grad mode is on and an input requires grad     node.py
"""

from __future__ import annotations

import functools

import numpy as np

from ..dtypes import from_numpy_dtype
from ..strided import arranged, is_row_by_row
from .lifted import Lifted
from .node import MultiNode, Node, Output
from .promote import COMPARE, DIFFERENCE, FLOAT, FLOATING_ONLY, KEEP, OPERANDS, PROMOTE, SAME, SUM, round_to
from .refusals import told
from .state import state, tick, watched
from .tensor import Edits, Origin, Tensor, new, node_of, wrap

ndarray, array = np.ndarray, np.array
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)


def make_caller(op):
    """The function that runs `op`: positional arguments are its inputs, keywords its parameters."""
    if op.composite is not None and not op.rules:
        return _composite_caller(op, _plain_caller(op))
    return _plain_caller(op)


def _plain_caller(op):
    if op.kind == "view":
        return _view_caller(op)
    if op.variadic is None and len(op.inputs) == 1:
        return _unary_caller(op)
    if op.variadic is None and len(op.inputs) == 2 and op.dtype in _PLAIN_RULES and not _has_optional_input(op):
        return _binary_caller(op)
    if op.variadic is not None and not op.inputs and op.dtype is KEEP:
        return _joining_caller(op)
    if op.dtype is KEEP or op.dtype in _PLAIN_RULES:
        return _several_caller(op)
    return _general_caller(op)


_PLAIN_RULES = (
    PROMOTE,
    DIFFERENCE,
    FLOAT,
    FLOATING_ONLY,
    COMPARE,
    SAME,
    SUM,
)  # these leave two inputs of one floating type as they are


def _has_optional_input(op) -> bool:
    return bool(op.reference.__defaults__)


def _unary_caller(op):
    moves = op.dtype is KEEP
    (keeps_input,), keeps_output = op.keeps((True,))

    def call(input, **params):
        if (watched.threads and state.trace is not None) or not isinstance(input, Tensor):
            return run(op, (input,), params)
        values = input.array
        dtype = values.dtype
        if moves or dtype is FLOAT32 or dtype is FLOAT64:
            try:
                out = op.kernel(values, **params) if params else op.kernel(values)
            except Exception as error:
                raise refused(op, (input,), error) from None
            if out.__class__ is not ndarray:
                if out.__class__ is tuple:
                    return finish(op, (input,), params, out)
                out = array(out)  # a number; np.asarray takes three times as long
        else:
            return run(op, (input,), params)
        if moves:
            row_major = False
        elif not (row_major := input.row_major):
            out, row_major = in_order(op, out, (input,))
        z = new(Tensor)
        z.array = out
        z.node = z.origin = z.edits = None
        z.row_major = row_major
        if input.origin is None:
            node = input.node
        else:  # only where it is needed: of some views the history may not be asked for
            node = node_of(input) if state.grad and out.dtype.kind not in "iub" else None
        if node is not None and state.grad and out.dtype.kind not in "iub":
            if keeps_output:
                z.edits = Edits()
                output = (out, z.edits)
            else:
                output = None
            z.node = Node(op, (node,), (input,) if keeps_input else (), output, params, out.shape, out.dtype)
        return z

    return call


def in_order(op, out, inputs):
    """The result of `op` on `inputs` in torch's memory order, and whether that is row-major.

    Operations that move data (KEEP) see to that themselves.
    """
    known = True
    for x in inputs:
        if isinstance(x, Tensor) and not x.row_major:
            x.row_major = is_row_by_row(x.array)
            known = known and x.row_major
    return (out, True) if known else (_ordered(op, out, [x.array for x in inputs if isinstance(x, Tensor)]), False)


def _ordered(op, out, arrays):
    if out.__class__ is not ndarray:
        return out
    return arranged(out, arrays) if op.kind == "elementwise" else np.asarray(out, order="C")


def _view_caller(op):
    """For operations whose result shares the memory of their one input. Their rules keep nothing."""

    def call(input, **params):
        if (watched.threads and state.trace is not None) or not isinstance(input, Tensor):
            return run(op, (input,), params)
        try:
            out = op.kernel(input.array, **params)
        except Exception as error:
            raise refused(op, (input,), error) from None
        return (views_of if out.__class__ is tuple else view_of)(input, op, params, out)

    return call


def view_of(input, op, params, out):
    """The tensor around `out`, which the view operation `op` made from `input`'s memory."""
    grad = state.grad
    parent = input.origin
    # Origin(input, op.call, params, ...) written out: this is half the cost of a small view.
    origin = new(Origin)
    if parent is None:
        origin.root, origin.parent, node, kind = input, input.array, input.node, "default"
    else:
        origin.root, origin.parent, node, kind = parent.root, parent, node_of(input), parent.kind
    origin.op = op.call
    origin.params = params
    origin.seen = tick()
    origin.kind = kind if grad else "no_grad"
    z = new(Tensor)
    z.array = out
    z.origin = origin
    z.edits = None
    z.row_major = False
    if grad and node is not None and out.dtype.kind not in "iub":
        z.node = Node(op, (node,), (), None, params, out.shape, out.dtype)
    else:
        z.node = None
    return z


def views_of(input, op, params, outs):
    """The tensors around several views that `op` made at once. Under autograd they refuse in-place operations."""
    kind = "multi" if state.grad else "no_grad"
    node = node_of(input) if state.grad else None
    if node is not None:
        shapes, dtypes = tuple([out.shape for out in outs]), tuple([out.dtype for out in outs])
        joint = MultiNode(op, (node,), (), None, params, shapes, dtypes)
    views = []
    for i, out in enumerate(outs):
        z = wrap(out)
        z.origin = Origin(input, nth(op, i), params, kind)
        if node is not None and out.dtype.kind not in "iub":
            z.node = Output(joint, i, out.shape, out.dtype)
        views.append(z)
    return tuple(views)


class Nth:
    """One output of an operation that makes several views, as a function of its own."""

    __slots__ = ("op", "index")

    def __init__(self, op, index):
        self.op, self.index = op, index

    def __call__(self, input, **params):
        return self.op.call(input, **params)[self.index]


nth = functools.cache(Nth)


def make_operator(op):
    """What runs for one of Python's binary operators: `op`, but NotImplemented for an operand that it has no use for, so
    that Python lets the other operand try."""
    operator = _binary_caller(op, _operate)
    operator.__name__ = operator.__qualname__ = op.name
    operator.__doc__, operator.__wrapped__ = op.reference.__doc__, op.reference
    return operator


def _operate(op, inputs, params):
    input, other = inputs
    if not isinstance(input, Tensor):
        raise TypeError(f"{op.title}(): an operator of Tensor doesn't apply to a '{type(input).__name__}' object")
    if isinstance(other, ndarray) and (op.dtype is not COMPARE or op.name in ("eq", "ne")):
        other = wrap(np.asarray(other, from_numpy_dtype(other.dtype).numpy))
    return run(op, (input, other), params) if isinstance(other, OPERANDS) else NotImplemented


def _binary_caller(op, otherwise=None):
    general = otherwise or run
    compares = op.dtype is COMPARE
    takes_number = op.inputs[1] in op.numbers
    elementwise = op.kind == "elementwise"
    keeps_both, keeps_first, keeps_second = (op.keeps(pair) for pair in ((True, True), (True, False), (False, True)))

    def call(input, other, **params):
        if (watched.threads and state.trace is not None) or not isinstance(input, Tensor):
            return general(op, (input, other), params)
        a = input.array
        dtype = a.dtype
        if dtype is not FLOAT32 and dtype is not FLOAT64:
            return general(op, (input, other), params)
        node_b = None
        row_major = input.row_major
        if isinstance(other, Tensor):
            b = other.array
            if dtype is not b.dtype:
                return general(op, (input, other), params)
            if not other.row_major:
                row_major = False
            node_b = other.node if other.origin is None else None if compares or not state.grad else node_of(other)
        elif takes_number and (other.__class__ is float or other.__class__ is int):
            b = array(other, dtype)
        else:
            return general(op, (input, other), params)
        try:
            out = op.kernel(a, b, **params) if params else op.kernel(a, b)
        except Exception as error:
            raise refused(op, (input, other), error) from None
        if out.__class__ is not ndarray:
            if out.__class__ is tuple:
                return finish(op, (input, other), params, out)
            out = array(out)
        if not row_major:
            if elementwise or not out.flags.c_contiguous:
                out, row_major = in_order(op, out, (input, other))
            else:
                row_major = True  # only elementwise results take the order of their inputs
        z = new(Tensor)
        z.array = out
        z.node = z.origin = z.edits = None
        z.row_major = row_major
        if compares:
            return z
        node_a = input.node if input.origin is None else node_of(input) if state.grad else None
        if (node_a is not None or node_b is not None) and state.grad and out.dtype.kind not in "iub":
            (keep_a, keep_b), keep_z = keeps_second if node_a is None else keeps_first if node_b is None else keeps_both
            if keep_z:
                z.edits = Edits()
            kept = (input if keep_a else None, other if keep_b else None) if keep_a or keep_b else ()
            z.node = Node(
                op, (node_a, node_b), kept,
                (out, z.edits) if keep_z else None, params, out.shape, out.dtype,
            )  # fmt: skip
        return z

    return call


def _joining_caller(op):
    """For operations on any number of tensors that only move data (cat, stack). Their rules keep no tensors."""

    def call(*tensors, **params):
        if watched.threads and state.trace is not None:
            return state.trace(op, tensors, params)
        grad = state.grad
        arrays, nodes, recorded = [], [], False
        for x in tensors:
            arrays.append(x.array)
            node = x.node if x.origin is None else node_of(x) if grad else None
            if node is not None:
                recorded = True
            nodes.append(node)
        out = op.kernel(*arrays, **params)
        z = new(Tensor)
        z.array = out
        z.node = z.origin = z.edits = None
        z.row_major = False
        if recorded and grad and out.dtype.kind not in "iub":
            z.node = Node(op, tuple(nodes), (), None, params, out.shape, out.dtype)
        return z

    return call


def _several_caller(op):
    """For operations on several tensors, of which some may be None (linear without a bias) or indices (gather)."""
    count = None if op.variadic else len(op.inputs)
    moves = op.dtype is KEEP
    passes_indices = op.dtype is SAME

    def call(*inputs, **params):
        if (watched.threads and state.trace is not None) or (count is not None and len(inputs) != count):
            return run(op, inputs, params)
        arrays, nodes, dtype, recorded = [], [], None, False
        for x in inputs:
            if x is None:
                arrays.append(None)
                nodes.append(None)
                continue
            if not isinstance(x, Tensor):
                return run(op, inputs, params)
            a = x.array
            if a.dtype is not dtype and not moves:
                if dtype is None and (a.dtype is FLOAT32 or a.dtype is FLOAT64):
                    dtype = a.dtype
                elif not (passes_indices and a.dtype.kind in "iub"):
                    return run(op, inputs, params)
            node = x.node if x.origin is None else node_of(x)
            if node is not None:
                recorded = True
            arrays.append(a)
            nodes.append(node)
        try:
            out = op.kernel(*arrays, **params)
        except Exception as error:
            raise refused(op, inputs, error) from None
        if not moves:
            out = _ordered(op, out, arrays)
        return _recorded(op, inputs, params, out, tuple(nodes), recorded and state.grad)

    return call


def _general_caller(op):
    def call(*inputs, **params):
        return run(op, inputs, params)

    return call


def _composite_caller(op, plain):
    """For a fused operation without rules of its own: its composite, whenever a gradient must flow."""

    def call(*inputs, **params):
        if watched.threads and state.trace is not None:
            return state.trace(op, inputs, params)
        if state.grad and any(isinstance(x, Tensor) and node_of(x) is not None for x in inputs):
            return op.composite(*inputs, **params)
        return plain(*inputs, **params)

    return call


def run(op, inputs, params):
    """Any operation on any inputs: the general path of every caller."""
    if watched.threads and state.trace is not None:
        return state.trace(op, inputs, params)
    inputs = complete(op, inputs, params)
    arrays, result = op.dtype(op, inputs)
    try:
        out = op.kernel(*arrays, **params)
    except Exception as error:
        raise refused(op, inputs, error) from None
    if out.__class__ is not ndarray and out.__class__ is not tuple:
        out = np.asarray(out)
    if op.dtype is not KEEP:
        if result is not None:  # the half types themselves, not what they were widened to
            arrays = [
                x.array if isinstance(x, Tensor) and x.array.dtype == result else a
                for x, a in zip(inputs, arrays, strict=True)
            ]
        out = _ordered(op, out, arrays)
    return finish(op, inputs, params, round_to(out, result))


def complete(op, inputs, params) -> tuple:
    """The inputs in order, with those that were left out (None) or given by keyword. TypeError when they do not fit."""
    missing = len(op.inputs) - len(inputs)
    if missing == 0 or (missing < 0 and op.variadic is not None):
        return inputs
    try:
        bound = op.signature.bind(*inputs, **params)
    except TypeError as error:
        raise TypeError(f"{op.title}(): {error}") from None
    bound.apply_defaults()
    for name in op.inputs:
        params.pop(name, None)
    return bound.args


def finish(op, inputs, params, out, nodes=None):
    """Tensors around the kernel's output, recorded where a gradient must flow: to `nodes` (None: the inputs' own)."""
    if op.kind == "view":
        return (views_of if out.__class__ is tuple else view_of)(inputs[0], op, params, out)
    if nodes is None:
        smooth = state.grad and (out.__class__ is tuple or out.dtype.kind not in "iub")
        nodes = tuple([node_of(x) if smooth and isinstance(x, Tensor) else None for x in inputs])
    return _recorded(op, inputs, params, out, nodes, state.grad and nodes.count(None) < len(nodes))


def _recorded(op, inputs, params, out, nodes, recorded: bool):
    if out.__class__ is not ndarray:
        if out.__class__ is tuple:
            return _finish_several(op, inputs, params, out, nodes if recorded else None)
        out = _as_array(out)
    z = wrap(out)
    if recorded and out.dtype.kind not in "iub":
        mask, keep_z = op.keeps(tuple([node is not None for node in nodes]))
        if keep_z:
            z.edits = Edits()
        kept = tuple([x if keep else None for x, keep in zip(inputs, mask, strict=True)]) if any(mask) else ()
        z.node = Node(op, nodes, kept, (out, z.edits) if keep_z else None, params, out.shape, out.dtype)
    return z


def _as_array(out, order=None):
    if out.__class__ is ndarray and (order is None or out.flags.c_contiguous):
        return out
    return out if isinstance(out, Lifted) else np.asarray(out, order=order)


def _finish_several(op, inputs, params, outs, nodes):
    order = None if op.dtype is KEEP else "C"
    tensors = tuple([wrap(_as_array(out, order)) for out in outs])
    if nodes is None:
        return tensors
    mask, keep_z = op.keeps(tuple([node is not None for node in nodes]))
    output = None
    if keep_z:
        for z in tensors:
            z.edits = Edits()
        output = tuple([(z.array, z.edits) for z in tensors])
    kept = tuple([x if keep else None for x, keep in zip(inputs, mask, strict=True)]) if any(mask) else ()
    shapes, dtypes = tuple([z.array.shape for z in tensors]), tuple([z.array.dtype for z in tensors])
    node = MultiNode(op, nodes, kept, output, params, shapes, dtypes)
    for i, z in enumerate(tensors):
        if z.array.dtype.kind not in "iub":
            z.node = Output(node, i, z.array.shape, z.array.dtype)
    return tensors


def refused(op, inputs, error: Exception) -> Exception:
    """A kernel's error, naming the operation and the shapes; NumPy's own about shapes or types in torch's class and words."""
    shapes = [tuple(x.array.shape) for x in inputs if isinstance(x, Tensor)]
    numpys = isinstance(error, ValueError) or (isinstance(error, TypeError) and "ufunc" in str(error))
    if op.kind == "elementwise" and len(shapes) == 2 and (numpys or isinstance(error, NotImplementedError)):
        text = _misfit(*shapes)
        if text is not None:  # a worse mistake than a type that is not supported
            return RuntimeError(f"{op.title}(): {text}")
    if not numpys:
        return told(error, op.title, inputs)
    listed = ", ".join(str(list(shape)) for shape in shapes)
    return RuntimeError(f"{op.title}(): {error} (input shapes: {listed})")


def _misfit(a, b) -> str | None:
    """Why two shapes do not broadcast; None if they do."""
    for offset in range(1, min(len(a), len(b)) + 1):
        if a[-offset] != b[-offset] and 1 not in (a[-offset], b[-offset]):
            return (
                f"The size of tensor a ({a[-offset]}) must match the size of tensor b ({b[-offset]}) "
                f"at non-singleton dimension {max(len(a), len(b)) - offset} (shapes {list(a)} and {list(b)})"
            )
    return None
