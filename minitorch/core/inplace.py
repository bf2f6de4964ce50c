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
from ..strided import address, copied_in_order, is_dense
from .call import wrap
from .levels import highest, leaves
from .lifted import Lifted
from .node import Leaf, Node
from .op import GENERAL, KEEP, LINEAR, op
from .promote import OPERANDS, result_dtype
from .state import state, tick
from .tensor import Tensor, bump_version, edits_of, forget, node_of, refuse, set_node


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
        lift_written(name, self, args, kwargs)
    check_overlap(name, self.array, args)
    lifted = isinstance(self.array, Lifted)
    if not state.grad and not lifted:
        write(name, self, _computed(name, function, self, self, args, kwargs).array)
        return self
    node = node_of(self)
    needs_grad = state.grad and (node is not None or _any_requires_grad(args, kwargs))
    if needs_grad:
        check_rewritable(self, node)
        if name == "index_put_" or node is not None:
            check_own_places(name, self.array)
    if needs_grad or lifted:
        # The rules keep what self was before (here or at a level below): a copy, since its memory is about to change.
        old = wrap(self.array.copy() if lifted else copied_in_order(self.array, self.array.dtype))
        old.node = _past_hooks(self, node)
    else:
        old = self
    result = _computed(name, function, self, old, args, kwargs)
    if result.array.dtype != self.array.dtype:
        check_shape(name, self.array.shape, result.array.shape)
        check_cast(result.array.dtype, self.array.dtype)
        if result.node is not None:
            result = result.to(self.dtype)
    write(name, self, result.array)
    if needs_grad and self.array.dtype.kind not in "iub":
        if not lifted:
            keep_written(result.node, self)
        rebase(self, result.node)
    return self


def _past_hooks(self: Tensor, node):
    """`node`, or one made again from the root where hooks sit on the way there: what is written to a view goes to its
    root directly, and hooks on the views between see nothing of it."""
    origin = self.origin
    step = node if origin is not None and state.grad else None
    while step is not None and step is not origin.root.node:
        if step.hooks is not None and step.hooks.functions:
            return replay(origin.root, origin.steps()).node
        step = step.edges[0] if step.edges else None
    return node


def _computed(name: str, function, self: Tensor, old: Tensor, args, kwargs) -> Tensor:
    """function(old, ...), where a shape or type that does not fit is a worse mistake than one that is not supported."""
    try:
        return function(old, *args, **kwargs)
    except NotImplementedError:
        for value in args:
            if isinstance(value, Tensor):
                check_shape(name, self.array.shape, np.broadcast_shapes(self.array.shape, value.array.shape))
        check_cast(result_dtype((self, *[v for v in args if isinstance(v, OPERANDS)])).numpy, self.array.dtype)
        raise


