"""torch.cuda on a machine without a GPU: `is_available()` is False, `device_count()` 0.

What programs call whether or not there is a GPU does nothing here, as it does there: seeds, `synchronize`,
`empty_cache`; memory is counted as 0. What needs a GPU raises torch's error.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import Any, NoReturn

from . import amp, nccl

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CUDAGraph", "DoubleTensor", "Event", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "OutOfMemoryError", "Stream", "amp", "current_device", "current_stream", "default_stream", "device",
    "device_count", "empty_cache", "get_device_capability", "get_device_name", "get_device_properties", "get_rng_state",
    "init", "initial_seed", "ipc_collect", "is_available", "is_bf16_supported", "is_initialized", "manual_seed",
    "manual_seed_all", "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_cached", "memory_reserved", "memory_stats", "memory_summary", "nccl", "reset_max_memory_allocated",
    "reset_peak_memory_stats", "seed", "seed_all", "set_device", "set_rng_state", "stream", "synchronize",
]  # fmt: skip


class OutOfMemoryError(RuntimeError):
    """What torch raises when a GPU's memory is full; for `except` clauses."""


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: of a GPU is asked."""
    return False


def device_count() -> int:
    """0."""
    return 0


def no_gpu() -> NoReturn:
    """The error of a torch that was built for the CPU."""
    raise AssertionError("Torch not compiled with CUDA enabled: minitorch computes on the CPU")


def init() -> None:
    """AssertionError: there is no GPU."""
    no_gpu()


def current_device() -> int:
    """AssertionError: there is no GPU."""
    no_gpu()


def set_device(device: Any) -> None:
    """AssertionError: there is no GPU. A negative number is accepted, as torch accepts it."""
    if not (isinstance(device, int) and device < 0):
        no_gpu()


def get_device_name(device: Any = None) -> str:
    """AssertionError: there is no GPU."""
    no_gpu()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """AssertionError: there is no GPU."""
    no_gpu()


def get_device_properties(device: Any = None) -> Any:
    """AssertionError: there is no GPU."""
    no_gpu()


def synchronize(device: Any = None) -> None:
    """AssertionError: there is no GPU to wait for."""
    no_gpu()


def current_stream(device: Any = None) -> Any:
    """AssertionError: there is no GPU."""
    no_gpu()


def default_stream(device: Any = None) -> Any:
    """AssertionError: there is no GPU."""
    no_gpu()


def get_rng_state(device: Any = "cuda") -> Any:
    """AssertionError: there is no GPU."""
    no_gpu()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Nothing: torch remembers it for a GPU that is asked for later."""


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """AssertionError: there is no GPU."""
    no_gpu()


class Event:
    """RuntimeError: there is no GPU whose work could be timed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise RuntimeError(f"torch.cuda.{type(self).__name__} requires CUDA support")


class Stream(Event):
    """RuntimeError: there is no GPU."""


class CUDAGraph(Event):
    """RuntimeError: there is no GPU."""


class _NoTensor:
    """A type of tensors on a GPU: nothing is one. TypeError where one is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        name = type(self).__name__
        raise TypeError(f"type torch.cuda.{name} not available. Torch not compiled with CUDA enabled.")


class FloatTensor(_NoTensor):
    """float32 on a GPU."""


class DoubleTensor(_NoTensor):
    """float64 on a GPU."""


class HalfTensor(_NoTensor):
    """float16 on a GPU."""


class BFloat16Tensor(_NoTensor):
    """bfloat16 on a GPU."""


class LongTensor(_NoTensor):
    """int64 on a GPU."""


class IntTensor(_NoTensor):
    """int32 on a GPU."""


class ByteTensor(_NoTensor):
    """uint8 on a GPU."""


class BoolTensor(_NoTensor):
    """bool on a GPU."""


class device(contextlib.nullcontext):
    """A context that torch enters without effect when there is no GPU."""

    def __init__(self, device: Any = None) -> None:
        super().__init__()


class stream(contextlib.nullcontext):
    """A context without effect: `stream(None)`."""

    def __init__(self, stream: Any = None) -> None:
        super().__init__()


def manual_seed(seed: int) -> None:
    """Nothing: there is no GPU's generator."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Nothing: there are no GPUs' generators."""
    int(seed)


def seed() -> None:
    """Nothing."""


def seed_all() -> None:
    """Nothing."""


def initial_seed() -> int:
    """AssertionError: there is no GPU."""
    no_gpu()


def empty_cache() -> None:
    """Nothing: no memory of a GPU is held."""


def ipc_collect() -> None:
    """Nothing."""


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing."""


reset_max_memory_allocated = reset_peak_memory_stats


def memory_allocated(device: Any = None) -> int:
    """0: no memory of a GPU is used."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_cached = max_memory_cached = memory_allocated


def memory_stats(device: Any = None) -> OrderedDict:
    """An empty dictionary."""
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """An empty text."""
    return ""
