"""torch.backends.openmp: threads of compiled code, which Numba has its own ways to start."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
