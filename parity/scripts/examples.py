"""The programs in `examples/`, each run on torch and on minitorch with one seed: do they do the same?

`python -m parity.scripts.examples` runs 20 steps of every program and prints a line for each; `--write` also renews the
table in `examples/README.md`; names of programs restrict it.

How near is near enough? In float64 the losses of both libraries agree to 1e-9: there the rounding of twenty steps is
still far below. In float32 `python -m parity run` decides (`compare`): every call from the same numbers, and the
losses of free runs beside what one unit in the last place does to torch itself: some programs, such as deep networks
with batch norms, carry a rounding of 1e-7 to 1e-2 within twenty steps, in torch as here.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
import time
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

import click

import minitorch
from minitorch import kernels

from ..guard import real_torch
from .compare import Comparison
from .run import run_both

FOLDER = Path(__file__).parents[2] / "examples"
DOUBLE, SINGLE = 1e-9, 1e-5
HEAD = """# Programs

Complete programs for torch, from linear regression to a detector, each in one file: model, data made from the seed,
training, evaluation. They run unchanged on both libraries:

    python examples/lenet.py                        # torch
    python -m parity dropin examples/lenet.py       # minitorch
    python -m parity run examples/lenet.py          # both, compared call by call

All take `--steps` and `--seed`; `main` returns the losses. With the same seed the losses are the same. How far off is
the worst of {steps} steps? In float64, |minitorch - torch| / (1 + |torch|) of the losses. In step, that is, with every
call on minitorch given torch's numbers: how many calls there are, and the largest distance of a result from torch's,
relative to its largest element. Free, in float32: of any number that the program reads, and in brackets how far torch
moves it when every parameter starts one unit in the last place away, where that had to be asked. Seconds are processor
time of one thread for {steps} steps with data and evaluation, the better of two alternating runs. The folder `notes`
has the programs of the lecture notes.

This table is written by `python -m parity.scripts.examples --write`.

| program | what it shows | loss, step 1 | loss, step {steps} | float64 | in step | free | torch, s | minitorch, s |
|---|---|---|---|---|---|---|---|---|
"""


def programs() -> list[Path]:
    return sorted(FOLDER.glob("*.py"))


def on_minitorch(source: str) -> str:
    """The program with only its imports changed."""
    source = re.sub(r"^import torch$", "import minitorch as torch", source, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 minitorch", source, flags=re.M)


def what_it_shows(path: Path) -> str:
    """The first paragraph of the program's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


@dataclass(frozen=True)
class Run:
    losses: list[float]
    printed: str
    seconds: float


def run(library: types.ModuleType, path: Path, steps: int, double: bool = False) -> Run:
    """The program's `main` on one library, in this process. In float64 minitorch runs its references."""
    source = path.read_text()
    namespace = {"__name__": path.stem}
    printed = io.StringIO()
    mine = library is minitorch
    before = library.get_default_dtype()
    library.set_default_dtype(library.float64 if double else library.float32)
    try:
        with contextlib.redirect_stdout(printed), kernels.use("numpy") if mine and double else contextlib.nullcontext():
            exec(compile(on_minitorch(source) if mine else source, str(path), "exec"), namespace)
            start = time.process_time()
            losses = namespace["main"](["--steps", str(steps)])  # type: ignore[operator]
            seconds = time.process_time() - start
    finally:
        library.set_default_dtype(before)
    return Run(losses, printed.getvalue(), seconds)


def off(ours: list[float], theirs: list[float]) -> list[float]:
    """|ours - theirs| / (1 + |theirs|) of every step."""
    return [abs(a - b) / (1 + abs(b)) for a, b in zip(ours, theirs, strict=True)]


@dataclass(frozen=True)
class Verdict:
    path: Path
    true: Run
    mine: Run
    double: float  # how far off the worst step is in float64
    single: Comparison

    @property
    def same(self) -> bool:
        return self.double <= DOUBLE and self.single.same

    @property
    def in_step(self) -> str:
        return f"{self.single.calls:,} calls, {self.single.widest[0]:.0e}"

    @property
    def free(self) -> str:
        return f"{self.single.grown:.0e}" + (f" ({self.single.moved:.0e})" if self.single.controls else "")

    def row(self) -> str:
        losses = self.true.losses
        cells = [f"[{self.path.stem}]({self.path.name})", what_it_shows(self.path), f"{losses[0]:.4f}", f"{losses[-1]:.4f}",
                 f"{self.double:.0e}", self.in_step, self.free, f"{self.true.seconds:.2f}", f"{self.mine.seconds:.2f}"]  # fmt: skip
        return f"| {' | '.join(cells)} |\n"


def check(torch, path: Path, steps: int) -> Verdict:
    doubles = [run(library, path, steps, double=True).losses for library in (minitorch, torch)]
    runs = [(run(torch, path, steps), run(minitorch, path, steps)) for _ in range(2)]
    quicker = [min(pair, key=lambda done: done.seconds) for pair in zip(*runs, strict=True)]
    single, _, _ = run_both(str(path), ("--steps", str(steps)), seed=0)
    return Verdict(path, *quicker, max(off(*doubles)), single)


def renew(steps: int, verdict: Verdict) -> None:
    """This program's row in examples/README.md, among the rows of the others."""
    page = FOLDER / "README.md"
    old = page.read_text().splitlines(keepends=True) if page.exists() else []
    rows = {line.split("]")[0].removeprefix("| ["): line for line in old if line.startswith("| [")}
    rows[verdict.path.stem] = verdict.row()
    kept = [rows[path.stem] for path in programs() if path.stem in rows]
    page.write_text(HEAD.format(steps=steps) + "".join(kept))


@click.command()
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True)
@click.option("--write", is_flag=True, help="Renew these programs' rows in examples/README.md.")
@click.argument("names", nargs=-1)
def main(steps: int, write: bool, names: tuple[str, ...]) -> None:
    """Run the programs of examples/ on both libraries, in both precisions, and compare them."""
    torch = real_torch()
    torch.set_num_threads(1)
    minitorch.set_num_threads(1)
    same = True
    for path in [path for path in programs() if not names or path.stem in names]:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = check(torch, path, steps)
        same &= verdict.same
        click.echo(
            f"{path.stem:20} {'the same' if verdict.same else 'DIFFERS'}: float64 {verdict.double:.0e}, in step "
            f"{verdict.in_step}, free {verdict.free}; {time.perf_counter() - start:.0f} s"
        )
        if write:
            renew(steps, verdict)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
