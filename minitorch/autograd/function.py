"""`Function`: an operation of one's own, given by its forward and its backward.

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            z = x.exp()
            ctx.save_for_backward(z)
            return z

        @staticmethod
        def backward(ctx, g):
            (z,) = ctx.saved_tensors
            return g * z

    z = Exp.apply(x)

`forward` runs unrecorded; `backward` is run by the same engine as every declared operation, and is itself recorded
under `create_graph`, so it can be differentiated when it is written in Tensor operations.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core.levels import highest, is_at
from ..core.node import FREED, MultiNode, Node, Output
from ..core.state import no_grad, state
from ..core.tensor import Tensor, edits_of, node_of, wrap
from .function_levels import outputs_at, overrides


class FunctionCtx:
    """What a Function's forward leaves for its backward: saved tensors, and any attributes."""

    _function: Any = None  # the Function it is of
    _saved: tuple = ()
    saved_for_forward: tuple = ()
    _dirty = ()
    _non_differentiable = ()
    _materialize = True
    needs_input_grad = ()

    def save_for_backward(self, *tensors) -> None:
        """Keep input or output tensors (or None) for `backward`, where they are `ctx.saved_tensors`."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(tensor).__name__}"
                )
        self._saved = tensors

    def save_for_forward(self, *tensors) -> None:
        """Keep tensors for `jvp`, where they are `ctx.saved_tensors`."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors) -> None:
        """Say which inputs `forward` changed in place (and returns)."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing output gradients come as zeros (default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        node = self._node
        if node is None:  # asked for within forward, or when nothing is recorded
            return self._saved
        if node.inputs is FREED:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Specify retain_graph=True if you need to backward through the graph "
                "a second time."
            )
        return tuple(_unpack(node, kept) for kept in node.inputs)

    _node = None


def _unpack(node, kept):
    if kept is None:
        return None
    tensor, version, index = kept
    edits = edits_of(tensor)
    if edits.count != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: a tensor "
            f"of shape {list(tensor.array.shape)} saved by {node.name()} is at version {edits.count}; expected version "
            f"{version} instead."
        )
    if index is None:
        return tensor
    alias = wrap(tensor.array)  # an output: its node is ours, held here only by index to avoid a cycle
    alias.edits = edits
    if alias.array.dtype.kind not in "iub":
        alias.node = node if type(node) is FunctionNode else Output(node, index, alias.array.shape, alias.array.dtype)
    return alias


class _FunctionGradients:
    """The part of a node that differs for a Function: its one rule is the user's `backward`."""

    __slots__ = ()
    params: Any  # what Node keeps
    edges: Any
    inputs: Any

    def gradients(self, g, needed) -> list:
        ctx = self.params
        grads = g if isinstance(g, tuple) else (g,)
        results = ctx._function.backward(ctx, *grads)
        if not isinstance(results, tuple):
            results = (results,)
        results = list(results)
        while len(results) > len(ctx.needs_input_grad) and results[-1] is None:
            results.pop()
        if len(results) != len(ctx.needs_input_grad):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{len(ctx.needs_input_grad)}, got {len(results)})"
            )
        parts = []
        for position, edge in zip(ctx._positions, self.edges, strict=True):
            part = results[position]
            if edge is not None and part is not None:
                if not isinstance(part, Tensor):
                    raise TypeError(f"{self.name()}: expected a Tensor or None as gradient, got {type(part).__name__}")
                _check_shape(self, position, part, edge)
            parts.append(None if edge is None else part)
        return parts

    def name(self) -> str:
        return f"{self.params._function.__name__}Backward"

    def release(self) -> None:
        if self.inputs:
            self.inputs = FREED


def _check_shape(node, position: int, part: Tensor, edge) -> None:
    shape, expected = part.array.shape, edge.shape
    offset = len(shape) - len(expected)
    fits = offset >= 0 and all(n in (1, m) or n == m for n, m in zip(expected, shape[offset:], strict=True))
    if not fits:
        raise RuntimeError(
            f"Function {node.name()} returned an invalid gradient at index {position} - got {list(shape)} but expected "
            f"shape compatible with {list(expected)}"
        )


class FunctionNode(_FunctionGradients, Node):
    __slots__ = ()


class MultiFunctionNode(_FunctionGradients, MultiNode):
    __slots__ = ()


