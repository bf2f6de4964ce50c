"""Carries arguments over: a torch tensor becomes a minitorch tensor with the same numbers, strides and dtype.

``ToMinitorch`` converts whatever a call was given: tensors inside lists, tuples and dicts, dtypes, devices, generators,
functions. An object met twice (one tensor passed as two arguments) becomes one object again.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.core.tensor import wrap

from . import resolve
from .harness import dtype_name


class Missing(Exception):
    """minitorch lacks a name that the call needs."""


class Unsupported(Exception):
    """A tensor that NumPy, or minitorch by its own choice, cannot hold."""


def memory_of(tensor: torch.Tensor) -> np.ndarray:
    """A NumPy copy of a torch tensor with the same strides: the stretch of memory it spans is copied, gaps included."""
    tensor = tensor.detach()
    if tensor.device.type != "cpu":
        tensor = tensor.cpu()
    tensor = tensor.resolve_conj().resolve_neg()
    if tensor.numel() == 0:
        return np.empty(tuple(tensor.shape), numpy_dtype(tensor.dtype))
    extent = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    flat = tensor.as_strided((extent,), (1,), tensor.storage_offset()).clone()
    flat = flat.view(torch.int16).numpy() if tensor.dtype == torch.bfloat16 else flat.numpy()
    flat = flat.view(numpy_dtype(tensor.dtype))
    strides = [step * flat.itemsize for step in tensor.stride()]
    return np.lib.stride_tricks.as_strided(flat, tuple(tensor.shape), strides)


def representable(tensor: torch.Tensor) -> bool:
    """Whether NumPy, and so minitorch, can hold such a tensor."""
    return tensor.layout == torch.strided and not tensor.is_complex() and tensor.ndim <= 64


def numpy_dtype(dtype: torch.dtype) -> np.dtype:
    """The NumPy dtype that stores a torch dtype; bfloat16 is that of ``ml_dtypes``, which minitorch loads when asked."""
    return minitorch.bfloat16.numpy if dtype == torch.bfloat16 else np.dtype(dtype_name(dtype))


def same_name(value: Any) -> Any:
    """minitorch's counterpart of ``torch.float32``, ``torch.strided``, ``torch.contiguous_format``."""
    name = dtype_name(value)
    if not hasattr(minitorch, name):
        raise Missing(f"minitorch has no {name}")
    return getattr(minitorch, name)


def same_module(module: torch.nn.Module) -> Any:
    """minitorch's counterpart of a module without parameters (a distance function), with the same settings."""
    twin = getattr(minitorch.nn, type(module).__name__)()
    settings = {name: v for name, v in vars(module).items() if isinstance(v, (bool, int, float, str))}
    vars(twin).update(settings)
    return twin


def reversed_memory(array: np.ndarray) -> np.ndarray:
    """The same values over memory that runs backwards in every dimension (torch has no negative strides)."""
    backwards = (..., *[slice(None, None, -1)] * array.ndim)
    return array[backwards].copy()[backwards]


class ToMinitorch:
    """Converts torch's side of a call; one instance per call, so that shared objects stay shared.

    ``pairs`` lists the (torch tensor, minitorch tensor) pairs in the order they were met.
    """

    def __init__(self, negative_strides: bool = False):
        self.negative_strides = negative_strides
        self.pairs: list[tuple[torch.Tensor, Any]] = []

    def tensor(self, value: torch.Tensor) -> Any:
        for theirs, ours in self.pairs:
            if theirs is value:
                return ours
        if not representable(value):
            raise Unsupported(f"no tensor of layout {value.layout}, {value.dtype}, {value.ndim} dimensions")
        array = memory_of(value)
        if self.negative_strides:
            array = reversed_memory(array)
        ours = wrap(array)
        if value.requires_grad:
            ours.requires_grad_()
        self.pairs.append((value, ours))
        return ours

    def __call__(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            return same_name(value)
        if isinstance(value, torch.device):
            return minitorch.device("cpu")
        if isinstance(value, torch.Generator):
            return minitorch.Generator().manual_seed(value.initial_seed())
        if isinstance(value, torch.Size):
            return minitorch.Size(value)
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, (list, tuple)):
            items = [self(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
            return resolve.translate(value)
        if isinstance(value, torch.nn.Module):
            return same_module(value)
        return value


def tensors_in(value: Any) -> list:
    """Every tensor of either library inside nested lists, tuples, dicts and slices, in order."""
    if hasattr(value, "detach"):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, slice):
        value = [value.start, value.stop, value.step]
    return [t for item in value for t in tensors_in(item)] if isinstance(value, (list, tuple)) else []
