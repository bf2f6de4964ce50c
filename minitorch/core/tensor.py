"""Tensor: an ndarray, the node that made it, and what is known about the memory it shares.

A tensor has five slots:

    array   the numbers, a NumPy ndarray
    node    None, or the Node (or Leaf) that a gradient for this tensor goes to: requires_grad == node is not None
    origin  None, or how this tensor is a view of another one (`Origin`)
    edits   None, or the count of in-place operations on this memory (`Edits`), shared by all views of it
    row_major   True when results of elementwise operations on this tensor are known to be row-major; else False

Everything else (grad, names users set) lives in the instance dictionary and costs nothing until it is used. The
operators and methods are bound in `methods.py`; here stands only what a tensor *is*.
"""

from __future__ import annotations

import numpy as np

from ..dtypes import from_numpy_dtype
from ..shapes import Size
from .lifted import Lifted
from .node import Leaf, Node, no_leaf, register_accumulate_hook, register_gradient_hook, retain_gradient
from .state import state, tick

new = object.__new__


class Edits:
    """How often one piece of memory was changed in place, and when last."""

    count = stamp = 0  # of the class until the first change: most memory is never changed


class Origin:
    """How a view came to be: `op(parent, **params)`, where following the parents leads to `root`.

    `parent` is the Origin of the tensor that was viewed, or the array that `root` had at that time.
    `seen` is the tick at which the view's node was up to date: when the root was changed in place later, the node
    is made again by replaying the views from the root. `kind` is "default", "no_grad" (made without recording) or
    "multi" (one of several views made at once, as by split): the last two refuse in-place operations under autograd,
    on themselves and on their root, and so do views made from them.
    """

    __slots__ = ("root", "parent", "op", "params", "seen", "kind")

    def __init__(self, parent, op, params, kind):
        source = parent.origin
        self.root, self.parent = (parent, parent.array) if source is None else (source.root, source)
        self.op = op
        self.params = params
        self.seen = tick()
        self.kind = kind

    def steps(self) -> tuple:
        """The (op, params) pairs that lead from the root to this view."""
        steps, origin = [], self
        while origin.__class__ is Origin:
            steps.append((origin.op, origin.params))
            origin = origin.parent
        if self.root.reread is not None and origin is not self.root.array:
            steps.append(self.root.reread(self.root.array, origin))
        return tuple(reversed(steps))


