"""One kernel declared under several names: conv1d, conv2d, conv3d are one piece of code."""

from __future__ import annotations

from types import FunctionType
from typing import Any


def renamed(kernel: Any, name: str) -> FunctionType:
    """The same function under another name."""
    twin = FunctionType(kernel.__code__, kernel.__globals__, name, kernel.__defaults__, kernel.__closure__)
    twin.__kwdefaults__, twin.__doc__ = kernel.__kwdefaults__, kernel.__doc__
    return twin
