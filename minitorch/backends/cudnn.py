"""torch.backends.cudnn: NVIDIA's library of network layers, which is not used here. Its switches change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags", "is_available", "version"]

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False: it takes no tensor on the CPU."""
    return False


@contextlib.contextmanager
def flags(**switches: Any) -> Iterator[None]:
    """Switches for a while."""
    before = {name: globals()[name] for name in switches if name in __all__}
    globals().update({name: switches[name] for name in before})
    try:
        yield
    finally:
        globals().update(before)
