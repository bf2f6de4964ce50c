"""How functions are timed against each other, and the arithmetic of the figures.

All sides run in one process, in turns, in many short batches: whatever slows the machine down for a while slows every
side. The figure of a side is the median over its batches, its spread the quartiles. A ratio's spread comes from the
rounds: the two batches of one round ran within milliseconds of each other, so their quotient hardly notices what the
rest of the machine does.

The first call is timed apart: it holds compilation, or loading compiled code from a cache.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How long a row may take. A row gets as many rounds as fit into `seconds`, between `least` and `most`.

    batch: seconds that one batch should last: many calls of a quick function, one of a slow one.
    settle: seconds between two batches, after which one call is not timed. With several threads, those of the side before
    may still spin while they wait for work, and take a core from this side; and its own may sleep, and be slow to wake.
    """

    seconds: float = 0.6
    least: int = 5
    most: int = 31
    batch: float = 0.004
    settle: float = 0.0


@dataclass(frozen=True)
class Figure:
    """What was measured for one library: seconds of a call (or bytes), as median and quartiles over the batches.

    first: seconds of the very first call. cores: CPU seconds per second of wall time while it was measured, for
    all threads together: the number of cores that it really used, below 1 where others had the machine.
    """

    value: float
    low: float
    high: float
    first: float | None = None
    batches: int = 1
    cores: float | None = None


@dataclass(frozen=True)
class Ratio:
    """Another library's figure over minitorch's: above 1, minitorch is faster (or smaller)."""

    value: float
    low: float
    high: float


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def figure(samples: Sequence[float], first: float | None = None, cores: float | None = None) -> Figure:
    low, middle, high = quartiles(samples)
    return Figure(middle, low, high, first, len(samples), cores)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The quotient of the medians; its range is the quartiles of the quotients round by round, and itself."""
    value = statistics.median(theirs) / statistics.median(ours)
    low, _, high = quartiles([b / a for a, b in zip(ours, theirs, strict=True)])
    return Ratio(value, min(low, value), max(high, value))


def geometric_mean(values: Sequence[float]) -> float:
    """The mean for ratios: 2 and 1/2 together are 1."""
    return statistics.geometric_mean(values) if values else float("nan")


def timed(function: Callable) -> tuple[float, object]:
    """Seconds of one call, and what it returned."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def batch(function: Callable, calls: int) -> tuple[float, float]:
    """(wall, CPU) seconds of so many calls."""
    busy, start = time.process_time(), time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start, time.process_time() - busy


def calls_for(once: float, seconds: float) -> int:
    """How many calls of `once` seconds make a batch of about `seconds`."""
    return max(1, round(seconds / max(once, 1e-7)))


def rounds_for(round_seconds: float, effort: Effort) -> int:
    """How many rounds fit into the effort."""
    return min(effort.most, max(effort.least, int(effort.seconds / max(round_seconds, 1e-9))))


@contextmanager
def only_new_garbage():
    """Hide from the garbage collector what exists already.

    It would otherwise walk through every object of every library imported here, at the expense of the side that makes
    more Python objects.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def warm_up(function: Callable, seconds: float) -> float:
    """Call it for a while; returns the seconds of one call."""
    spent, best = 0.0, float("inf")
    while spent <= seconds:
        wall, _ = batch(function, 1)
        spent, best = spent + wall, min(best, wall)
    return best


def keep_busy(seconds: float) -> None:
    """Wait without sleeping: cores that have slept are slow for some milliseconds."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@dataclass
class Samples:
    """Seconds per call of each batch of one side, in the order of the rounds, and the cores it used."""

    seconds: list[float]
    cores: float


def measure(sides: Mapping[str, Callable], effort: Effort) -> dict[str, Samples]:
    """Time all sides in turns; who begins changes from round to round."""
    with only_new_garbage():
        once = {name: warm_up(function, effort.batch) for name, function in sides.items()}
        calls = {name: calls_for(seconds, effort.batch) for name, seconds in once.items()}
        rounds = rounds_for(sum(once[name] * calls[name] for name in sides), effort)
        names = list(sides)
        walls: dict[str, list[float]] = {name: [] for name in names}
        busy = dict.fromkeys(names, 0.0)
        for i in range(rounds):
            turn = i % len(names)
            for name in names[turn:] + names[:turn]:
                if effort.settle:
                    keep_busy(effort.settle)
                    sides[name]()
                wall, cpu = batch(sides[name], calls[name])
                walls[name].append(wall)
                busy[name] += cpu
    return {
        name: Samples([wall / calls[name] for wall in walls[name]], busy[name] / max(sum(walls[name]), 1e-9))
        for name in names
    }
