"""Arguments given as one number or as several."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat


def _ntuple(n: int, name: str = "parse"):
    """A function that repeats one value n times and leaves several values as they are."""

    def parse(value):
        return tuple(value) if isinstance(value, Iterable) else tuple(repeat(value, n))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(values, times: int) -> tuple:
    """The values from last to first, each `times` times: (1, 2) -> (2, 2, 1, 1), in the order that `pad` wants."""
    return tuple(value for value in reversed(values) for _ in range(times))
