"""Random programs, run line by line on torch and on minitorch: views, arithmetic, in-place operations, autograd.

After a line, everything that can be seen of every tensor must be the same on both sides (``observed``), and so must
which tensors share memory, and the class of the exception, if the line raised one. A difference comes back as the
shortest program that still shows it.

    python -m parity.programs --count 100000 --seed 1 --jobs 2
"""

from __future__ import annotations

import multiprocessing
import random
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np
import torch

import minitorch
from minitorch.strided import storage_base

from . import program_lines  # noqa: F401 (declares the lines)
from .exceptions import KnownLine, known_line
from .harness import dtype_name
from .program_writer import Writer

LIBRARIES = (torch, minitorch)
TOLERANCE = {"float64": 1e-7, "float32": 1e-3}  # errors grow along a program, wrong rules are wrong by far more


@dataclass(frozen=True)
class Difference:
    """Where the two sides part: after line number ``line`` (counted from 0), in ``what``."""

    line: int
    what: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"after line {self.line + 1}, {self.what}: torch {self.theirs}, minitorch {self.ours}"


@dataclass
class Sides:
    """One program running on both libraries."""

    spaces: tuple[dict, dict] = field(default_factory=lambda: tuple({"lib": library} for library in LIBRARIES))
    errors: list[str | None] = field(default_factory=list)  # of torch, line by line
    versions: dict[str, tuple] = field(
        default_factory=dict
    )  # name -> (tensor, torch's count, ours) when last looked at
    counting: bool = True  # whether the counts of edits must be the same, not only how they change
    single: bool = False  # whether numbers have been rounded to float32
    ended: KnownLine | None = None  # why the program goes no further
    alive: list = field(
        default_factory=list
    )  # every tensor there was: a graph of torch holds its leaves, ours does not

    @property
    def names(self) -> list[str]:
        return [name for name in self.spaces[0] if name[0] == "x"]

    @property
    def known(self) -> dict[str, torch.Tensor | None]:
        return {name: self.spaces[0][name] for name in self.names}

    def run(self, line: str) -> Difference | None:
        """Execute a line on both sides; what differs is the class of the exception."""
        self.counting = self.counting and "grad(" not in line and "backward" not in line
        self.alive.append([*self.spaces[0].values(), *self.spaces[1].values()])
        before = {name: t.grad for name, t in self.known.items() if t is not None} if "backward(" in line else {}
        code = compile(line, "<program>", "exec")
        raised = []
        for space in self.spaces:
            try:
                exec(code, space)
            except Exception as error:
                raised.append(error)
            else:
                raised.append(None)
        classes = [None if error is None else type(error).__name__ for error in raised]
        if "autograd.grad(" in line and classes == [None, None]:
            self._unhide(line)
        self._unshare(before)
        self.single = self.single or any(t is not None and t.dtype == torch.float32 for t in self.known.values())
        self.errors.append(classes[0])
        texts = ["" if error is None else f"{type(error).__name__}: {error}" for error in raised]
        entry = known_line(line, *texts) if any(texts) else None
        if classes[0] != classes[1] and entry is None:
            return Difference(len(self.errors) - 1, "the exception", *[shorten(error) for error in raised])
        if entry is not None and (entry.writes or None in classes or (entry.halfway and self.gradients_differ())):
            self.ended = entry
        return None

    def gradients_differ(self) -> bool:
        found = self.differing()
        return found is not None and ".grad" in found.what

    def _unhide(self, line: str) -> None:
        """Copy a gradient that either side returns as a view of a tensor nobody sees: whether it does so depends on how
        its rules are written."""
        name = line.partition(",")[0].rpartition("(")[-1]
        if self._is_loose(space[name] for space in self.spaces):
            for space in self.spaces:
                space[name] = space[name].detach().clone()
        if any(space[name] is not None and space[name]._is_view() for space in self.spaces):
            for space in self.spaces:
                space[name] = space[name].clone(memory_format=space["lib"].contiguous_format)

    def _is_loose(self, gradients: Iterable) -> bool:
        """Whether one side's gradient has a history and the other's has not, in a program with a tensor of no elements:
        at such a one it ends or goes on, depending on how torch's rules are written."""
        with_history = {g is not None and g.requires_grad for g in gradients}
        return len(with_history) == 2 and any(t is not None and 0 in t.shape for t in self.known.values())

    def _unshare(self, before: dict[str, torch.Tensor | None]) -> None:
        """Copy a new `.grad` that torch left as a part of a larger gradient, or in the memory of the weights that
        `backward` was given: minitorch gives it memory of its own."""
        for name in before:
            tensor = self.spaces[0].get(name)
            grad = None if tensor is None else tensor.grad
            if grad is None or grad is before[name]:
                continue
            both = [space[name] for space in self.spaces]
            if self._is_loose(t.grad for t in both):
                for t in both:
                    t.grad = t.grad.detach()
            if grad.requires_grad:
                continue
            memory = grad.untyped_storage()
            named = [t.untyped_storage()._cdata for t in self.known.values() if t is not None and t is not grad]
            if memory._cdata in named or memory.nbytes() != grad.numel() * grad.element_size():
                tensor.grad = grad.clone()

    def follow(self, lines: Iterable[str], length: int, watched: bool) -> Difference | None:
        """Run the lines, as far as there is no difference, and look after every line or only at the end."""
        try:
            for i, line in enumerate(lines):
                found = self.run(line)
                if self.ended is not None:
                    return None
                if found is None:
                    found = self.differing() if watched or i == length - 1 else self.refresh()
                if found is not None:
                    return found
            return None
        finally:
            for library in LIBRARIES:
                library.set_grad_enabled(True)

    def refresh(self) -> None:
        """Have the history of views brought up to date: torch refuses in-place operations on those it has not."""
        for name in self.names:
            for space in self.spaces:
                attempt(lambda t: t.is_leaf, space.get(name))

    def differing(self) -> Difference | None:
        """The first thing seen of the tensors that differs."""
        at = len(self.errors) - 1
        tensors = []
        for name in self.names:
            theirs, ours = (space.get(name) for space in self.spaces)
            tensors.append((name, theirs, ours))
            grads = [attempt(grad_of, t) for t in (theirs, ours)]
            if isinstance(grads[0], str) or isinstance(grads[1], str):
                if grads[0] != grads[1]:
                    return Difference(at, f"{name}.grad", *map(shorten, grads))
                continue
            tensors.append((f"{name}.grad", *grads))
        for name, theirs, ours in tensors:
            if theirs is None or ours is None:
                if theirs is not ours:
                    return Difference(at, name, shorten(theirs), shorten(ours))
                self.versions.pop(name, None)
                continue
            if (found := self.differing_edits(name, theirs, ours)) is not None:
                return Difference(at, f"{name}._version", *found)
            if attempt(_all_of_theirs, theirs) != attempt(_all_of_ours, ours):
                for what, see in OBSERVED.items():
                    a, b = attempt(see[0], theirs), attempt(see[-1], ours)
                    if a != b:
                        return Difference(at, f"{name}{what}", a, b)
            if not np.array_equal(a := theirs.numpy(force=True), b := ours.array) and not self.close(a, b):
                return Difference(at, name, a.tolist(), b.tolist())
        present = [entry for entry in tensors if entry[1] is not None]
        for what, identify in SHARED.items():
            a, b = (
                first_alike([see(entry[side]) for entry in present])
                for side, see in ((1, identify[0]), (2, identify[1]))
            )
            for i, (m, n) in enumerate(zip(a, b, strict=True)):
                if m != n:
                    return Difference(at, f"{what} {present[i][0]}", present[m][0], present[n][0])
        return self.differing_bases(at)

    def close(self, theirs: np.ndarray, ours: np.ndarray) -> bool:
        """Equal up to rounding that has gone through a whole program. NaN is NaN."""
        if theirs.dtype.kind != "f" or theirs.shape != ours.shape:
            return False
        tolerance = TOLERANCE["float32" if self.single else "float64"]
        scale = 1 + np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
        return np.allclose(ours, theirs, tolerance, tolerance * scale, equal_nan=True)

    def differing_edits(self, name: str, theirs, ours) -> tuple | None:
        """How often the tensor was changed in place, where that is not the same.

        A gradient may start with any count: torch counts the copies that it makes of some and not of others.
        """
        before, now = self.versions.get(name), (theirs, theirs._version, ours._version)
        self.versions[name] = now
        if not self.counting:
            if before is None or before[0] is not theirs:
                return None
            now = (theirs, now[1] - before[1], now[2] - before[2])
        return None if now[1] == now[2] else now[1:]

    def differing_bases(self, at: int) -> Difference | None:
        """Whether `_base` is the same variable on both sides."""
        for name in self.names:
            found = []
            for space in self.spaces:
                base = getattr(space[name], "_base", None)
                named = [n for n in self.names if base is not None and space[n] is base]
                found.append(named[0] if named else "none" if base is None else "unnamed")
            if found[0] != found[1]:
                return Difference(at, f"{name}._base", *found)
        return None


