"""`Variable`, what tensors that collect gradients were called before they were simply tensors."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor

__all__ = ["Variable"]


class _VariableType(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor)

    def __call__(cls, data: Any = None, requires_grad: bool = False, volatile: Any = None) -> Tensor:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


class Variable(metaclass=_VariableType):
    """`Variable(data, requires_grad=False)`: the tensor's memory as a new leaf; `isinstance(x, Variable)`: a tensor."""
