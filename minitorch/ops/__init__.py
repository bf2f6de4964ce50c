"""The operations, one family a file; importing this package declares them all."""

from . import arithmetic, comparison, convert, reduce, shape, transcendental

__all__ = ["arithmetic", "comparison", "convert", "reduce", "shape", "transcendental"]
