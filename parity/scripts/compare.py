"""Judges two runs of a program: every call from the same numbers, and the losses of free runs.

**In step.** Of two libraries that are both right, each call rounds differently, and a program carries that on: twenty
steps of a deep network make 1e-2 of 1e-7, a sort of two losses that are equal but for rounding picks the other one,
and a ReLU whose input is 0 but for rounding opens on one side only. So minitorch's run follows torch's (`lockstep`):
every call is given torch's numbers, and after it, minitorch's results are compared with torch's and replaced by them.
What two calls with equal arguments may then be apart, relative to the largest element of a result, is the rounding of
one call (`kept.ROUNDING`, for float32 1e-5), and

- an absolute share where equal terms cancel: some units in the last place of what the call was given, times the root
  of the number of terms that go into one element;
- ten times as much for a backward pass, which is many calls, relative to one hundredth of the largest of all gradients
  so far at least: one of them may be zero but for rounding, as of a bias in front of a batch norm, and near an optimum
  all are sums whose terms, as large as ever, cancel;
- the same ten times for an argument that changed since the last call that was seen: something else computed it.

Integers, bools, shapes, types, errors, the order of the calls and the state of the random stream have to be equal.

**Free.** Then minitorch runs the program on its own, and the losses and other numbers that it reads (`item`, `float`)
are held beside torch's. They may be off by 1e-5 times the number of steps, or by ten times what torch itself moves
when every parameter starts one unit in the last place away (`nudged`): that is how rounding grows in this program.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .call import BACKWARD, UNINITIALISED, Call
from .kept import ROUNDING, UNITS, Apart, Kept, apart, largest

MANY = 10  # how much more rounding a backward pass, or what was not seen, makes than one call
GROWTH = 10  # how much farther off than torch one unit away a number may be


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
class Read:
    """A loss, or another number that the program read."""

    what: str  # "loss", "Tensor.item"
    where: tuple[str, int]
    step: int  # how many steps the optimizers had taken
    value: float


@dataclass
class Number:
    """One number of the free runs, on both sides."""

    what: str
    where: tuple[str, int]
    step: int
    ours: float
    theirs: float
    moved: float = 0.0  # how far torch itself was off here or before, from one unit away

    @property
    def far(self) -> float:
        return apart(float(self.ours), float(self.theirs)).far

    @property
    def good(self) -> bool:
        allowed = max(ROUNDING["float32"] * (1 + self.step), GROWTH * self.moved)
        return self.far <= allowed or abs(self.ours - self.theirs) <= 1e-6


@dataclass
class Comparison:
    calls: int = 0
    steps: int = 0
    first: Finding | None = None
    widest: tuple[float, Call | None] = (0.0, None)  # the largest distance that rounding explains
    numbers: list[Number] = field(default_factory=list)  # of the free runs
    other_way: str = ""  # where the free runs read different numbers
    controls: int = 0  # runs of torch from one unit away

    @property
    def same(self) -> bool:
        return self.first is None and self.losses_good

    @property
    def losses_good(self) -> bool:
        return not self.other_way and all(number.good for number in self.numbers)

    @property
    def moved(self) -> float:
        return max((number.moved for number in self.numbers), default=0.0)

    @property
    def grown(self) -> float:
        return max((number.far for number in self.numbers), default=0.0)


class Judge:
    """Compares call after call of two runs in step."""

    def __init__(self) -> None:
        self.found = Comparison()
        self.steepest = 0.0  # the largest element of a gradient so far

    def part(self, mine: Call | None, true: Call | None, part: str, difference: Apart, allowed: float = 0.0) -> None:
        if self.found.first is None:
            self.found.first = Finding(self.found.calls, mine, true, part, difference, allowed)

    def order(self, mine: Call | None, true: Call | None) -> bool:
        """Whether both make the same call now."""
        if mine and true and (mine.name, mine.where[1]) == (true.name, true.where[1]):
            return True
        ours, theirs = (str(call or "the end of the program") for call in (mine, true))
        self.part(mine, true, "the order of calls", Apart(math.inf, "call", ours, theirs))
        return False

    def inputs(self, mine: Call, true: Call) -> None:
        """What the call is given, where torch's changed since it was last seen."""
        for i, (left, right) in enumerate(zip(mine.inputs, true.inputs, strict=False)):
            if right.values is None or (left.dtype, left.shape) != (right.dtype, right.shape):
                continue
            difference, allowed = apart(left, right), MANY * ROUNDING.get(right.dtype, 0.0)
            if difference.far > allowed:
                self.part(mine, true, f"argument {i}, before the call", difference, allowed)

    def outputs(self, mine: Call, true: Call) -> None:
        """What came of the call."""
        found = self.found
        found.calls += 1
        if (mine.error and mine.error[0]) != (true.error and true.error[0]):
            self.part(mine, true, "the error", Apart(math.inf, "error", mine.error, true.error))
            return
        if len(mine.outputs) != len(true.outputs):
            how = Apart(math.inf, "number", len(mine.outputs), len(true.outputs))
            self.part(mine, true, "the number of results", how)
            return
        floors = self.floors(mine, true)
        for i in range(0 if mine.name in UNINITIALISED else len(mine.outputs)):
            left, right = mine.outputs[i], true.outputs[i]
            allowed = ROUNDING.get(right.dtype, 0.0) if isinstance(right, Kept) else ROUNDING["float32"]
            allowed *= MANY if mine.name in BACKWARD else 1
            difference = apart(left, right, floors[i])
            if difference.far > allowed:
                label = mine.labels[i] if mine.labels else f"output {i}" if len(mine.outputs) > 1 else "the result"
                self.part(mine, true, label, difference, allowed)
            elif difference.far > found.widest[0]:
                found.widest = difference.far, Call(true.name, true.where)
        if None not in (mine.stream, true.stream) and mine.stream != true.stream:
            how = Apart(math.inf, "state of the generator", mine.stream, true.stream)
            self.part(mine, true, "the random stream: this call drew other numbers, or more, or fewer", how)
        found.steps += mine.steps

    def floors(self, mine: Call, true: Call) -> list[float]:
        """Of every result, the size that its distance is at least relative to."""
        if mine.steps:
            return [0.0] * len(true.outputs)
        if mine.name in BACKWARD:
            sizes = [largest(g.values) for g in true.outputs if isinstance(g, Kept) and g.values is not None]
            self.steepest = max(self.steepest, *sizes, 0.0)
            return [self.steepest / 100] * len(true.outputs)
        return [cancelled(mine, result) for result in true.outputs]


