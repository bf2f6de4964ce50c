"""torch.profiler: profiles of the steps of a loop, by a schedule.

with profile(schedule=schedule(wait=1, warmup=1, active=3), on_trace_ready=show) as prof:
    for x, y in loader:
        train_step(x, y)
        prof.step()
"""

from __future__ import annotations

import enum
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from .autograd.profiler import EventList, FunctionEventAvg, Recorder, record_function

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What can be watched. There is only the CPU here; the others are accepted and add nothing."""

    CPU = 0
    CUDA = 2
    XPU = 1


class ProfilerAction(enum.Enum):
    """What is done in a step: nothing, a run-up, recording, or recording that is handed over at the end of the step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set:
    """The activities that there is something to record of."""
    return {ProfilerActivity.CPU}


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0) -> Callable:
    """After `skip_first` steps, again and again (`repeat` times, if it is not 0): `wait` steps of nothing, `warmup`
    steps, then `active` steps that are recorded."""
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", stacklevel=2)

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        cycle = wait + warmup + active
        if step < 0 or (repeat and step // cycle >= repeat):
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable:
    """A function for `on_trace_ready` that writes each trace into a file of its own in the directory."""

    def handle(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{os.uname().nodename}_{os.getpid()}"
        suffix = ".gz" if use_gzip else ""
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json{suffix}"))

    return handle


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


class profile:
    """Context manager (or `start` and `stop`): the operations of this thread are recorded, step by step.

    schedule: a function of the step's number that says what to do; without it everything is recorded. on_trace_ready:
    called with this profile whenever a recording is complete. record_shapes: with the shapes of inputs. The memory of
    an operation is that of the arrays it makes; stacks, flops and modules are not recorded.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
    ):
        self.activities = set(activities) if activities is not None else supported_activities()
        if not self.activities:
            raise AssertionError("No valid profiler activities found")
        self.schedule, self.on_trace_ready, self.record_shapes = schedule or _always, on_trace_ready, record_shapes
        self.by_steps = schedule is not None
        self.step_num = 0
        self.recorder = Recorder(record_shapes)
        self.running = False
        self.step_range: Any = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def start(self) -> None:
        """Begin with step 0."""
        self._enter_step()

    def stop(self) -> None:
        """End; a recording that was going on is complete."""
        recording = self.running
        self._leave_step()
        if recording and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """The next step begins."""
        complete = self.running and self.schedule(self.step_num) is ProfilerAction.RECORD_AND_SAVE
        self._leave_step()
        if complete and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        self.step_num += 1
        self._enter_step()

    def _records(self) -> bool:
        return self.schedule(self.step_num) in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def _enter_step(self) -> None:
        if not self._records():
            return
        if self.step_num and self.schedule(self.step_num - 1) is not ProfilerAction.RECORD:
            self.recorder = Recorder(self.record_shapes)  # a new recording begins
        self.recorder.switch_on()
        self.running = True
        if self.by_steps:
            self.step_range = self.recorder.range(f"ProfilerStep#{self.step_num}")
            self.step_range.__enter__()

    def _leave_step(self) -> None:
        if not self.running:
            return
        if self.step_range is not None:
            self.step_range.__exit__(None, None, None)
            self.step_range = None
        self.recorder.switch_off()
        self.running = False

    def events(self) -> EventList:
        """Every single event of the latest recording."""
        return EventList(self.recorder.events)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One entry for each operation of the latest recording; `.table(sort_by=..., row_limit=...)` is the text."""
        return self.events().key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """All events together."""
        return self.events().total_average()

    def export_chrome_trace(self, path) -> None:
        """Write the latest recording for chrome://tracing or Perfetto."""
        self.events().export_chrome_trace(path)
