"""What writes random programs: a choice among the kinds of line that ``program_lines`` declares, and of what stands in them.

A ``Writer`` looks at the tensors that torch has so far, so that most of what it writes fits them; some of it is wrong on
purpose.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable

import numpy as np
import torch

SHAPES = ((), (1,), (2,), (3,), (4,), (2, 3), (3, 2), (2, 2), (3, 1), (1, 2), (4, 3), (2, 3, 2), (2, 1, 3), (3, 3))
EMPTY = ((0,), (2, 0), (0, 3), (1, 0, 2))

MODES = ("no_grad()",) * 6 + ("enable_grad()", "set_grad_enabled(False)", "set_grad_enabled(True)")

LINES: list[tuple[int, Callable[[Writer], str | None]]] = []


class Writer:
    """Writes lines that suit the tensors ``known`` (name -> torch's tensor, or None)."""

    def __init__(self, rng: random.Random, known: dict[str, torch.Tensor | None]):
        self.rng, self.known = rng, known
        self.count = 0
        self.handles = 0  # of hooks

    def line(self) -> str:
        """The next line of the program."""
        while True:
            _, write = self.rng.choices(LINES, cum_weights=cumulative())[0]
            line = write(self)
            if line is not None:
                return f"with lib.{self.one(MODES)}: {line}" if self.chance(0.15) else line

    # Choices.

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def one(self, options):
        return self.rng.choice(tuple(options))

    def new(self) -> str:
        """A name for a result: mostly a new one, sometimes one that is in use."""
        used = [name for name, t in self.known.items()]
        if used and (len(used) > 7 or self.chance(0.08)):
            return self.one(used)
        self.count += 1
        return f"x{self.count - 1}"

    def pick(self, fits: Callable[[torch.Tensor], bool] = lambda t: True) -> str | None:
        """The name of a tensor that ``fits``; recent ones are likelier, so that things are built on each other."""
        names = [name for name, t in self.known.items() if t is not None and fits(t)]
        if not names:
            return None
        return self.one(names[-3:] if self.chance(0.4) else names)

    def floating(self) -> str | None:
        return self.pick(lambda t: t.is_floating_point())

    def other(self, x: str, inplace: bool = False) -> str | None:
        """A tensor or number to combine with x: mostly one whose shape and dtype fit."""
        if self.chance(0.2):
            return self.number(self.known[x])
        y = self.pick(lambda t: self.fits(self.known[x], t, inplace))
        if y is None:
            return self.number(self.known[x])
        return f"{y}.clone()" if inplace and tangled(self.known[x], self.known[y]) else y

    def fits(self, x: torch.Tensor, t: torch.Tensor, inplace: bool) -> bool:
        if self.chance(0.03):
            return True
        try:
            shape = np.broadcast_shapes(x.shape, t.shape)
        except ValueError:
            return False
        return not inplace or (shape == x.shape and torch.can_cast(t.dtype, x.dtype))

    def number(self, like: torch.Tensor | None = None) -> str:
        if like is not None and not like.is_floating_point() and self.chance(0.9):
            return self.one(("True", "False") if like.dtype == torch.bool else ("0", "1", "2", "-3"))
        return self.one(("0.5", "2", "-1.5", "3", "0.25"))

    def dim(self, t: torch.Tensor) -> int:
        """A dimension of t, rarely one that it has not."""
        if self.chance(0.03):
            return self.rng.randint(-t.ndim - 2, t.ndim + 1)
        return self.rng.randrange(-t.ndim, t.ndim) if t.ndim else self.one((0, -1))

    def size(self, t: torch.Tensor, dim: int) -> int:
        """The size of t along dim, which may be wrong."""
        return t.shape[dim] if -t.ndim <= dim < t.ndim else 1

    def literal(self, shape, dtype: str) -> str:
        """Nested lists of numbers that float32 holds exactly."""
        if not shape:
            if dtype == "bool":
                return str(self.chance(0.5))
            return str(self.rng.randint(-8, 8) / 4 if dtype.startswith("float") else self.rng.randint(-3, 4))
        return "[" + ", ".join(self.literal(shape[1:], dtype) for _ in range(shape[0])) + "]"

    def shape(self) -> tuple[int, ...]:
        return self.one(EMPTY) if self.chance(0.06) else self.one(SHAPES)

    def rows(self, n: int, distinct: bool) -> list[int]:
        """One to three indices into n places; no place twice if `distinct`."""
        count = self.rng.randint(1, 3)
        rows = self.rng.sample(range(n), min(n, count)) if distinct else [self.rng.randrange(n) for _ in range(count)]
        return [row - n if self.chance(0.5) else row for row in rows]

    def index(self, t: torch.Tensor, advanced: bool, distinct: bool = False) -> str:
        """What stands between the brackets of x[...]; `distinct`: no element of x is named twice."""
        items = []
        if advanced and self.chance(0.15):
            return self.one((f"lib.tensor({self.literal(t.shape, 'bool')})", "True", "False"))
        for n in t.shape[: self.rng.randint(0, t.ndim)]:
            if advanced and self.chance(0.4) and n:
                rows = self.rows(n, distinct)
                if self.chance(0.2):
                    items.append(f"lib.tensor({[place in rows for place in range(n)]})")
                else:
                    items.append(str(rows) if self.chance(0.7) else f"lib.tensor({rows})")
            elif self.chance(0.45) and n:
                items.append(str(self.rng.randrange(-n, n + self.chance(0.04))))
            else:
                start, stop = self.one(("", "", "1", "-1", "-2")), self.one(("", "", "1", "2", "-1"))
                items.append(f"{start}:{stop}" + self.one(("", "", "", ":2")))
        if self.chance(0.15):
            items.insert(self.rng.randint(0, len(items)), "None")
        if self.chance(0.15):
            items.insert(self.rng.randint(0, len(items)), "...")
        if len(items) == 1 and items[0].startswith("["):
            return items[0]
        return ", ".join(items) or "..."


def tangled(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether they share memory in a way that torch does not refuse, so that what is written depends on the order."""
    if x.untyped_storage()._cdata != y.untyped_storage()._cdata or (x.stride() == y.stride() and x.shape == y.shape):
        return False
    return not (is_dense(x) and is_dense(y))


def is_dense(t: torch.Tensor) -> bool:
    return torch.ops.aten.is_non_overlapping_and_dense(t)


@functools.cache
def cumulative() -> list[int]:
    """The weights of LINES, added up."""
    return list(itertools.accumulate(weight for weight, _ in LINES))


def line(weight: int):
    """Declare a kind of line. It returns None when no tensor suits it."""

    def declare(write):
        LINES.append((weight, write))
        return write

    return declare
