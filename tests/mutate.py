"""Break every rule, dtype rule and boundary in `minitorch/ops/`, one at a time, and see whether a test turns red.

    python -m tests.mutate                    every mutant; ends non-zero below 95 % caught
    python -m tests.mutate --only softmax     the mutants of one file
    python -m tests.mutate --list             what would be broken

What is broken, and how, stands in `mutants.py`; which tests are tried on it in `mutation_reach.py`: at most some forty,
so the whole suite can only catch more. One process imports everything and collects the tests; it forks for every
mutant, and the child makes the change and runs its tests until the first that fails. Mutants that no test can tell
from the original are listed, each with its reason, in `mutants_equal.py`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import hypothesis
import pytest
from rich.console import Console
from rich.table import Table

from .mutants import Mutant, all_mutants, living
from .mutants_equal import EQUAL
from .mutation_reach import Reach

ROOT = Path(__file__).parent.parent
SUITE = (
    "small_samples boundaries parity promotion creation random views rejection memory_order func engine own_function "
    "nn_rnn kernels_recurrent programs"
).split()
WARM = 2  # tests of each mutant are first run without it
SECONDS = 100  # of computing, after which a mutant counts as caught: it hangs
OPTIONS = [
    "-o",
    "addopts=",
    "-p",
    "no:terminal",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
]


class Session:
    """A plugin of pytest: in place of running the tests it collected, run those of one mutant after the other."""

    def __init__(self, mutants: list[Mutant], jobs: int, json_path: Path | None) -> None:
        self.mutants, self.jobs, self.json_path = mutants, jobs, json_path
        self.found: list[tuple[Mutant, str]] = []
        self.red = False  # whether a test failed
        self.unchanged: dict[str, bool] = {}

    def pytest_configure(self, config):
        config.option.tbstyle = "native"  # nobody reads it, and it is made in no time

    def pytest_runtest_logreport(self, report):
        self.red = self.red or report.failed

    def pytest_runtestloop(self, session):
        reach = Reach(session.items)
        make_quick(session.items)
        living()
        gc.collect()
        gc.freeze()  # what the children share stays as it is
        with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            for mutant, verdict in self.verdicts(self.mutants, reach):
                self.found.append((mutant, verdict))
                self.write()
                if not verdict.startswith("caught by"):
                    print(f"{verdict}: {mutant}", flush=True)
        return True

    def write(self) -> None:
        """After every verdict, so that a run that is ended leaves what it found."""
        if self.json_path:
            rows = [{"name": m.name, "line": m.line, "kind": m.kind, "verdict": v} for m, v in self.found]
            self.json_path.write_text(json.dumps(rows, indent=1) + "\n")

    def passes(self, item) -> bool:
        """Whether a test passes without any change. Run once, here, so that what it loads is there for every child."""
        if item.nodeid not in self.unchanged:
            self.unchanged[item.nodeid] = not self.turns_red(item)
            self.red = False
            if not self.unchanged[item.nodeid]:
                print(f"left out, for it fails without any change: {item.nodeid}", flush=True)
        return self.unchanged[item.nodeid]

    def turns_red(self, item) -> bool:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return self.red

    def judge(self, mutant: Mutant, items: list) -> str:
        """In the child: "survived", or "caught" and by which test."""
        try:
            mutant.apply()
        except Exception as error:
            return f"not applied ({error!r})"
        for item in items:
            if self.turns_red(item):
                return f"caught by {item.nodeid}"
        return "survived"

    def forked(self, mutant: Mutant, items: list) -> tuple[int, int]:
        """(process, pipe to read its verdict from)"""
        reading, writing = os.pipe()
        process = os.fork()
        if process:
            os.close(writing)
            return process, reading
        with contextlib.suppress(BaseException):
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            os.write(writing, self.judge(mutant, items).encode()[:4000])
        os._exit(0)

    def verdicts(self, mutants: list[Mutant], reach: Reach) -> Iterator[tuple[Mutant, str]]:
        running: dict[int, tuple[int, Mutant]] = {}
        waiting = list(reversed(mutants))
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop()
                items = reach.tests(mutant)
                items = [item for k, item in enumerate(items) if k >= WARM or self.passes(item)]
                if not items:
                    yield mutant, "not run"
                    continue
                process, pipe = self.forked(mutant, items)
                running[pipe] = process, mutant
            for pipe in select.select(list(running), [], [])[0] if running else ():
                process, mutant = running.pop(pipe)
                verdict = os.read(pipe, 4000).decode()
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                _, status = os.waitpid(process, 0)
                os.close(pipe)
                yield mutant, verdict or f"caught: it hung or crashed ({status})"


def make_quick(items) -> None:
    """The same verdicts sooner: the first finding is enough, and Hypothesis need not shrink it or write it down."""
    for item in items:
        few = getattr(item.module, "FEW", None)
        if few is not None:
            item.module.FEW = dataclasses.replace(few, fail_fast=True)
            break


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", default="", help="Files whose name contains this.")
@click.option("--kind", default="rule,dtype,boundary", show_default=True, help="Kinds of mutants.")
@click.option("--every", default=1, show_default=True, help="Take one mutant in so many.")
@click.option("--first", default=0, show_default=True, help="Begin with this one of them.")
@click.option("--jobs", default=1, show_default=True, help="Mutants at a time.")
@click.option("--survivors", type=click.Path(exists=True, path_type=Path), help="Only what survived in this report.")
@click.option("--list", "listing", is_flag=True, help="Print the mutants and end.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the verdicts to FILE."
)
def main(only, kind, every, first, jobs, survivors, listing, json_path) -> None:
    """Break minitorch in many places, one at a time, and count how often a test turns red."""
    kinds = kind.split(",")
    everything = all_mutants()
    mutants = [m for m in everything if only in m.file and m.kind in kinds][first::every]
    if stale := set(EQUAL) - {m.name for m in everything}:
        raise click.ClickException(f"mutants_equal.py names what is no mutant: {sorted(stale)}")
    if survivors is not None:
        wanted = {row["name"] for row in json.loads(survivors.read_text()) if not row["verdict"].startswith("caught")}
        mutants = [m for m in mutants if m.name in wanted]
    if listing:
        return print(*mutants, sep="\n")
    import_all()
    files = [f"tests/test_{name}.py" for name in SUITE] + sorted(
        str(p.relative_to(ROOT)) for p in (ROOT / "tests").glob("test_ops_*.py")
    )
    os.chdir(ROOT)
    session = Session([m for m in mutants if m.name not in EQUAL], jobs, json_path)
    started = time.monotonic()
    pytest.main([*OPTIONS, *files], plugins=[session])
    report(session.found, [m for m in mutants if m.name in EQUAL], kinds, time.monotonic() - started)
    caught = sum(verdict.startswith("caught") for _, verdict in session.found)
    sys.exit(caught < 0.95 * len(session.found))


def import_all() -> None:
    """What no mutant changes, once."""
    import torch

    torch.set_num_threads(1)
    hypothesis.settings.register_profile(
        "mutants", database=None, derandomize=True, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
    )
    hypothesis.settings.load_profile("mutants")


def report(found: list[tuple[Mutant, str]], equal: list[Mutant], kinds: list[str], seconds: float) -> None:
    table = Table("kind", "mutants", "caught", "survived", "caught %", "equal to the original")
    for kind in [*kinds, "all"]:
        seen = [verdict for mutant, verdict in found if kind in (mutant.kind, "all")]
        caught = sum(verdict.startswith("caught") for verdict in seen)
        share = f"{100 * caught / len(seen):.1f}" if seen else "-"
        same = sum(kind in (mutant.kind, "all") for mutant in equal)
        table.add_row(kind, str(len(seen)), str(caught), str(len(seen) - caught), share, str(same))
    Console().print(table, f"{seconds:.0f} seconds")


if __name__ == "__main__":
    main()
