"""Reports as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from .case import Row
from .libraries import OURS
from .results import Report, cores_used, summary
from .timing import Figure


def quantity(value: float, unit: str) -> str:
    """A time or a size in a handy unit: 1.23 ms, 45.6 MB."""
    steps = {"s": [("s", 1), ("ms", 1e-3), ("us", 1e-6)], "B": [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]}[unit]
    name, step = next(((name, step) for name, step in steps if abs(value) >= step), steps[-1])
    return f"{value / step:.3g} {name}" if abs(value / step) < 1000 else f"{value / step:.0f} {name}"


def spread(figure: Figure) -> str:
    """Half the distance of the quartiles, in percent of the median."""
    return f"±{50 * (figure.high - figure.low) / figure.value:.0f}%" if figure.value and figure.batches > 1 else ""


def rate(row: Row, unit: str) -> str:
    """What minitorch reached in this row: arithmetic per second, if that says something."""
    if unit != "s" or not row.flops or OURS not in row.figures:
        return ""
    return f"{row.flops / row.figures[OURS].value / 1e9:.1f}"


def libraries_of(rows: Iterable[Row], libraries: Iterable[str]) -> list[str]:
    """Those of the libraries that have a figure in, or failed in, one of these rows; minitorch always."""
    rows = list(rows)
    return [n for n in libraries if n == OURS or any(n in row.figures or n in row.failed for row in rows)] or [OURS]


def columns(libraries: Iterable[str], with_rate: bool) -> list[str]:
    """The heads of a table. A ratio is that of the library on its left to minitorch."""
    ours, *others = libraries
    names = ["", ours, "spread"] + (["GFLOP/s"] if with_rate else [])
    for other in others:
        names += [other, "ratio"]
    return names


def cells(row: Row, libraries: list[str], unit: str, with_rate: bool) -> list[str]:
    """One line of a table."""
    ours = row.figures.get(OURS)
    line = [row.label, quantity(ours.value, unit) if ours else "failed", spread(ours) if ours else ""]
    if with_rate:
        line.append(rate(row, unit))
    for other in libraries[1:]:
        theirs, ratio = row.figures.get(other), row.ratios.get(other)
        missing = "failed" if other in row.failed else ""
        line += [quantity(theirs.value, unit) if theirs else missing, f"{ratio.value:.2f}" if ratio else ""]
    return line


def group_table(title: str, rows: list[Row], libraries: list[str], unit: str) -> Table:
    with_rate = unit == "s" and any(row.flops for row in rows)
    libraries = libraries_of(rows, libraries)
    table = Table(title=title, title_justify="left", title_style="bold")
    for i, name in enumerate(columns(libraries, with_rate)):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        ratios = [ratio.value for ratio in row.ratios.values()]
        style = "red" if row.failed else "yellow" if ratios and min(ratios) < 1 else None
        table.add_row(*cells(row, libraries, unit, with_rate), style=style)
    return table


def show_header(console: Console, header: Mapping[str, Any]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for key, value in header.items():
        table.add_row(key, readable(value))
    console.print(table)


def readable(value: Any) -> str:
    """A value of the header in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(part)}" for key, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value)) or "none"
    return str(value)


def show_summary(console: Console, report: Report) -> None:
    """The geometric means, what failed, and whether the machine was quiet."""
    table = Table(title=f"{report.title}: geometric means", title_justify="left", title_style="bold")
    for i, name in enumerate(("rows", "against", "mean ratio", "number", "worst", "which", "best")):
        table.add_column(name, justify="left" if i in (0, 1, 5) else "right")
    for mean in summary(report):
        style = "bold" if mean.what == "all" else None
        numbers = f"{mean.mean:.2f}", str(mean.rows), f"{mean.worst:.2f}", mean.worst_row, f"{mean.best:.2f}"
        table.add_row(mean.what, mean.library, *numbers, style=style)
    if table.row_count:
        console.print(table)
    for row, library, text in report.failures:
        console.print(f"failed: {row}: {library}: {text}", style="red", markup=False, highlight=False)
    used = cores_used(report)
    if used:
        console.print("cores used (median): " + ", ".join(f"{k} {v:.2f}" for k, v in used.items()), style="dim")
        if min(used.values()) < 0.95:
            console.print("The machine was not quiet: other processes took part of the cores.", style="yellow")
    if not report.complete:
        console.print("Interrupted: the rows above are what was measured until then.", style="yellow")
    console.print(f"{report.suite}: {len(report.rows)} rows in {report.seconds:.0f} s", style="dim")


def show_report(console: Console, report: Report) -> None:
    """All of it: header, a table for each group, summary."""
    show_header(console, report.header)
    for group in dict.fromkeys(row.group for row in report.rows):
        rows = [row for row in report.rows if row.group == group]
        console.print(group_table(group, rows, report.libraries, report.unit))
    show_summary(console, report)
