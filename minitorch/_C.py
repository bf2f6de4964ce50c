"""torch._C: what programs read of torch's compiled part."""

from __future__ import annotations

__all__ = ["_get_tracing_state"]


def _get_tracing_state() -> None:
    """None: nothing is traced."""
