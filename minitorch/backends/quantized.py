"""torch.backends.quantized: arithmetic on small integers, for which there is no engine here."""

from __future__ import annotations

__all__ = ["engine", "supported_engines"]

engine = "none"
supported_engines = ["none"]
