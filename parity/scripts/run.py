"""Runs a program on torch and on minitorch, each in a process of its own, and says whether they did the same."""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .compare import Comparison, Finding, compare, named
from .kept import Kept
from .recorder import Call
from .scan import scan

SHOWN = 40  # losses at most


@dataclass
class Run:
    """One run of the program: its exit code and what it printed."""

    library: str
    code: int
    printed: str
    complained: str


def run_one(
    library: str, script: str, arguments: tuple[str, ...], trace: Path, names: Path | None, seed: int, off: bool = False
) -> Run:
    """Run the program on one library in a process of its own; `off`: from one unit in the last place away."""
    command = [sys.executable, "-m", "parity", "record", *(["--off"] if off else []), library, str(trace)]
    command += [str(names or "-"), str(seed), script]
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment)
    return Run(library, done.returncode, done.stdout, done.stderr)


def run_both(script: str, arguments: tuple[str, ...], seed: int) -> tuple[Comparison, Run, Run]:
    """(what differs, minitorch's run, torch's run)."""
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        theirs, ours = Path(folder, "torch"), Path(folder, "minitorch")
        true = run_one("torch", script, arguments, theirs, None, seed)
        if not theirs.exists():
            raise RuntimeError(f"the program did not start on torch:\n{true.complained}")
        mine = run_one("minitorch", script, arguments, ours, theirs, seed)
        if not ours.exists():
            raise RuntimeError(f"the program did not start on minitorch:\n{mine.complained}")
        found = compare(ours, theirs)
        if found.by_values:
            control = Path(folder, "control")
            run_one("torch", script, arguments, control, None, seed, off=True)
            found = compare(ours, theirs, control)
        return found, mine, true


def source_line(where: tuple[str, int]) -> str:
    """`train.py:12: loss = criterion(model(x), y)`."""
    path, line = where
    return f"{os.path.relpath(path)}:{line}: {linecache.getline(path, line).strip()}"


def shown(value: Any) -> str:
    if isinstance(value, Kept):
        some = "" if value.values is None else " " + " ".join(f"{v:.9g}" for v in value.values[:6])
        return f"{value}{some}{' ...' if value.size > 6 else ''}"
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def print_finding(console: Console, finding: Finding) -> None:
    """The first call where the runs part: what it is, where it stands, the values of both sides, how far."""

    def tell(text: str, **how: Any) -> None:
        console.print(text, markup=False, highlight=False, **how)

    tell(f"the first call where they part is number {finding.number}: {finding.call.name}", style="bold red")
    tell(f"  {source_line(finding.call.where)}")
    tell(
        f"  {finding.part}, {finding.apart.what}: minitorch {shown(finding.apart.ours)}, torch {shown(finding.apart.theirs)}"
    )
    if finding.apart.far < float("inf"):
        tell(
            f"  apart by {finding.apart.far:.3g} of the largest element, where rounding explains {finding.allowed:.3g}"
        )
    for side, call in (("minitorch", finding.ours), ("torch", finding.theirs)):
        if call is not None:
            tell(f"  {side}: {described(call)}")


def described(call: Call) -> str:
    """`nn.functional.relu(float32[2] -1 2) -> float32[2] 0 2`."""
    given = ", ".join(shown(value) for value in call.inputs[:6]) + (", ..." if len(call.inputs) > 6 else "")
    if call.error:
        return f"{named(call)} raised {call.error[0]}: {call.error[1]}"
    return f"{call.name}({given}) -> {', '.join(shown(value) for value in call.outputs[:4])}"


def print_numbers(console: Console, found: Comparison) -> None:
    """The losses, and other numbers that the program read, side by side."""
    losses = [n for n in found.numbers if n.what == "loss"] or found.numbers
    if not losses:
        return
    table = Table("step", "minitorch", "torch", "apart", title=losses[0].what, title_justify="left")
    for number in losses[: SHOWN // 2] + losses[SHOWN // 2 :][-SHOWN // 2 :]:
        style = None if number.good else "red"
        table.add_row(str(number.step), f"{number.ours:.7g}", f"{number.theirs:.7g}", f"{number.far:.1e}", style=style)
    console.print(table)


def print_wrong_numbers(console: Console, found: Comparison) -> None:
    """The first numbers read that differ, with their lines; the table shows the losses among them."""
    for number in [number for number in found.numbers if not number.good][:5]:
        values = f"minitorch {shown(number.ours)}, torch {shown(number.theirs)}, apart by {number.far:.1e}"
        console.print(f"{number.what}: {values}", markup=False, highlight=False, style="red")
        console.print(f"  {source_line(number.where)}", markup=False, highlight=False)


def print_outputs(console: Console, mine: Run, true: Run) -> None:
    """Whether both printed the same, the numbers in it aside."""
    ours, theirs = mine.printed.splitlines(), true.printed.splitlines()
    differing = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b]
    if not differing and len(ours) == len(theirs):
        console.print(f"printed: the same {len(theirs)} lines", markup=False)
        return
    words = [i for i in differing if without_numbers(ours[i]) != without_numbers(theirs[i])]
    if not words and len(ours) == len(theirs):
        console.print(f"printed: {len(differing)} of {len(theirs)} lines differ in numbers only", markup=False)
        return
    i = words[0] if words else min(len(ours), len(theirs))
    left, right = (lines[i] if i < len(lines) else "(nothing)" for lines in (ours, theirs))
    console.print(f"printed: line {i + 1} differs:\n  minitorch: {left}\n  torch:     {right}", markup=False)


def without_numbers(line: str) -> str:
    return re.sub(r"[-+]?[\d.]+(e[-+]?\d+)?", "#", line)


def report(console: Console, script: str, found: Comparison, mine: Run, true: Run) -> None:
    """Everything that was found, the verdict last."""
    print_numbers(console, found)
    print_wrong_numbers(console, found)
    print_outputs(console, mine, true)
    if found.first is not None:
        print_finding(console, found.first)
    for run, other in ((mine, true), (true, mine)):
        if run.code and not other.code:
            tail = "\n".join(run.complained.strip().splitlines()[-12:])
            console.print(f"on {run.library} the program ended with {run.code}:\n{tail}", markup=False, highlight=False)
    lacking = [use.name for use in scan(Path(script))[0] if not use.supported]
    if lacking:
        console.print(f"minitorch lacks: {', '.join(lacking)}", style="yellow", markup=False, highlight=False)
    counted = f"{found.calls} calls, {len(found.numbers)} numbers read, {found.steps} optimizer steps"
    if found.same:
        widest, call = found.widest
        where = f"; the widest distance is {widest:.1e}, {call.name} in line {call.where[1]}" if call else ""
        console.print(f"the same: {counted}{where}", style="bold green", markup=False, highlight=False)
        if found.controlled:
            tell = f"(with the control: torch itself, started one unit in the last place off, moves its numbers by up to {found.moved:.1e})"
            console.print(tell, markup=False, highlight=False)
    else:
        wrong = [number for number in found.numbers if not number.good]
        also = f"; {len(wrong)} numbers differ by more than rounding explains" if wrong else ""
        console.print(f"not the same: {counted}{also}", style="bold red", markup=False, highlight=False)
