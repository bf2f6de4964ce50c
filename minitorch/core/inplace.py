"""In-place operations: the out-of-place function, its result written into the tensor's memory, history rewritten.

`x.add_(y)` is `z = x + y`; the numbers of z go into x's memory, and from now on x's node is z's. When x is a view of
a root tensor, the root has changed too: its new node says "the old root with this region replaced", an operation
(`write_view`) like any other, with its own rules. Other views of the root are replayed from it when next used
(`tensor.node_of`).
"""

from __future__ import annotations

import functools

import numpy as np

from ..dtypes import can_cast, from_numpy_dtype
from .call import wrap
from .node import Leaf, Node
from .op import GENERAL, KEEP, op
from .state import state
from .tensor import Tensor, bump_version, node_of


def in_place(function, name: str):
    """The method `name_` made from an out-of-place `function(self, ...)`."""

    @functools.wraps(function)
    def method(self, *args, **kwargs):
        return apply_in_place(name, function, self, args, kwargs)

    method.__name__ = method.__qualname__ = name
    return method


def apply_in_place(name: str, function, self: Tensor, args=(), kwargs=None) -> Tensor:
    """Write `function(self, *args, **kwargs)` into `self`. RuntimeError where torch refuses; then nothing changed."""
    kwargs = kwargs or {}
    if state.trace is not None:
        return _apply_traced(name, function, self, args, kwargs)
    node = node_of(self)
    if not state.grad:
        write(name, self, function(self, *args, **kwargs).array)
        return self
    needs_grad = node is not None or _any_requires_grad(args, kwargs)
    if needs_grad:
        check_rewritable(self, node)
        # The rules keep what self was before: a copy, since its memory is about to change.
        old = wrap(self.array.copy())
        old.node = node
    else:
        old = self
    result = function(old, *args, **kwargs)
    if result.array.dtype != self.array.dtype:
        check_cast(result.array.dtype, self.array.dtype)
        if result.node is not None:
            result = result.to(self.dtype)
    write(name, self, result.array)
    if needs_grad:
        rebase(self, result.node)
    return self


def _apply_traced(name: str, function, self: Tensor, args, kwargs) -> Tensor:
    """In-place while forward mode watches: the result's tangent becomes the tensor's."""
    result = function(self, *args, **kwargs)
    trace, state.trace = state.trace, None
    try:
        apply_in_place(name, lambda *_, **__: result, self, args, kwargs)
    finally:
        state.trace = trace
    self.__dict__.pop("_tangent", None)
    if "_tangent" in result.__dict__:
        self.__dict__["_tangent"] = result.__dict__["_tangent"]
    return self


def _any_requires_grad(args, kwargs) -> bool:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            if node_of(value) is not None:
                return True
        elif isinstance(value, (tuple, list)) and _any_requires_grad(value, {}):
            return True
    return False


def check_rewritable(self: Tensor, node) -> None:
    """RuntimeError for a tensor whose history may not be rewritten: a leaf, a view of one, some views."""
    origin = self.origin
    if origin is not None:
        if origin.kind == "multi":
            raise RuntimeError(
                f"Output 0 of {origin.op.op.backward_name} is a view and is being modified inplace. This view is the "
                "output of a function that returns multiple views. Such functions do not allow the output views to be "
                "modified inplace. You should replace the inplace operation by an out-of-place one."
            )
        if origin.kind == "no_grad":
            raise RuntimeError(
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that "
                "this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
                "the view and the inplace either both inside the no_grad block or both outside."
            )
        if node is not None and type(origin.root.node) is Leaf:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if type(node) is Leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


def check_cast(source: np.dtype, target: np.dtype) -> None:
    """RuntimeError when a result of type `source` may not be written to a tensor of type `target`."""
    source, target = from_numpy_dtype(source), from_numpy_dtype(target)
    if not can_cast(source, target):
        raise RuntimeError(
            f"result type {SCALAR_TYPE[source.name]} can't be cast to the desired output type "
            f"{SCALAR_TYPE[target.name]}"
        )