class Function:
    """Base class of custom differentiable operations: give `forward(ctx, ...)` and `backward(ctx, *grads)`.

    Or the newer pair `forward(...)` and `setup_context(ctx, inputs, output)`. For forward mode `jvp(ctx, *tangents)` is
    needed, under vmap `vmap(info, in_dims, *args)` or `generate_vmap_rule = True` (function_levels.py). Call it by `apply`.
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def _fresh_context(cls) -> FunctionCtx:
        ctx = FunctionCtx()
        ctx._function = cls
        return ctx

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` and record it, when an input requires grad."""
        if state.levels:
            level = highest(args, {})
            if level is not None:
                return _apply_at(level, cls, args, kwargs)
        ctx = cls._fresh_context()
        tensors = [(i, x) for i, x in enumerate(args) if isinstance(x, Tensor)]
        nodes = [node_of(x) for _, x in tensors]
        recorded = state.grad and any(node is not None for node in nodes)
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and node_of(x) is not None for x in args)
        versions = [edits_of(x).count for _, x in tensors]
        with no_grad():
            if cls.setup_context is Function.setup_context:
                outputs = cls.forward(ctx, *args, **kwargs)
            else:
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, outputs)
        dirty = {id(x) for x in ctx._dirty}
        for (_, x), version in zip(tensors, versions, strict=True):
            if id(x) in dirty and edits_of(x).count == version:
                edits_of(x).count += 1
        if not recorded:
            return outputs
        return _record(ctx, args, outputs, [i for i, _ in tensors], nodes)


def _apply_at(level, cls, args, kwargs):
    """`apply` on tensors of a vmap or a forward mode, recorded on the tape of that level."""
    outputs = outputs_at(level, cls, args, kwargs)
    positions = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
    nodes = [node_of(args[i]) if is_at(level, args[i]) else None for i in positions]
    if not state.grad or all([node is None for node in nodes]):
        return outputs
    ctx = cls._fresh_context()
    ctx.needs_input_grad = tuple([is_at(level, x) and node_of(x) is not None for x in args])
    with no_grad():
        if overrides(cls, "setup_context"):
            cls.setup_context(ctx, args, outputs)
        else:
            cls.forward(ctx, *args, **kwargs)
    return _record(ctx, args, outputs, positions, nodes)


def _record(ctx, args, outputs, positions, nodes):
    several = isinstance(outputs, (tuple, list))
    results = list(outputs) if several else [outputs]
    unmarked = {id(x) for x in ctx._non_differentiable}
    dirty = {id(x) for x in ctx._dirty}
    inputs = {id(x) for x in args if isinstance(x, Tensor)}
    ctx._positions = positions
    shown = []
    for result in results:
        if isinstance(result, Tensor) and id(result) in inputs and id(result) not in dirty:
            shown.append(_alias(result))  # an input handed through gets a history of its own
        elif isinstance(result, Tensor) and result.origin is not None and id(result) not in dirty:
            shown.append(_alias(result))
        else:
            shown.append(result)
    arrays = [x.array if isinstance(x, Tensor) else np.zeros(()) for x in shown]
    if several:
        shapes, dtypes = tuple(a.shape for a in arrays), tuple(a.dtype for a in arrays)
        node = MultiFunctionNode(None, tuple(nodes), (), None, ctx, shapes, dtypes)
    else:
        node = FunctionNode(None, tuple(nodes), (), None, ctx, arrays[0].shape, arrays[0].dtype)
    places = {id(original): i for i, original in enumerate(results)}
    node.inputs = tuple(
        None
        if x is None
        else (x, edits_of(x).count, None)
        if id(x) not in places or id(x) in inputs
        else (_alias(x), edits_of(x).count, places[id(x)])
        for x in ctx._saved
    )
    ctx._saved = ()
    ctx._node = node
    for i, (original, result) in enumerate(zip(results, shown, strict=True)):
        if isinstance(result, Tensor) and id(original) not in unmarked and result.array.dtype.kind not in "iub":
            result.node = Output(node, i, result.array.shape, result.array.dtype) if several else node
    return tuple(shown) if several else shown[0]


def _alias(tensor: Tensor) -> Tensor:
    alias = wrap(tensor.array)
    alias.edits = edits_of(tensor)
    return alias


def once_differentiable(backward):
    """Decorator for a `backward` that must not be differentiated again."""

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        with no_grad():
            results = backward(ctx, *grads)
        if state.grad and any(isinstance(g, Tensor) and node_of(g) is not None for g in grads):
            single = not isinstance(results, tuple)
            failing = tuple(
                _Refuse.apply(r, *[g for g in grads if isinstance(g, Tensor)]) if isinstance(r, Tensor) else r
                for r in ((results,) if single else results)
            )
            return failing[0] if single else failing
        return results

    return wrapper


class _Refuse(Function):
    @staticmethod
    def forward(ctx, result, *grads):
        return result.clone()

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
