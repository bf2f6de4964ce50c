"""torch.version: which torch this stands for, and what it was built with."""

from __future__ import annotations

__all__ = ["cuda", "debug", "git_version", "hip", "torch"]

torch = "2.13.0"  # whose API, numbers and random streams these are
cuda: str | None = None
hip: str | None = None
git_version: str | None = None
debug = False