def attempt(see, tensor):
    """What is seen, or the class of the exception that looking raises."""
    try:
        return see(tensor)
    except Exception as error:
        return type(error).__name__


def grad_of(tensor):
    return None if tensor is None else tensor.grad


def shorten(value) -> str:
    return " ".join(repr(value).split())[:200]


def first_alike(keys: list) -> list[int]:
    """For every key the place of the first one that is equal."""
    first: dict = {}
    return [first.setdefault(key, i) for i, key in enumerate(keys)]


# What is seen of a tensor: a function for both libraries, or one for each (torch, minitorch).
OBSERVED = {
    ".dtype": (lambda t: dtype_name(t.dtype),),
    ".shape": (lambda t: tuple(t.shape),),
    ".requires_grad": (lambda t: t.requires_grad,),
    ".is_leaf": (lambda t: t.is_leaf,),
    "._is_view()": (lambda t: t._is_view(),),
    ".stride()": (lambda t: [(s if n > 1 else None) for n, s in zip(t.shape, t.stride(), strict=True) if t.numel()],),
    ".storage_offset()": (lambda t: t.storage_offset() if t.numel() else None,),
    ".is_contiguous()": (lambda t: t.is_contiguous(),),
    ".retains_grad": (lambda t: t.retains_grad,),
}


