"""Runs a program on torch and on minitorch, each in a process of its own, and says whether they did the same."""

from __future__ import annotations

import fcntl
import linecache
import os
import pickle
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .call import Call
from .compare import Comparison, Finding, Read, numbers
from .kept import Kept
from .scan import scan

SHOWN = 40  # losses at most
CONTROLS = 4  # runs of torch from one unit away, where the losses of the free runs differ


@dataclass
class Run:
    """One run of the program: its exit code and what it printed, and what its recorder found."""

    library: str
    code: int
    printed: str
    complained: str
    found: Any  # None where the program did not start


class Started:
    """A run of the program in a process of its own."""

    def __init__(
        self,
        role: str,
        library: str,
        script: str,
        arguments: tuple[str, ...],
        seed: int,
        stream: str = "-",
        nudge: str = "-",
    ):
        self.library = library
        self.folder = tempfile.TemporaryDirectory(prefix="parity-")
        self.printed, self.complained, self.found = (Path(self.folder.name, name) for name in ("out", "err", "found"))
        command = [sys.executable, "-m", "parity", "record", role, library, stream, str(self.found), str(seed), nudge]
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        pipe = (int(stream.rpartition("/")[2]),) if stream.startswith("/dev/fd/") else ()
        with self.printed.open("wb") as out, self.complained.open("wb") as err:
            self.process = subprocess.Popen(
                [*command, script, *arguments], stdout=out, stderr=err, env=environment, pass_fds=pipe
            )

    def ended(self) -> Run:
        """Wait for its end."""
        code = self.process.wait()
        printed, complained = (path.read_text(errors="replace") for path in (self.printed, self.complained))
        found = pickle.loads(self.found.read_bytes()) if self.found.exists() else None
        self.folder.cleanup()
        if found is None:
            raise RuntimeError(f"the program did not start on {self.library}:\n{complained}")
        return Run(self.library, code, printed, complained, found)


def in_step(script: str, arguments: tuple[str, ...], seed: int) -> tuple[Run, Run]:
    """(minitorch's run, torch's): torch goes ahead, minitorch follows."""
    reads, writes = os.pipe()
    if sys.platform == "linux":  # with the usual 64 KiB both would wait for each other all the time
        fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, 1 << 20)
    try:
        leader = Started("lead", "torch", script, arguments, seed, f"/dev/fd/{writes}")
        follower = Started("follow", "minitorch", script, arguments, seed, f"/dev/fd/{reads}")
    finally:
        os.close(reads)
        os.close(writes)
    return follower.ended(), leader.ended()


def run_both(script: str, arguments: tuple[str, ...], seed: int) -> tuple[Comparison, Run, Run]:
    """(what was found, minitorch's free run, torch's run)."""
    follower, true = in_step(script, arguments, seed)
    found = follower.found
    mine = Started("free", "minitorch", script, arguments, seed).ended()
    controls: list[list[Read]] = []
    found.numbers, found.other_way = numbers(mine.found, true.found, controls)
    while found.first is None and not found.losses_good and len(controls) < CONTROLS:
        control = Started("free", "torch", script, arguments, seed, nudge=str(len(controls)))
        controls.append(control.ended().found)
        found.numbers, found.other_way = numbers(mine.found, true.found, controls)
    found.controls = len(controls)
    return found, mine, true


def source_line(where: tuple[str, int]) -> str:
    """`train.py:12: loss = criterion(model(x), y)`."""
    path, line = where
    return f"{os.path.relpath(path)}:{line}: {linecache.getline(path, line).strip()}"


def shown(value: Any) -> str:
    if isinstance(value, Kept):
        some = "" if value.values is None else " " + " ".join(f"{v:.9g}" for v in value.values.reshape(-1)[:6])
        return f"{value}{some}{' ...' if value.size > 6 else ''}"
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def print_finding(console: Console, finding: Finding) -> None:
    """The first call where the runs part: what it is, where it stands, the values of both sides, how far."""

    def tell(text: str, **how: Any) -> None:
        console.print(text, markup=False, highlight=False, **how)

    tell(f"from the same numbers they part in call {finding.number}: {finding.call.name}", style="bold red")
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
        return f"{call} raised {call.error[0]}: {call.error[1]}"
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
    widest, call = found.widest
    where = f"; the widest distance is {widest:.1e}, {call}" if call else ""
    calls = f"{found.calls} calls from the same numbers, {found.steps} optimizer steps{where}"
    losses = f"{len(found.numbers)} numbers of free runs, apart by up to {found.grown:.1e}"
    if found.controls:
        losses += f" (torch, started one unit in the last place away, moves them by up to {found.moved:.1e})"
    if found.same:
        console.print(f"the same: {calls}; {losses}", style="bold green", markup=False, highlight=False)
        return
    if found.first is None:
        wrong = sum(not number.good for number in found.numbers)
        also = found.other_way or f"{wrong} of them more than rounding explains"
        losses += f"; {also}"
    console.print(f"not the same: {calls}; {losses}", style="bold red", markup=False, highlight=False)
