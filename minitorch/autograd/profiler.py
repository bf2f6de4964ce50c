"""Where the time goes: every operation with its time and memory, in a table or as a trace (torch.autograd.profiler).

    with profile() as prof:
        with record_function("forward"):
            loss = model(x).sum()
        loss.backward()
    print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))

While a profile is open, `state.profile` sees every primitive call of this thread below all levels (core/levels.py), and
the backward pass tells it which node it is at. What happens inside of something else is a child of it: the self time
of an event is its time without that of its children.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ..core.state import state
from ..core.tensor import Tensor

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]


@dataclass
class FunctionEvent:
    """One call. Times in microseconds, `start` from when the profile was opened; memory: bytes of arrays made."""

    name: str
    start: float
    category: str = "cpu_op"
    thread: int = 0
    input_shapes: list = field(default_factory=list)
    cpu_time_total: float = 0.0
    cpu_memory_usage: int = 0
    children_time: float = 0.0
    children_memory: int = 0
    depth: int = 0

    @property
    def key(self) -> str:
        return self.name

    @property
    def self_cpu_time_total(self) -> float:
        return self.cpu_time_total - self.children_time

    @property
    def self_cpu_memory_usage(self) -> int:
        return self.cpu_memory_usage - self.children_memory


@dataclass
class FunctionEventAvg:
    """All calls of one name (and of one shape of inputs, where they are told apart) together."""

    key: str
    input_shapes: list = field(default_factory=list)
    count: int = 0
    depth: int = 0
    cpu_time_total: float = 0.0
    self_cpu_time_total: float = 0.0
    cpu_memory_usage: int = 0
    self_cpu_memory_usage: int = 0

    @property
    def cpu_time(self) -> float:
        """The mean time of a call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    def add(self, event: FunctionEvent) -> None:
        self.count += 1
        for name in ("cpu_time_total", "self_cpu_time_total", "cpu_memory_usage", "self_cpu_memory_usage"):
            setattr(self, name, getattr(self, name) + getattr(event, name))


class Recorder:
    """The events of one thread, while it is switched on."""

    def __init__(self, record_shapes: bool = False):
        self.record_shapes = record_shapes
        self.events: list[FunctionEvent] = []
        self.open: list[FunctionEvent] = []
        self.zero = time.perf_counter_ns()

    def __call__(self, op, inputs, params):
        """A primitive call, timed."""
        trace, state.trace = state.trace, None
        event = self.begin(f"aten::{op.torch[0].rpartition('.')[2] if op.torch else op.name}", "cpu_op", inputs)
        try:
            outputs = op.call(*inputs, **params)
            if op.kind != "view":
                made = outputs if isinstance(outputs, tuple) else (outputs,)
                event.cpu_memory_usage = sum([z.array.nbytes for z in made])
            return outputs
        finally:
            state.trace = trace
            self.end(event)

    def begin(self, name: str, category: str, inputs=()) -> FunctionEvent:
        event = FunctionEvent(name, 0.0, category, threading.get_ident(), depth=len(self.open))
        if self.record_shapes:
            event.input_shapes = [list(x.array.shape) if isinstance(x, Tensor) else [] for x in inputs]
        self.events.append(event)
        self.open.append(event)
        event.start = (time.perf_counter_ns() - self.zero) / 1e3
        return event

    def end(self, event: FunctionEvent) -> None:
        event.cpu_time_total = (time.perf_counter_ns() - self.zero) / 1e3 - event.start
        while self.open and self.open.pop() is not event:  # what was opened inside and not closed
            pass
        if self.open:
            self.open[-1].children_time += event.cpu_time_total
            self.open[-1].children_memory += event.cpu_memory_usage
            self.open[-1].cpu_memory_usage += event.cpu_memory_usage

    @contextlib.contextmanager
    def range(self, name: str, category: str = "user_annotation"):
        """An event around whatever happens inside."""
        event = self.begin(name, category)
        try:
            yield
        finally:
            self.end(event)

    def switch_on(self) -> None:
        if state.profile is not None:
            raise RuntimeError("profiler is already enabled on this thread")
        state.profile = self
        if state.trace is None:
            state.trace = self

    def switch_off(self) -> None:
        if state.trace is self:
            state.trace = None
        state.profile = None


class record_function(contextlib.ContextDecorator):
    """A name for what happens inside, in the profile. Context manager and decorator."""

    def __init__(self, name: str, args: str | None = None):
        self.name, self.args = name, args
        self.entered: list = []

    def __enter__(self):
        recorder = state.profile
        self.entered.append((recorder, None if recorder is None else recorder.begin(self.name, "user_annotation")))
        return self

    def __exit__(self, *error):
        recorder, event = self.entered.pop()
        if recorder is not None:
            recorder.end(event)