def check_shape(name: str, shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    """RuntimeError when a result is larger than the tensor that it is to be written to."""
    if result != shape:
        raise RuntimeError(
            f"{name}(): output with shape {list(shape)} doesn't match the broadcast shape {list(result)}"
        )


def keep_written(node, self: Tensor) -> None:
    """Where a rule names the output, that is from now on `self`, which must not change again before the rule is run."""
    if type(node) is Node and node.output is not None:
        node.output = (self.array, edits_of(self))
        node.birth = tick()


def lift_written(name: str, self: Tensor, args, kwargs) -> None:
    """Lift `self` to the level of what is to be written into it. RuntimeError where a level cannot do that."""
    source = highest(leaves((args, tuple(kwargs.values()))), {})
    if source is None:
        return
    own = self.array.level.depth if isinstance(self.array, Lifted) else 0
    for level in state.levels[own : source.depth]:
        level.adopt(name, self)


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
        if origin.kind != "default":
            refuse(origin, "is being modified inplace")
        if node is not None and (origin.root.node is None or type(origin.root.node) is Leaf):
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if type(node) is Leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


def check_cast(source: np.dtype, target: np.dtype, refusal: type[Exception] = RuntimeError) -> None:
    """`refusal` when a result of type `source` may not be written to a tensor of type `target`."""
    result, wanted = from_numpy_dtype(source), from_numpy_dtype(target)
    if not can_cast(result, wanted):
        raise refusal(
            f"result type {SCALAR_TYPE[result.name]} can't be cast to the desired output type "
            f"{SCALAR_TYPE[wanted.name]}"
        )


SCALAR_TYPE = {
    "float64": "Double", "float32": "Float", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long",
    "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip


def write(name: str, self: Tensor, values: np.ndarray) -> None:
    """Copy `values` into the tensor's memory and count the edit."""
    array = self.array
    if values.shape != array.shape:
        check_shape(name, array.shape, values.shape)
    if values.dtype != array.dtype:
        check_cast(values.dtype, array.dtype)
    if isinstance(array, Lifted):
        array.assign(self, values)
    elif values is not array:
        changed = True if array.flags.c_contiguous or not shares_places(array) else _differ(values, array)
        np.copyto(array, values, casting="unsafe", where=changed)
    bump_version(self)


def _differ(values: np.ndarray, array: np.ndarray) -> np.ndarray:
    """Where elements are to be changed: of several that share one place, an unchanged one must not be the last written."""
    return ~((values == array) | ((values != values) & (array != array)))


# What these write does not depend on what was there, so elements may share memory, but only outside the graph.
_WRITE_ONLY = frozenset(["fill_", "zero_", "masked_fill_", "index_fill_", "index_put_"])
# These read their sources while they write, so a source may not be the tensor itself.
_READ_LATE = frozenset(["index_add_", "index_copy_", "index_put_", "scatter_", "scatter_add_"])


def shares_places(array: np.ndarray) -> bool:
    """Whether elements stand at one place in memory, as those of an expanded tensor do."""
    if array.flags.c_contiguous or isinstance(array, Lifted) or not array.size:
        return False
    return any([stride == 0 and size > 1 for size, stride in zip(array.shape, array.strides, strict=True)])


def check_own_places(name: str, array: np.ndarray) -> None:
    """RuntimeError when elements that are to be written share one place in memory."""
    if shares_places(array):
        raise RuntimeError(
            f"{name}(): unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )


def check_overlap(name: str, array: np.ndarray, sources=()) -> None:
    """RuntimeError when two elements to be written share one memory location (an expanded tensor), or when a source
    shares memory with `array` without being the same view of it."""
    if isinstance(array, Lifted):
        return  # checked where the memory is
    if not array.flags.c_contiguous and name not in _WRITE_ONLY:
        if name == "copy_" and sources and _is_same_view(array, sources[0].array):
            return
        check_own_places(name, array)
    for source in sources if name != "fill_" else ():
        if (
            isinstance(source, Tensor)
            and not isinstance(source.array, Lifted)
            and _overlaps(array, source.array, name in _READ_LATE)
        ):
            raise RuntimeError(
                f"{name}(): unsupported operation: some elements of the input tensor and the written-to tensor refer "
                "to a single memory location. Please clone() the tensor before performing the operation."
            )


def _overlaps(array: np.ndarray, source: np.ndarray, wholly: bool) -> bool:
    """Whether both share memory, of which they are different views (or the same one, if `wholly`), as torch judges it:
    only where both are dense."""
    if not array.size:
        return False
    if array is source:
        return wholly
    if not np.may_share_memory(array, source):
        return False
    if _is_same_view(array, source):
        return wholly
    return is_dense(array) and is_dense(source)


def _is_same_view(a: np.ndarray, b: np.ndarray) -> bool:
    return address(a) == address(b) and a.strides == b.strides and a.shape == b.shape and a.dtype == b.dtype


def rebase(self: Tensor, node) -> None:
    """Give `self` (already rewritten) the history `node`; a view passes it on to its root."""
    origin = self.origin
    if origin is None:
        set_node(self, node)
        return
    root = origin.root
    params = {"steps": origin.steps(), "strides": root.array.strides}
    edges, kept = (root.node, node), (None, None)  # nothing is kept, but torch frees such a node like any other
    set_node(root, Node(write_view.op, edges, kept, None, params, root.array.shape, root.array.dtype))
    origin.seen = 0  # the view's own node is made again from the root's when it is asked for


def replay(tensor: Tensor, steps) -> Tensor:
    """The view of `tensor` that the steps (op, params) lead to."""
    for step, params in steps:
        tensor = step(tensor, **params)
    return tensor


def _laid_out(array: np.ndarray, strides) -> np.ndarray:
    """A copy of `array` in memory of its own, with exactly these strides (in bytes)."""
    reach = [(n - 1) * s for n, s in zip(array.shape, strides, strict=True)] if array.size else []
    first = -sum([r for r in reach if r < 0])
    memory = np.zeros(first + sum([r for r in reach if r > 0]) + array.itemsize, np.uint8)
    copy = np.ndarray(array.shape, array.dtype, memory, first, strides)
    copy[...] = array
    return copy


def _values_of(g: Tensor, steps, strides) -> Tensor:
    return replay(g if g.array.strides == strides else relayout(g, strides=strides), steps)


def _zeros(like: Tensor) -> Tensor:
    return wrap(np.zeros(like.array.shape, like.array.dtype))


def _without_region(g: Tensor, steps, strides) -> Tensor:
    return write_view(g, _zeros(_values_of(g, steps, strides)), steps=steps, strides=strides)


@op(LINEAR, dtype=KEEP, vjp=dict(input=lambda g: g))
def relayout(input, *, strides):
    """A copy with these strides (in bytes), so that views made by strides mean the same elements."""
    return _laid_out(input, strides)


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


def write_out(name: str, out: Tensor, result, one_type: bool = False, refusal: type[Exception] = RuntimeError):
    """`out=`: the result copied into `out`, which is resized first when its shape differs. Returns `out`.

    one_type: `out` must have the type of the result (RuntimeError otherwise). refusal: the class of the error where
    the result's type does not convert.
    """
    pairs = list(zip(out, result, strict=True)) if isinstance(result, tuple) else [(out, result)]
    for target, values in pairs:  # all checks before the first change
        _check_out(name, target, values, one_type, refusal)
    for target, values in pairs:
        if target.array.shape != values.array.shape:
            target.array, target.row_major = values.array.astype(target.array.dtype), False
            bump_version(target)
        else:
            write(name, target, values.array)
    if not isinstance(result, tuple):
        return out
    return result._make(out) if hasattr(result, "_make") else tuple(out)


def _check_out(name: str, out: Tensor, result: Tensor, one_type: bool, refusal: type[Exception]) -> None:
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.grad and (node_of(out) is not None or result.node is not None):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if one_type and result.array.dtype != out.array.dtype:
        expected, found = from_numpy_dtype(result.array.dtype), from_numpy_dtype(out.array.dtype)
        raise RuntimeError(f"{name}(): expected out tensor to have dtype {expected}, but got {found} instead")
    check_cast(result.array.dtype, out.array.dtype, refusal)
    check_overlap(name, out.array)


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off its history, in place. RuntimeError for a view."""
    if self.origin is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets."
        )
    forget(self)
    return self
