"""The rows of the systems: measured one after the other, shown as a table, kept as JSON."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from ..libraries import load, pinned
from ..machine import describe, load_average
from ..results import for_json
from .system import MINUTES, SYSTEMS

Row = dict[str, Any]
COMMITTED = Path(__file__).parents[2] / "docs" / "benchmarks" / "systems.json"


def measure(name: str, threads: int) -> Row:
    """The row of one system, with the machine that it was measured on."""
    with pinned(threads):
        libraries = load([], threads)  # which sets the threads
        row = SYSTEMS[name].measure()
    header = describe(libraries, threads, [])
    kept = ("date", "cpu", "cores this process may use", "threads", "python", "versions")
    return row | {"machine": {key: header[key] for key in kept} | {"load average": load_average()}}


def measure_all(names: Sequence[str] | None, threads: int, path: Path | None, console: Console) -> bool:
    """Measure the systems named (None: all), keep `path` up to date, show the table; whether all reached their bars."""
    if unknown := [name for name in names or () if name not in SYSTEMS]:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(SYSTEMS)}", param_hint="--only")
    rows = []
    for name in names or SYSTEMS:
        with console.status(f"{name}: {SYSTEMS[name].title}"):
            # A process of its own, so that nothing that another system left can matter; spawned, as Numba needs it.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(measure, (name, threads)))
        console.print(line(rows[-1]), markup=False)
        if path:
            save(rows[-1:], path)
    console.print(table(rows))
    return all(row["passed"] for row in rows)


def line(row: Row) -> str:
    verdict = "reached" if row["passed"] else "MISSED"
    return f"{row['name']}: {row['value']:.4g}, bar {row['better']} {row['bar']:g} {verdict}, {row['seconds']:.0f} s"


def table(rows: Sequence[Row]) -> Table:
    shown = Table(title=f"systems (within {MINUTES} minutes each)", box=box.SIMPLE, title_justify="left")
    for column in ("system", "metric", "bar", "value", "baseline", "seconds", "seed"):
        shown.add_column(column, justify="left" if column in ("system", "metric") else "right")
    for row in rows:
        baseline = "" if row["baseline_value"] is None else f"{row['baseline_value']:.4g}"
        value = f"{row['value']:.4g}" if row["passed"] else f"[red]{row['value']:.4g}[/]"
        cells = row["name"], row["metric"], f"{row['better']} {row['bar']:g}", value, baseline, f"{row['seconds']:.1f}"
        shown.add_row(*cells, str(row["seed"]))
    return shown


def read(path: Path) -> list[Row]:
    return json.loads(path.read_text())["systems"] if path.exists() else []


def measured(name: str) -> Row:
    """The committed row of a system, for the documentation."""
    return next(row for row in read(COMMITTED) if row["name"] == name)


def save(rows: Sequence[Row], path: Path) -> None:
    """These rows take the place of those of the same names; in the order of `SYSTEMS`, one to a line."""
    kept = {row["name"]: row for row in [*read(path), *rows]}
    lines = [json.dumps(for_json(kept[name])) for name in SYSTEMS if name in kept]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".part")
    fresh.write_text('{"systems": [\n' + ",\n".join(lines) + "\n]}\n")
    os.replace(fresh, path)
