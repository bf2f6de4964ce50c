"""Converting the tensors of a module: dtype, device, memory."""

from __future__ import annotations

from collections.abc import Callable

from ...core.state import no_grad
from ...core.tensor import Tensor
from ...dtypes import bfloat16, float16, float32, float64
from ...dtypes import dtype as DType
from .tables import Tables


class Conversion(Tables):
    """The part of a Module that converts its tensors (abstract: `Module` supplies the tables)."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True):
        """Replace the values of all parameters, their gradients and the buffers by `fn` of them."""
        if recurse:
            for module in self._modules.values():
                if module is not None:
                    module._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is None:
                    continue
                # The Parameter object stays: optimizers hold it.
                parameter.data = fn(parameter)
                if parameter.grad is not None:
                    parameter.grad.data = fn(parameter.grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """to(dtype), to(device), to(device, dtype), to(tensor): convert floating tensors. Returns self."""
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        return self._apply(lambda t: t.to(device=device, dtype=dtype if t.is_floating_point() else None))

    def type(self, dst_type):
        """Convert all parameters and buffers to a type, integers too. Returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def _to_floating(self, dtype: DType):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        """Convert floating parameters and buffers to float32. Returns self."""
        return self._to_floating(float32)

    def double(self):
        """Convert floating parameters and buffers to float64. Returns self."""
        return self._to_floating(float64)

    def half(self):
        """Convert floating parameters and buffers to float16. Returns self."""
        return self._to_floating(float16)

    def bfloat16(self):
        """Convert floating parameters and buffers to bfloat16. Returns self."""
        return self._to_floating(bfloat16)

    def to_empty(self, *, device=None, recurse: bool = True):
        """As `to(device)`, with the values left undefined. Returns self."""
        return self._apply(lambda t: t.to(device=device), recurse=recurse)

    def cpu(self):
        """Move everything to the CPU. Returns self."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """Move everything to a GPU (the tensors say what that gives where there is none). Returns self."""
        return self._apply(lambda t: t.cuda(device))

    def share_memory(self):
        """Accepted for programs that share modules between processes; nothing moves. Returns self."""
        return self


def _parse_to(*args, device=None, dtype: DType | None = None, tensor: Tensor | None = None, non_blocking=False, **_):
    for value in args:
        if isinstance(value, DType):
            dtype = value
        elif isinstance(value, Tensor):
            tensor = value
        elif not isinstance(value, bool) and value is not None:
            device = value
    if tensor is not None:
        device, dtype = tensor.device, tensor.dtype
    return device, dtype