def cancelled(call: Call, result: Any) -> float:
    """The size to which the rounding of equal terms that cancel is what `ROUNDING` is to a result's size."""
    dtype, size = (result.dtype, result.size) if isinstance(result, Kept) else ("float32", 1)
    if dtype not in ROUNDING:
        return 0.0
    terms = max((given.size for given in call.inputs), default=1) / max(size, 1)
    return 4 * UNITS[dtype] * math.sqrt(max(terms, 1)) * call.scale / ROUNDING[dtype]


def numbers(ours: list[Read], theirs: list[Read], controls: list[list[Read]]) -> tuple[list[Number], str]:
    """The numbers of free runs side by side, up to where they read different ones; and where that is."""
    found: list[Number] = []
    moved: dict[tuple, float] = {}
    lost = min((alike(control, theirs) for control in controls), default=len(theirs) + 1)
    same = alike(ours, theirs)
    for i, (mine, true) in enumerate(zip(ours[:same], theirs[:same], strict=True)):
        place = true.what, true.where[1]
        off = [apart(control[i].value, true.value).far for control in controls] if i < lost else [math.inf]
        moved[place] = max(moved.get(place, 0.0), *off, 0.0)
        found.append(Number(true.what, true.where, true.step, mine.value, true.value, moved[place]))
    if same == len(theirs) == len(ours) or lost <= same:
        return found, ""
    ends = (
        f"{run[same].what} in line {run[same].where[1]}" if same < len(run) else "nothing" for run in (ours, theirs)
    )
    return found, "after {} numbers minitorch reads {}, torch {}".format(same, *ends)


def alike(run: list[Read], other: list[Read]) -> int:
    """How many numbers two runs read in the same lines, one after the other."""
    pairs = zip(run, other, strict=False)
    return next(
        (i for i, (a, b) in enumerate(pairs) if (a.what, a.where[1]) != (b.what, b.where[1])), min(len(run), len(other))
    )
