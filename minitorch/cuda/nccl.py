"""torch.cuda.nccl: asked for its version by programs that print their surroundings."""

from __future__ import annotations

__all__ = ["is_available", "version"]


def is_available(tensors: object = None) -> bool:
    """False: NCCL connects GPUs."""
    return False


def version() -> tuple[int, ...]:
    """RuntimeError: there is no NCCL."""
    raise RuntimeError("nccl.version: minitorch has no NCCL")
