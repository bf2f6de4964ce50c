"""Padding layers. `padding` is one int, or (before, after) for the last dimension, then the one before it, ..."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .module import Module
from .utils import _ntuple


class _PadNd(Module):
    """Pads the last `ndim` dimensions in the way `mode` says (abstract)."""

    ndim: int
    mode: str

    def __init__(self, padding) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self.ndim)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.ndim + 1, self.ndim + 2):
            raise ValueError(f"expected {self.ndim + 1}D or {self.ndim + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """Continues with the other end of L. input: (N, C, L) or (C, L)."""

    ndim = 1


class CircularPad2d(_CircularPadNd):
    """Continues with the other end of H and W. input: (N, C, H, W) or (C, H, W)."""

    ndim = 2


class CircularPad3d(_CircularPadNd):
    """Continues with the other end of D, H and W. input: (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 3


class _ReflectionPadNd(_PadNd):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors at the edges, which are not repeated. input: (N, C, L) or (C, L)."""

    ndim = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors at the edges, which are not repeated. input: (N, C, H, W) or (C, H, W)."""

    ndim = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors at the edges, which are not repeated. input: (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 3


class _ReplicationPadNd(_PadNd):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the edges. input: (N, C, L) or (C, L)."""

    ndim = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the edges. input: (N, C, H, W) or (C, H, W)."""

    ndim = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the edges. input: (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 3


class _ConstantPadNd(_PadNd):
    def __init__(self, padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Fills with `value`. input: (N, C, L) or (C, L)."""

    ndim = 1


class ConstantPad2d(_ConstantPadNd):
    """Fills with `value`. input: (N, C, H, W) or (C, H, W)."""

    ndim = 2


class ConstantPad3d(_ConstantPadNd):
    """Fills with `value`. input: (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 3


class ZeroPad1d(ConstantPad1d):
    """Fills with zeros. input: (N, C, L) or (C, L)."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Fills with zeros. input: (N, C, H, W) or (C, H, W)."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Fills with zeros. input: (N, C, D, H, W) or (C, D, H, W)."""

    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
