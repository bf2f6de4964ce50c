"""torch.backends.cpu."""

from __future__ import annotations

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """ "DEFAULT": kernels are compiled for the machine they run on."""
    return "DEFAULT"