class EventList(list):
    """Events, or their averages, with ways to show them."""

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """One entry for each name, or for each name and shape of inputs."""
        groups: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = event.input_shapes if group_by_input_shape else []
            group = groups.setdefault((event.name, str(shapes)), FunctionEventAvg(event.name, shapes))
            group.add(event)
        return EventList(groups.values())

    def total_average(self) -> FunctionEventAvg:
        """All events together."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.add(event)
        return total

    @property
    def self_cpu_time_total(self) -> float:
        return sum([event.self_cpu_time_total for event in self])

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_name_column_width: int = 55,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The entries as text. sort_by: the name of a column's attribute, such as "self_cpu_time_total", largest first."""
        rows: list[Any] = [e for e in self if not (top_level_events_only and e.depth)]
        if sort_by is not None:
            rows = sorted(rows, key=lambda e: getattr(e, sort_by), reverse=True)
        return _table(rows[:row_limit], self.self_cpu_time_total, max_name_column_width, header)

    def export_chrome_trace(self, path) -> None:
        """Write the events as JSON that chrome://tracing and Perfetto show; compressed where the name ends in .gz."""
        events = [
            {
                "ph": "X", "cat": e.category, "name": e.name, "pid": os.getpid(), "tid": e.thread, "ts": e.start,
                "dur": e.cpu_time_total,
                "args": {"Input Dims": e.input_shapes, "Bytes": e.cpu_memory_usage},
            }
            for e in self
        ]  # fmt: skip
        text = json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})
        with gzip.open(path, "wt") if str(path).endswith(".gz") else open(path, "w") as file:
            file.write(text)

    def __str__(self) -> str:
        return self.table()


def time_text(microseconds: float) -> str:
    """A time in the unit that suits it."""
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"


def memory_text(count: int) -> str:
    """A number of bytes in the unit that suits it."""
    for unit, size in (("Gb", 2**30), ("Mb", 2**20), ("Kb", 2**10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} b"


def _table(rows: list, total: float, width: int, header: str | None) -> str:
    def share(microseconds: float) -> str:
        return f"{100 * microseconds / total:.2f}%" if total else "nan"

    titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "CPU Mem", "Self CPU Mem"]
    titles.append("# of Calls")
    shaped = any([row.input_shapes for row in rows])
    if shaped:
        titles.append("Input Shapes")
    lines = [titles]
    for row in rows:
        count = getattr(row, "count", 1)
        name = row.key if len(row.key) <= width else row.key[: width - 3] + "..."
        cells = [
            name, share(row.self_cpu_time_total), time_text(row.self_cpu_time_total), share(row.cpu_time_total),
            time_text(row.cpu_time_total), time_text(row.cpu_time_total / count), memory_text(row.cpu_memory_usage),
            memory_text(row.self_cpu_memory_usage), str(count),
        ]  # fmt: skip
        lines.append([*cells, str(row.input_shapes)] if shaped else cells)
    widths = [max([len(line[k]) for line in lines]) for k in range(len(titles))]
    rule = "  ".join(["-" * n for n in widths])
    text = ["  ".join([cell.rjust(n) for cell, n in zip(line, widths, strict=True)]) for line in lines]
    head = [header] if header else []
    return "\n".join([*head, rule, text[0], rule, *text[1:], rule, f"Self CPU time total: {time_text(total)}", ""])


class profile:
    """Context manager: the operations of this thread inside are recorded.

    record_shapes: with the shapes of their inputs. The memory of an operation is that of the arrays it makes.
    """

    def __init__(
        self, enabled: bool = True, *, record_shapes: bool = False, profile_memory: bool = True, **unused: Any
    ):
        self.enabled = enabled
        self.recorder = Recorder(record_shapes)

    def __enter__(self):
        if self.enabled:
            self.recorder.switch_on()
        return self

    def __exit__(self, *error):
        if self.enabled:
            self.recorder.switch_off()

    @property
    def function_events(self) -> EventList:
        return EventList(self.recorder.events)

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """One entry for each operation, see `EventList.table`."""
        return self.function_events.key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """All events together."""
        return self.function_events.total_average()

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """Every single event as text."""
        return self.function_events.table(sort_by, row_limit, **options)

    def export_chrome_trace(self, path) -> None:
        """Write the events for chrome://tracing or Perfetto."""
        self.function_events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        return self.function_events.self_cpu_time_total
