"""A system: a model, its data, and a bar that it must reach; declared once, by `@system` above the function that runs it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MINUTES = 3  # a system is trained and measured within so many


@dataclass(frozen=True)
class Reached:
    """What a run came to: the value of the metric, that of the baseline, and what else is worth telling (plain data)."""

    value: float
    baseline: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """metric: what is measured, on which data. bar: what it must reach; `better` says from which side.

    baseline: in words, what a system that learnt nothing of interest gets in the same metric.
    """

    name: str
    title: str
    metric: str
    bar: float
    better: str  # ">=" or "<="
    baseline: str
    run: Callable[..., Reached]

    @property
    def configuration(self) -> dict[str, Any]:
        """The seed and the sizes: the defaults of the function's arguments."""
        return {name: p.default for name, p in inspect.signature(self.run).parameters.items()}

    def passes(self, value: float) -> bool:
        return value >= self.bar if self.better == ">=" else value <= self.bar

    def measure(self, **changes: Any) -> dict[str, Any]:
        """Run it; the row of the report. `seconds` by the clock, `cpu_seconds` of all threads; data and training both."""
        configuration = self.configuration | changes
        start, cpu = time.perf_counter(), time.process_time()
        reached = self.run(**configuration)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        return {
            "name": self.name,
            "title": self.title,
            "metric": self.metric,
            "bar": self.bar,
            "better": self.better,
            "value": reached.value,
            "passed": self.passes(reached.value),
            "baseline": self.baseline,
            "baseline_value": reached.baseline,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(cpu, 2),
            "seed": configuration["seed"],
            "configuration": configuration,
            "command": f"python -m benchmarks systems --only {self.name}",
            "details": reached.details,
        }


SYSTEMS: dict[str, System] = {}


def system(*, metric: str, baseline: str, at_least: float | None = None, at_most: float | None = None) -> Callable:
    """Declare the decorated function as a system under its own name; the first line of its docstring is the title."""
    if (at_least is None) == (at_most is None):
        raise TypeError("system: one of at_least and at_most")

    def declare(run: Callable[..., Reached]) -> Callable[..., Reached]:
        name = run.__name__.replace("_", "-")
        title = (inspect.getdoc(run) or "").splitlines()[0].rstrip(".")
        bar, better = (at_least, ">=") if at_most is None else (at_most, "<=")
        SYSTEMS[name] = System(name, title, metric, bar, better, baseline, run)
        return run

    return declare