def _all_of_theirs(tensor) -> list:
    return [see[0](tensor) for see in OBSERVED.values()]


def _all_of_ours(tensor) -> list:
    return [see[-1](tensor) for see in OBSERVED.values()]


# What several tensors may have in common.
SHARED = {
    "the memory of": (lambda t: t.untyped_storage()._cdata, lambda t: id(storage_base(t.array))),
    "the identity of": (id, id),
}


def random_program(rng: random.Random) -> tuple[list[str], Difference | None]:
    """Write a program while it runs; stops at the first difference."""
    lines, found, _ = written(rng)
    return lines, found


def written(rng: random.Random) -> tuple[list[str], Difference | None, KnownLine | None]:
    """As `random_program`, with the known difference at which the program ended early, if any."""
    sides, lines = Sides(), []
    watched = rng.random() < 0.5  # looking at a tensor may bring its history up to date, so look only at the end, too
    length = rng.randint(5, 15)
    writer = Writer(rng, {})

    def write():
        for _ in range(length):
            writer.known = sides.known
            lines.append(writer.line())
            yield lines[-1]

    found = sides.follow(write(), length, watched)
    return lines, found, sides.ended


def run_program(lines: list[str], watched: bool = True) -> Difference | None:
    """Run a given program and look after every line, or only at the end."""
    return Sides().follow(lines, len(lines), watched)


def shortened(lines: list[str]) -> tuple[list[str], Difference | None]:
    """The program without the lines that the difference does not need, and the difference."""
    watched = run_program(lines) is not None
    found = run_program(lines, watched)
    for i in range(len(lines) - 2, -1, -1):
        fewer = lines[:i] + lines[i + 1 :]
        try:
            other = run_program(fewer, watched)
        except Exception:  # a line that is gone was needed to look at the rest
            continue
        if other is not None and found is not None and _kind(other) == _kind(found):
            lines, found = fewer, other
    return lines, found


def _kind(found: Difference) -> str:
    return found.what.partition(".")[-1]


def script(lines: list[str]) -> str:
    """The program as a file to run: `python file.py minitorch` or `python file.py torch`."""
    names = sorted({name for line in lines for name in re.findall(r"\bx\d+\b", line)})
    shown = [
        f"for name in {names}:",
        "    x = globals().get(name)",
        "    print(name, x, None if x is None else x.grad)",
    ]
    head = ["import importlib, sys", "lib = importlib.import_module(sys.argv[1])"]
    return "\n".join([*head, *lines, *shown])


def check(seeds: range) -> tuple[list[str], Counter[str]]:
    """Run the programs of these seeds: a text for each that differs, and how many ended early at a known difference."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    texts, ended = [], Counter()
    for seed in seeds:
        lines, found, entry = written(random.Random(seed))
        if found is not None:
            lines, again = shortened(lines)
            texts.append(f"# seed {seed}: {again or found}\n{script(lines)}\n")
        if entry is not None:
            ended[entry.reason] += 1
    return texts, ended


@click.command()
@click.option("--count", default=1000, show_default=True, help="Programs to run.")
@click.option("--seed", default=0, show_default=True, help="The seed of the first; each further one has the next.")
@click.option("--jobs", default=1, show_default=True, help="Processes to run them in.")
def main(count: int, seed: int, jobs: int) -> None:
    """Run random programs of views, in-place operations and gradients in step on torch and minitorch."""
    parts = [range(start, min(start + 250, seed + count)) for start in range(seed, seed + count, 250)]
    different, ended = 0, Counter()
    with multiprocessing.get_context("spawn").Pool(jobs) if jobs > 1 else nullcontext() as pool:
        for texts, known in pool.imap(check, parts) if pool else map(check, parts):
            different += len(texts)
            ended += known
            for text in texts:
                click.echo(text)
    click.echo(f"{count - different} of {count} programs agree after every step")
    for reason, times in ended.most_common():
        click.echo(f"{times} of them end early: {reason}")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
