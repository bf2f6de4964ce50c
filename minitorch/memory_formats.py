"""`memory_format`: the orders in memory that copies can be asked for by name."""

from __future__ import annotations


class memory_format:
    """Orders of memory that `contiguous` and `clone` know by name."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}_format" if self.name in ("contiguous", "preserve") else f"torch.{self.name}"


contiguous_format = memory_format("contiguous")
preserve_format = memory_format("preserve")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


def check_memory_format(name: str, value) -> None:
    """TypeError unless `value` is a memory format, or None."""
    if value is not None and not isinstance(value, memory_format):
        raise TypeError(f"{name}(): argument 'memory_format' must be torch.memory_format, not {type(value).__name__}")
