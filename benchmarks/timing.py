"""How two functions are timed against each other.

Both sides run in one process, in turns, many short batches each: whatever slows the machine down for a while slows
both. The figure for a side is the median over its batches; their ratio is what is reported.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Comparison:
    """Times of one call, in seconds: medians, and the spread (quartile distance) of each side over its batches."""

    name: str
    ours: float
    theirs: float
    our_spread: float
    their_spread: float

    @property
    def ratio(self) -> float:
        """torch's time over ours: above 1 we are faster."""
        return self.theirs / self.ours


def _batch(function: Callable, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def _calls_for(function: Callable, seconds: float) -> int:
    function()
    once = max(_batch(function, 5), 1e-7)
    return max(3, int(seconds / once))


def compare(
    name: str, ours: Callable, theirs: Callable, *, rounds: int = 21, batch_seconds: float = 0.004
) -> Comparison:
    """Time `ours` against `theirs`, interleaved: `rounds` batches of about `batch_seconds` each per side."""
    calls = [_calls_for(f, batch_seconds) for f in (ours, theirs)]
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    for i in range(rounds):
        order = (0, 1) if i % 2 else (1, 0)
        for side in order:
            times[side].append(_batch((ours, theirs)[side], calls[side]))
    quartiles = [statistics.quantiles(t, n=4) for t in times]
    return Comparison(
        name, quartiles[0][1], quartiles[1][1], quartiles[0][2] - quartiles[0][0], quartiles[1][2] - quartiles[1][0]
    )


def geometric_mean(values: list[float]) -> float:
    return statistics.geometric_mean(values)
