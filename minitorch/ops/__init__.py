"""The operations, one family a file; importing this package declares them all."""

from . import (
    activation,
    arithmetic,
    comparison,
    conv,
    convert,
    creation,
    data,
    pad,
    reduce,
    rounding,
    shape,
    special,
    transcendental,
)

__all__ = [
    "activation",
    "arithmetic",
    "comparison",
    "conv",
    "convert",
    "creation",
    "data",
    "pad",
    "reduce",
    "rounding",
    "shape",
    "special",
    "transcendental",
]
