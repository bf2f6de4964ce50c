"""Lifted: what stands in a tensor's `array` slot while a transformation (vmap, forward mode) follows the tensor.

    tensor ──array──► Lifted ──value──► tensor one level down ──array──► ... ──array──► ndarray

To the functions above the primitives it is an array of the shape, type and strides that the *user's* function deals
with (under vmap: those of one example); what the numbers are only the level knows that made it (levels.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class Lifted(NDArrayOperatorsMixin):
    """An array seen through one level of transformation. `layout`: an ndarray of the shape and strides it shows.

    Whoever asks for the numbers (NumPy, an operator) goes through `__array__`, where a subclass gives or refuses them.
    """

    __slots__ = ("level", "value", "layout")
    level: Any
    value: Any
    layout: np.ndarray

    shape = property(lambda self: self.layout.shape)
    dtype = property(lambda self: self.layout.dtype)
    strides = property(lambda self: self.layout.strides)
    ndim = property(lambda self: self.layout.ndim)
    size = property(lambda self: self.layout.size)
    itemsize = property(lambda self: self.layout.itemsize)
    nbytes = property(lambda self: self.layout.nbytes)
    flags = property(lambda self: self.layout.flags)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return getattr(ufunc, method)(*[np.asarray(x) if isinstance(x, Lifted) else x for x in inputs], **kwargs)

    def __len__(self):
        return len(self.layout)

    def settled(self):
        """What is left of this when its level is closed: the array below."""
        array = self
        while isinstance(array, Lifted) and not array.level.depth:
            array = array.value.array
        return array

    def copy(self, order: str = "C") -> Lifted:
        """The same with memory of its own."""
        raise NotImplementedError

    def detached(self) -> Lifted:
        """The same without history at any level below."""
        raise NotImplementedError

    def assign(self, owner, values) -> None:
        """Write `values` (an ndarray or Lifted of the same shape) into the memory of `owner`, whose array this is."""
        raise NotImplementedError

    def text(self, show) -> str:
        """What `repr` says; show(tensor): the text of a tensor."""
        raise NotImplementedError


def numbers(array) -> np.ndarray:
    """The numbers behind `array`: under a vmap those of all examples, so that what holds for all (or any) of them can
    be asked."""
    while isinstance(array, Lifted):
        array = array.value.array
    return array


def layout_of(array) -> np.ndarray:
    """An ndarray with the shape, type and strides of `array`; the numbers in it mean nothing."""
    return array.layout if isinstance(array, Lifted) else array
