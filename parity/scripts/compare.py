"""Holds the records of one program's two runs side by side and finds the first call where they part.

A call parts where its results differ by more than rounding explains, although what it was given agrees. Rounding
explains, relative to the largest element of a result (`kept.ROUNDING`, for float32 1e-5):

- its own share, which grows with the steps an optimizer has taken: the program is a chain of them;
- an absolute share where equal terms cancel: some units in the last place of what the call was given, times the root
  of the number of terms that go into one element;
- what was there already: 64 times the relative distance of its arguments.

A gradient that is zero but for rounding (of the bias of an attention's keys, of a bias in front of a batch norm) is
different noise on both sides, and Adam, which divides it by its own size, makes steps of full length of it. So of the
step of an optimizer is excused what the distance of the gradients explains: ten learning rates times that distance,
absolute or relative to the gradient itself, whichever is larger, summed over the steps.

Losses and other numbers that the program reads (`item`, `float`) have to agree without excuse, but for growth.

Where this does not suffice, a control run decides: torch's own, with every parameter one unit in the last place off
(`nudged`). A result or a number may then be ten times as far off as the control was at the same line, up to then.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from .kept import ROUNDING, UNITS, Apart, Kept, apart
from .recorder import Call

HERITAGE = 64  # how much a call may enlarge the distance of its arguments
BACKWARD = 10  # a backward pass is many operations
GROWTH = 10  # how much farther off than the control a result may be
REMEMBERED = 10  # how many steps an optimizer's averages remember a gradient
BACKWARD_CALLS = ("Tensor.backward", "autograd.backward")
READ = ("Tensor.item", "Tensor.__float__", "Tensor.tolist")
STEP = ".step"


@dataclass
class Finding:
    """Where two runs part."""

    number: int
    ours: Call | None
    theirs: Call | None
    part: str  # which result: "output 1", "parameter 3", "the random stream"
    apart: Apart
    allowed: float

    @property
    def call(self) -> Call:
        call = self.theirs or self.ours
        assert call is not None
        return call


@dataclass
class Number:
    """A loss or a metric on both sides."""

    what: str  # "loss", "Tensor.item"
    where: tuple[str, int]
    step: int  # how many steps the optimizers had taken
    ours: float
    theirs: float
    allowed: float = 0.0  # by the control

    @property
    def far(self) -> float:
        return apart(float(self.ours), float(self.theirs)).far

    @property
    def good(self) -> bool:
        allowed = max(ROUNDING["float32"] * (1 + self.step), self.allowed)
        return self.far <= allowed or abs(self.ours - self.theirs) <= 1e-6


@dataclass
class Comparison:
    calls: int = 0
    steps: int = 0
    first: Finding | None = None
    numbers: list[Number] = field(default_factory=list)
    widest: tuple[float, Call | None] = (0.0, None)  # the largest distance that rounding explains
    errors: tuple[Call | None, Call | None] = (None, None)  # of the program itself: ours, theirs
    controlled: bool = False  # whether there was a control run
    moved: float = 0.0  # how far the control's numbers were off

    @property
    def same(self) -> bool:
        return self.first is None and all(number.good for number in self.numbers)

    @property
    def by_values(self) -> bool:
        """Whether the runs differ, and in nothing but how near values are: what a control run can explain."""
        return not self.same and (self.first is None or math.isfinite(self.first.apart.far))


def calls(trace: Path) -> Iterator[Call]:
    """The calls in a trace; one that a crash cut off ends where it was cut."""
    with trace.open("rb") as file:
        unpickler = pickle.Unpickler(file)
        try:
            unpickler.load()  # the names
            while True:
                yield unpickler.load()
        except (EOFError, pickle.UnpicklingError):
            return


class Comparer:
    """Compares call after call; remembers the steps so far and what has been excused."""

    def __init__(self) -> None:
        self.found = Comparison()
        self.excused: dict[tuple, np.ndarray] = {}
        self.grown: dict[tuple, float] = {}  # the control's largest distance at a line so far

    def run(self, ours: Path, theirs: Path, control: Path | None = None) -> Comparison:
        last: tuple[Call | None, Call | None] = (None, None)
        self.found.controlled = control is not None
        others = iter(()) if control is None else calls(control)
        for mine, true, other in zip_longest(calls(ours), calls(theirs), others):
            if mine is None and true is None:
                break
            last = mine, true
            if other is not None and true is not None:
                self.grow(true, other)
            if mine is None or true is None or mine.name != true.name or mine.where[1] != true.where[1]:
                self.part(mine, true, "the order of calls", Apart(math.inf, "call", named(mine), named(true)), 0)
                break
            self.one(mine, true)
        self.found.errors = tuple(c if c is not None and c.name == "the program" else None for c in last)  # type: ignore[assignment]
        return self.found

    def grow(self, true: Call, other: Call) -> None:
        """Note how far the control is off in what this call gave."""
        if (other.name, other.where[1], len(other.outputs)) != (true.name, true.where[1], len(true.outputs)):
            return
        for i, (left, right) in enumerate(zip(other.outputs, true.outputs, strict=True)):
            place, far = (true.name, true.where[1], i), apart(left, right).far
            self.grown[place] = max(self.grown.get(place, 0.0), far if math.isfinite(far) else 0.0)
        if true.name in BACKWARD_CALLS and other.inputs and true.inputs:
            place, far = (true.name, true.where[1], "loss"), apart(other.inputs[0], true.inputs[0]).far
            self.grown[place] = max(self.grown.get(place, 0.0), far if math.isfinite(far) else 0.0)

    def part(self, mine: Call | None, true: Call | None, part: str, difference: Apart, allowed: float) -> None:
        if self.found.first is None:
            self.found.first = Finding(self.found.calls, mine, true, part, difference, allowed)

    def one(self, mine: Call, true: Call) -> None:
        found = self.found
        found.calls += 1
        if (mine.error and mine.error[0]) != (true.error and true.error[0]):
            self.part(mine, true, "the error", Apart(math.inf, "error", mine.error, true.error), 0)
            return
        if len(mine.outputs) != len(true.outputs):
            self.part(
                mine, true, "the number of results", Apart(math.inf, "number", len(mine.outputs), len(true.outputs)), 0
            )
            return
        stepping = mine.name.startswith("optim.") and mine.name.endswith(STEP) and bool(mine.rates)
        if stepping:
            self.excuse(mine, true)
        for i, (left, right) in enumerate(zip(mine.outputs, true.outputs, strict=True)):
            excused = self.excused.get(parameter_of(true, i)) if stepping else None
            allowed, floor = self.allowance(mine, true, left, right, stepping)
            allowed = max(allowed, GROWTH * self.grown.get((true.name, true.where[1], i), 0.0))
            difference = apart(left, right, floor, excused)
            if difference.far > allowed:
                label = mine.labels[i] if mine.labels else f"output {i}" if len(mine.outputs) > 1 else "the result"
                self.part(mine, true, label, difference, allowed)
            elif difference.far > found.widest[0]:
                found.widest = difference.far, true
        if None not in (mine.stream, true.stream) and mine.stream != true.stream:
            how = Apart(math.inf, "state of the generator", mine.stream, true.stream)
            self.part(mine, true, "the random stream: this call drew other numbers, or more, or fewer", how, 0)
        self.read_numbers(mine, true)
        found.steps += stepping

    def allowance(self, mine: Call, true: Call, left: Any, right: Any, stepping: bool) -> tuple[float, float]:
        """(the relative distance that rounding explains, the size that it is at least relative to)."""
        own = ROUNDING.get(right.dtype, 0.0) if isinstance(right, Kept) else ROUNDING["float32"]
        unit = UNITS.get(right.dtype, 0.0) if isinstance(right, Kept) else UNITS["float32"]
        inputs = [
            (a, b)
            for a, b in zip(mine.inputs, true.inputs, strict=False)
            if isinstance(a, Kept) and isinstance(b, Kept) and a.shape == b.shape
        ]
        heritage = max((d for a, b in inputs if math.isfinite(d := apart(a, b).far)), default=0.0)
        scale = max((b.largest for _, b in inputs if b.dtype in ROUNDING), default=0.0)
        terms = max((b.size for _, b in inputs), default=1) / max(right.size if isinstance(right, Kept) else 1, 1)
        growth = own * (1 + self.found.steps)
        if stepping:
            return growth, 0.0  # what the gradients explain is taken off the distance itself
        if "backward" in mine.name:
            # Relative to the largest of all gradients, but for a factor: one of them may be zero but for rounding.
            scale = max((g.largest for g in true.outputs if isinstance(g, Kept)), default=0.0)
            return BACKWARD * growth + HERITAGE * heritage, scale / 100
        size = right.largest if isinstance(right, Kept) else abs(right) if isinstance(right, float) else 0.0
        floor = 4 * unit * math.sqrt(max(terms, 1)) * scale / own if own else 0.0
        floor = max(floor, 1e-30)
        inherited = heritage * max(HERITAGE, 4 * scale / max(size, floor))
        return growth + inherited, floor

    def excuse(self, mine: Call, true: Call) -> None:
        """Note what the distance of the gradients explains of the distance of the parameters."""
        gradients = zip(mine.inputs[1::2], true.inputs[1::2], strict=False)
        for i, ((left, right), rate) in enumerate(zip(gradients, mine.rates, strict=False)):
            if not isinstance(right, Kept) or left.values is None or right.values is None or left.shape != right.shape:
                continue
            distance = np.abs(left.values - right.values)
            with np.errstate(divide="ignore", invalid="ignore"):
                size = np.maximum(np.abs(left.values), np.abs(right.values))
                relative = np.where(size > 0, distance / size, 0)
            explained = REMEMBERED * rate * np.maximum(distance, np.minimum(relative, 1))
            place = parameter_of(true, i)
            self.excused[place] = self.excused.get(place, 0) + explained

    def read_numbers(self, mine: Call, true: Call) -> None:
        """Note the loss that a backward pass starts from, and what the program reads as a number."""
        if mine.name in BACKWARD_CALLS and mine.inputs and true.inputs:
            left, right = mine.inputs[0], true.inputs[0]
            if isinstance(right, Kept) and right.size == 1 and left.values is not None and right.values is not None:
                self.number("loss", true, float(left.values[0]), float(right.values[0]), "loss")
        elif mine.name in READ and mine.outputs and isinstance(true.outputs[0], float):
            self.number(mine.name, true, mine.outputs[0], true.outputs[0], 0)

    def number(self, what: str, call: Call, ours: float, theirs: float, which: int | str) -> None:
        moved = self.grown.get((call.name, call.where[1], which), 0.0)
        self.found.moved = max(self.found.moved, moved)
        self.found.numbers.append(Number(what, call.where, self.found.steps, ours, theirs, GROWTH * moved))


def parameter_of(step: Call, i: int) -> tuple:
    """What tells parameter `i` of an optimizer's step from those of other optimizers, of the same class too."""
    return step.name, step.where, i, step.outputs[i].shape


def named(call: Call | None) -> str:
    return "the end of the program" if call is None else f"{call.name} in line {call.where[1]}"


def compare(ours: Path, theirs: Path, control: Path | None = None) -> Comparison:
    """Compare the traces of two runs of one program; `control` is the trace of torch started a little off."""
    return Comparer().run(ours, theirs, control)
