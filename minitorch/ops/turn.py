"""Views in place (`t_`, `unsqueeze_`, ...): they change how a tensor reads its memory, not the memory.

The views that were made of the tensor before still mean the same places; how they follow from what the tensor is now
says `reread`.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.inplace import check_rewritable
from ..core.node import Leaf
from ..core.op import function
from ..core.state import state
from ..core.tensor import Tensor, bump_version, node_of
from ..strided import address, element_strides, storage_base, storage_offset
from .factory import read_size
from .part import as_strided, as_strided_view
from .permute import t, transpose
from .shape import squeeze, unsqueeze


def _reread(now: np.ndarray, then: np.ndarray) -> tuple:
    """The (op, params) that reads `now` as `then`, another view of the same memory."""
    # By their places in their memories, which are two when the tensor has been given another through `.data`.
    offset = storage_offset(then) - storage_offset(now)
    layout, source = (then.shape, element_strides(then), offset), (now.shape, element_strides(now), 0)
    return as_strided_view, {"layout": layout, "source": source}


def _in_place_view(name: str, view) -> None:
    """Declare the method `name_`, which turns a tensor into what `view` makes of it."""

    def method(self: Tensor, *args, **kwargs) -> Tensor:
        node = node_of(self)
        if state.grad and node is not None:
            check_rewritable(self, node)
        z = view(self, *args, **kwargs)
        self.array, self.row_major = z.array, False
        if type(node) is Leaf:
            node.shape = z.array.shape
        if self.origin is not None:
            z.origin.kind = self.origin.kind
            self.origin = z.origin  # the count below has its node made again from the root's
        else:
            self.__dict__["reread"] = _reread
            if state.grad and type(node) is not Leaf:
                self.node = z.node  # a gradient that is retained stays that of the tensor as it was, as in torch
        bump_version(self)
        return self

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`{name}` in place: the tensor itself becomes the view."
    function(torch=f"Tensor.{name}_")(method)


for _name, _view in {
    "squeeze": squeeze, "unsqueeze": unsqueeze, "t": t, "transpose": transpose, "swapaxes": transpose,
    "swapdims": transpose, "as_strided": as_strided,
}.items():  # fmt: skip
    _in_place_view(_name, _view)


@function(torch="Tensor.resize_")
def resize_(input: Tensor, *sizes, memory_format=None) -> Tensor:
    """Read the tensor's memory as a row-major tensor of another size; what is beyond it is new and uninitialised.

    Where the memory is too small the tensor moves to a larger one, and tensors that shared the old one no longer do.
    RuntimeError for a tensor that requires grad.
    """
    if input.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    size = read_size("resize_", sizes)
    array, count = input.array, math.prod(size)
    memory = storage_of(array).view(array.dtype)
    start = (address(array) - address(memory)) // array.itemsize if memory.size else 0
    flat = memory[start : start + count]
    if flat.size < count:
        flat = np.empty(count, array.dtype)
        flat[: memory.size - start] = memory[start:]
    input.array, input.row_major = flat.reshape(size), False
    bump_version(input)
    return input


@function(torch="Tensor.resize_as_")
def resize_as_(input: Tensor, the_template: Tensor, memory_format=None) -> Tensor:
    """`resize_` to the size of another tensor."""
    return resize_(input, tuple(the_template.array.shape))


def storage_of(array: np.ndarray) -> np.ndarray:
    """The whole memory that an array views, as a row of its elements: (n,)."""
    base = storage_base(array)
    return base.T.reshape(-1) if base.flags.f_contiguous else base.reshape(-1)
