"""The suites by name, and how one is run: libraries loaded and pinned, the header written, row after row measured and kept."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from . import memory
from .case import Row, run_case
from .libraries import installed, load, pinned
from .machine import describe, load_average
from .networks import NETWORKS, QUICK_NETWORKS
from .results import Report, save
from .tables import group_table, show_header, show_summary
from .timing import Effort

SAVE_EVERY = 5.0  # seconds


@dataclass(frozen=True)
class Suite:
    """module: has `cases(quick)`. against: the libraries that some row of it runs. effort: of each row.

    by: how its ratios are summed up (results.summary). roofline: whether the machine's peak is measured too.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    against: tuple[str, ...] = ("torch",)
    effort: Effort = Effort()
    by: tuple[str, ...] = ("group",)
    unit: str = "s"
    roofline: bool = False


SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            "matmul",
            "Matrix products",
            ("matmul",),
            ("torch", "numpy", "jax", "tinygrad"),
            Effort(seconds=0.5, least=5),
            by=("group", "dtype"),
            roofline=True,
        ),
        Suite(
            "conv",
            "Convolutions",
            ("conv",),
            effort=Effort(seconds=0.3, least=3, most=21),
            by=("group", "pass", "batch"),
            roofline=True,
        ),
        Suite("ops", "The rest of a training step", ("ops", "stateful"), effort=Effort(0.4), by=("group", "pass")),
        Suite("overhead", "Small operations", ("overhead",), effort=Effort(0.25)),
        Suite(
            "train",
            "Training steps",
            ("train",),
            ("torch", "jax", "tinygrad", "autograd", "mygrad"),
            Effort(seconds=6, least=5, most=41),
            by=(),
        ),
        Suite("memory", "Peak memory of a training step", ("memory",), by=(), unit="B"),
        Suite(
            "scaling",
            "Scaling with size and threads",
            ("scaling",),
            ("torch", "numpy", "jax"),
            Effort(seconds=0.4),
            by=("group", "threads"),
        ),
    )
}


SETTLE = 0.015


def effort_of(suite: Suite, quick: bool, threads: int) -> Effort:
    effort = replace(suite.effort, settle=SETTLE if threads > 1 else 0.0)
    return replace(effort, seconds=effort.seconds / 4, least=3) if quick else effort


def rows_of(suite: Suite, report: Report, against: list[str], threads: int, quick: bool) -> Iterator[Row]:
    """Load the libraries, fill in the report's header and peak, then yield the rows."""
    present = installed(against)
    libraries = load(present, threads)
    missing = [name for name in against if name not in present]
    report.header = describe(libraries, threads, missing) | {"load average before": load_average()}
    if suite.name == "memory":
        yield from memory.rows(present, threads, *((1, QUICK_NETWORKS) if quick else (2, NETWORKS)))
        return
    if suite.roofline:
        peak = importlib.import_module(".peak", __package__)  # imports Numba
        report.peak = peak.measure_peak(threads, 0.05 if quick else 0.3)
    effort = effort_of(suite, quick, threads)
    for module in suite.modules:
        for case in importlib.import_module(f".{module}", __package__).cases(quick):
            row = run_case(case, libraries, effort)
            if suite.name == "scaling":
                row.about["threads"] = threads
            yield row


def run_suite(
    suite: Suite,
    *,
    against: list[str],
    threads: int,
    quick: bool,
    console: Console,
    json_path: Path | None = None,
) -> Report:
    """Run it, printing a table when a group is complete. An interruption leaves what was measured until then."""
    report = Report(suite.name, suite.title, suite.unit, suite.by)
    start = saved = time.monotonic()
    shown = 0  # rows printed so far

    def show_group() -> None:
        nonlocal shown
        if shown < len(report.rows):
            group = report.rows[shown:]
            console.print(group_table(group[0].group, group, report.libraries, report.unit))
            shown = len(report.rows)

    with pinned(threads), console.status(f"{suite.name}: loading libraries") as status:
        try:
            wanted = [name for name in against if name in suite.against]
            for row in rows_of(suite, report, wanted, threads, quick):
                if not report.rows:
                    show_header(console, report.header)
                elif row.group != report.rows[-1].group:
                    show_group()
                report.rows.append(row)
                report.seconds = time.monotonic() - start
                status.update(f"{suite.name}: {len(report.rows)} rows, {row.group}: {row.label}")
                if json_path and time.monotonic() - saved > SAVE_EVERY:
                    save([report], json_path)
                    saved = time.monotonic()
            report.complete = True
        except KeyboardInterrupt:
            pass
        report.seconds = time.monotonic() - start
        report.header["load average after"] = load_average()
    show_group()
    show_summary(console, report)
    if json_path:
        save([report], json_path)
    return report