class Tensor:
    """An n-dimensional array that remembers how it was computed."""

    __slots__ = ("array", "node", "origin", "edits", "row_major", "__dict__", "__weakref__")
    __array_ufunc__ = None  # ndarray * Tensor goes to Tensor.__rmul__, not element by element
    __array_priority__ = 1000
    _grad = None
    retains_grad = False
    reread = None  # set where `array` was exchanged for another view of its memory (as by `t_`), see ops/turn.py

    # shape and type

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    @property
    def dtype(self):
        return from_numpy_dtype(self.array.dtype)

    @property
    def ndim(self) -> int:
        return self.array.ndim

    # autograd

    @property
    def requires_grad(self) -> bool:
        return self.node is not None or (self.origin is not None and self.origin.root.node is not None)

    @requires_grad.setter
    def requires_grad(self, value: bool):
        set_requires_grad(self, value)

    @property
    def is_leaf(self) -> bool:
        node = asked_node(self)
        return node is None or type(node) is Leaf

    @property
    def grad_fn(self):
        node = asked_node(self)
        return None if type(node) is Leaf else node

    @property
    def grad(self):
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: {value.dtype} for a tensor of type {self.dtype}"
                )
            if value.array.shape != self.array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: {tuple(value.array.shape)} "
                    f"for a tensor of size {tuple(self.array.shape)}"
                )
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    @property
    def data(self):
        """The same memory without history; changes through it are not counted as edits of this tensor."""
        array = self.array
        return wrap(array.detached() if isinstance(array, Lifted) else array)

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if value.array.dtype != self.array.dtype and self.node is not None and value.array.dtype.kind in "iub":
            raise RuntimeError("data set to a tensor that requires gradients must be floating point")
        self.array, self.row_major = value.array, False
        if type(self.node) is Leaf:
            self.node.shape, self.node.dtype = value.array.shape, value.array.dtype

    def detach(self) -> Tensor:
        """The same memory, without history; in-place changes through either are seen by both."""
        array = self.array
        alias = wrap(array.detached() if isinstance(array, Lifted) else array)
        alias.edits = edits_of(self)
        return alias

    @property
    def _version(self) -> int:
        edits = root_of(self).edits
        return 0 if edits is None else edits.count

    @property
    def _base(self):
        return None if self.origin is None else self.origin.root

    def _is_view(self) -> bool:
        return self.origin is not None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether a leaf collects gradients. Returns self."""
        if state.transforms:
            raise RuntimeError(
                "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.* APIs) "
                "inside of a function being transformed by a functorch transform. This is unsupported, please attempt to "
                "use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call requires_grad_() outside "
                "of a function being transformed instead."
            )
        set_requires_grad(self, requires_grad)
        return self

    def retain_grad(self) -> None:
        """Have the backward pass store the gradient of this non-leaf tensor in `.grad` too."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.node is not None and type(self.node) is not Leaf:
            self.retains_grad = True
            retain_gradient(self, asked_node(self))

    def register_hook(self, hook):
        """Call `hook(grad)` when the gradient of this tensor is known; what it returns replaces the gradient."""
        node = asked_node(self)
        if node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return register_gradient_hook(node, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` after `.grad` of this leaf was updated by a backward pass."""
        node = node_of(self)
        if type(node) is not Leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        return register_accumulate_hook(node, hook)


def wrap(array: np.ndarray) -> Tensor:
    """A new Tensor around `array`, without history."""
    tensor = new(Tensor)
    tensor.array = array
    tensor.node = tensor.origin = tensor.edits = None
    tensor.row_major = False
    return tensor


def wrap_as(cls, array: np.ndarray) -> Tensor:
    """A new tensor of a subclass around `array`, without history."""
    tensor = new(cls)
    tensor.array = array
    tensor.node = tensor.origin = tensor.edits = None
    tensor.row_major = False
    return tensor


def root_of(tensor: Tensor) -> Tensor:
    """The tensor that owns the memory which `tensor` views."""
    return tensor if tensor.origin is None else tensor.origin.root


def edits_of(tensor: Tensor) -> Edits:
    """The edit counter of the tensor's memory, made on first use."""
    root = root_of(tensor)
    if root.edits is None:
        root.edits = Edits()
    return root.edits


def bump_version(tensor: Tensor) -> None:
    """Count one in-place change of the tensor's memory."""
    edits = edits_of(tensor)
    edits.count += 1
    edits.stamp = tick()


def node_of(tensor: Tensor):
    """The tensor's node, made again first when the tensor is a view of memory that was changed in place.

    A view that was made without recording, of a root that requires grad, is a leaf that collects nothing.
    """
    origin = tensor.origin
    if origin is None:
        return tensor.node
    node, root = tensor.node, origin.root
    if root.node is None and (node is None or type(node) is Leaf):
        return node
    edits = root.edits
    if edits is not None and edits.stamp > origin.seen:
        return _replay(tensor, origin)
    return no_leaf(tensor) if node is None else node


def asked_node(tensor: Tensor):
    """`node_of` for a user who asks: a view that may not be asked for its history refuses in `no_grad`, too."""
    if tensor.origin is None:
        return tensor.node
    previous, state.grad = state.grad, True
    try:
        return node_of(tensor)
    finally:
        state.grad = previous


def _replay(tensor: Tensor, origin: Origin):
    if origin.kind != "default":
        if not state.grad:
            return tensor.node
        refuse(origin, "has been modified inplace, itself, or its base or another view of its base")
    view = origin.root
    previous, state.grad = state.grad, True
    try:
        for op, params in origin.steps():
            view = op(view, **params)
    finally:
        state.grad = previous
    node = view.node
    if node is None:  # the root requires no grad any more; the view does, but its gradient goes nowhere
        node = Node(origin.op.op, (None,), (), None, origin.params, tensor.array.shape, tensor.array.dtype)
    set_node(tensor, node)
    return node


def set_node(tensor: Tensor, node) -> None:
    """Give the tensor another history; it keeps retaining its gradient."""
    if tensor.retains_grad:
        retain_gradient(None, tensor.node)
        retain_gradient(tensor, node)
    tensor.node = node
    if tensor.origin is not None:
        tensor.origin.seen = tick()


def refuse(origin: Origin, what: str):
    """RuntimeError for a view that may not be part of an in-place operation, nor its root."""
    if origin.kind == "multi":
        raise RuntimeError(
            f"A view {what}. It is the output of {origin.op.op.backward_name}, a function that returns multiple views. "
            "Such functions do not allow the output views to be modified inplace. You should replace the inplace "
            "operation by an out-of-place one."
        )
    raise RuntimeError(
        f"A view was created in no_grad mode and {what} with grad mode enabled. Given that this use case is ambiguous "
        "and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either "
        "both inside the no_grad block or both outside."
    )


def set_requires_grad(tensor: Tensor, value: bool) -> None:
    """Make a leaf require grad, or stop it. RuntimeError for a non-leaf or a type that is not floating."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"requires_grad must be a bool, got {type(value).__name__}")
    if value:
        if tensor.node is None:
            if not tensor.dtype.is_floating_point:
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            tensor.node = tensor.__dict__.pop("_leaf", None) or Leaf(tensor)
    elif tensor.node is not None:
        if type(tensor.node) is not Leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        forget(tensor)


def forget(tensor: Tensor) -> None:
    """Take the tensor's history away. A leaf is put aside: graphs that lead to it know it still."""
    if type(tensor.node) is Leaf:
        tensor._leaf = tensor.node
    tensor.node = None