SCALAR_TYPE = {
    "float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
    "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip


def write(name: str, self: Tensor, values: np.ndarray) -> None:
    """Copy `values` into the tensor's memory and count the edit."""
    array = self.array
    if values.shape != array.shape:
        raise RuntimeError(
            f"{name}(): output with shape {list(array.shape)} doesn't match the broadcast shape {list(values.shape)}"
        )
    if values.dtype != array.dtype:
        check_cast(values.dtype, array.dtype)
    check_overlap(name, array)
    if values is not array:
        np.copyto(array, values, casting="unsafe")
    bump_version(self)


def check_overlap(name: str, array: np.ndarray) -> None:
    """RuntimeError when two elements share one memory location (an expanded tensor)."""
    for size, stride in zip(array.shape, array.strides, strict=True):
        if array.size and stride == 0 and size > 1:
            raise RuntimeError(
                f"{name}(): unsupported operation: more than one element of the written-to tensor refers to a single "
                "memory location. Please clone() the tensor before performing the operation."
            )


def rebase(self: Tensor, node) -> None:
    """Give `self` (already rewritten) the history `node`; a view passes it on to its root."""
    origin = self.origin
    if origin is None:
        self.node = node
        return
    root = origin.root
    root_node = node_of(root)
    params = {"steps": origin.steps(), "strides": root.array.strides}
    root.node = Node(write_view.op, (root_node, node), (), None, params, root.array.shape, root.array.dtype)
    origin.seen = 0  # the view's own node is made again from the root's when it is asked for
    node_of(self)


def replay(tensor: Tensor, steps) -> Tensor:
    """The view of `tensor` that the steps (op, params) lead to."""
    for step, params in steps:
        tensor = step(tensor, **params)
    return tensor


def _laid_out(array: np.ndarray, strides) -> np.ndarray:
    """A copy of `array` with the given strides, when those describe a dense layout; else a contiguous copy."""
    order = sorted(range(array.ndim), key=lambda d: -abs(strides[d]))
    copy = np.empty([array.shape[d] for d in order], array.dtype)
    copy = copy.transpose(np.argsort(order)) if order else copy
    copy[...] = array
    return copy


def _values_of(g: Tensor, steps, strides) -> Tensor:
    return replay(relayout(g, strides=strides), steps)


def _zeros(like: Tensor) -> Tensor:
    return wrap(np.zeros(like.array.shape, like.array.dtype))


def _without_region(g: Tensor, steps, strides) -> Tensor:
    return write_view(g, _zeros(_values_of(g, steps, strides)), steps=steps, strides=strides)


@op("linear", dtype=KEEP, vjp=dict(input=lambda g: g))
def relayout(input, *, strides):
    """The same values in the memory order of `strides`, so that views made by strides mean the same elements."""
    return input if input.strides == tuple(strides) else _laid_out(input, strides)


@op(
    GENERAL,
    dtype=KEEP,
    vjp=dict(
        input=lambda g, steps, strides: _without_region(g, steps, strides),
        values=lambda g, steps, strides: _values_of(g, steps, strides),
    ),
    jvp=dict(
        input=lambda t, steps, strides: _without_region(t, steps, strides),
        values=lambda t, z, steps, strides: write_view(_zeros(z), t, steps=steps, strides=strides),
    ),
    backward_name="CopySlices",
)
def write_view(input, values, *, steps, strides):
    """`input` with the region that the view `steps` describe replaced by `values`."""
    out = wrap(_laid_out(input, strides))
    previous, state.grad = state.grad, False
    try:
        region = replay(out, steps).array
    finally:
        state.grad = previous
    region[...] = values
    return out.array


def write_out(name: str, out: Tensor, result):
    """`out=`: the result copied into `out`, which is resized first when its shape differs. Returns `out`."""
    if isinstance(result, tuple):
        return tuple(write_out(name, o, r) for o, r in zip(out, result, strict=True))
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.grad and (node_of(out) is not None or result.node is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    check_cast(result.array.dtype, out.array.dtype)
    check_overlap(name, out.array)
    if out.array.shape != result.array.shape:
        out.array = result.array.astype(out.array.dtype)
        bump_version(out)
    else:
        write(name, out, result.array)
    return out


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off its history, in place. RuntimeError for a view."""
    if self.origin is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets."
        )
    self.node = None
    return self
