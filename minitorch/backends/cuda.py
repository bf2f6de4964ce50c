"""torch.backends.cuda: switches for computing on NVIDIA's GPUs. They change nothing here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

__all__ = [
    "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp", "flash_sdp_enabled", "is_built", "math_sdp_enabled",
    "matmul", "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip

matmul = SimpleNamespace(
    allow_tf32=False, allow_fp16_reduced_precision_reduction=True, allow_bf16_reduced_precision_reduction=True
)
_attention = {"flash": True, "math": True, "mem_efficient": True}


def is_built() -> bool:
    """False."""
    return False


def flash_sdp_enabled() -> bool:
    """The switch of one implementation of attention."""
    return _attention["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Set it."""
    _attention["flash"] = enabled


def math_sdp_enabled() -> bool:
    """The switch of one implementation of attention."""
    return _attention["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Set it."""
    _attention["math"] = enabled


def mem_efficient_sdp_enabled() -> bool:
    """The switch of one implementation of attention."""
    return _attention["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Set it."""
    _attention["mem_efficient"] = enabled


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, **others: Any
) -> Iterator[None]:
    """The three switches for a while; attention inside is computed as outside."""
    before = dict(_attention)
    _attention.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient)
    try:
        yield
    finally:
        _attention.update(before)
