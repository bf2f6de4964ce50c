"""Reports: rows with a header, their summaries, and how they are kept as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .case import Row
from .libraries import OURS
from .timing import Figure, Ratio, geometric_mean


@dataclass
class Report:
    """One suite's run.

    unit: "s" or "B". by: the keys of `about` (or "group") by which the ratios are summed up. peak: the machine's measured limits
    (peak.py), where a roofline is to be drawn. complete: False while it runs, and for good if it was interrupted.
    """

    suite: str
    title: str
    unit: str = "s"
    by: tuple[str, ...] = ("group",)
    header: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    peak: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    seconds: float = 0.0

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """(row, library, what went wrong)"""
        return [(f"{r.group}: {r.label}", name, text) for r in self.rows for name, text in r.failed.items()]

    @property
    def libraries(self) -> list[str]:
        """Those that have figures, minitorch first."""
        found = dict.fromkeys(name for row in self.rows for name in row.figures)
        return [OURS, *(name for name in found if name != OURS)] if found else []


@dataclass(frozen=True)
class Mean:
    """The geometric mean of some rows' ratios to one library, and the worst and best of them."""

    what: str
    library: str
    mean: float
    rows: int
    worst: float
    worst_row: str
    best: float


def mean_of(what: str, library: str, rows: Sequence[Row]) -> Mean | None:
    found = [(row.ratios[library].value, row.label) for row in rows if library in row.ratios]
    if not found:
        return None
    ratios = [value for value, _ in found]
    return Mean(what, library, geometric_mean(ratios), len(found), *min(found), max(ratios))


def key_of(row: Row, key: str) -> str | None:
    value = row.group if key == "group" else row.about.get(key)
    return None if value is None else str(value)


def summary(report: Report) -> list[Mean]:
    """Means by each key of `report.by`, passes of one layer taken together, and over all rows; for each library."""
    means = []
    for library in report.libraries[1:]:
        for key in report.by:
            values = dict.fromkeys(value for row in report.rows if (value := key_of(row, key)) is not None)
            if len(values) > 1 or key == "group":
                for value in values:
                    what = value if key == "group" else f"{key} {value}"
                    means.append(mean_of(what, library, [row for row in report.rows if key_of(row, key) == value]))
        means.append(mean_of("all passes of a layer together", library, together(report.rows, library)))
        means.append(mean_of("all", library, report.rows))
    return [mean for mean in means if mean is not None]


def together(rows: Iterable[Row], library: str) -> list[Row]:
    """One row for all passes of a layer (`about["layer"]`): its times added up, as in a training step."""
    layers: dict[tuple, list[Row]] = {}
    for row in rows:
        if "layer" in row.about:
            rest = tuple((key, value) for key, value in row.about.items() if key != "pass")
            layers.setdefault((row.group, row.name, rest), []).append(row)
    joined = []
    for (group, name, about), passes in layers.items():
        if len(passes) > 1 and all(library in row.ratios for row in passes):
            theirs, ours = (sum(row.figures[side].value for row in passes) for side in (library, OURS))
            ratio = Ratio(theirs / ours, theirs / ours, theirs / ours)
            joined.append(Row(group, name, dict(about), ratios={library: ratio}))
    return joined


def merged(reports: Sequence[Report]) -> list[Report]:
    """Runs of one suite with several numbers of threads, as one report under the first one's header."""
    if not reports:
        return []
    first = reports[0]
    threads = {str(report.header.get("threads")): report.header.get("threads read back") for report in reports}
    header = first.header | {"threads": ", ".join(threads), "threads read back": threads}
    return [
        dataclasses.replace(
            first,
            header=header,
            rows=[row for report in reports for row in report.rows],
            complete=all(report.complete for report in reports),
            seconds=sum(report.seconds for report in reports),
        )
    ]


def cores_used(report: Report) -> dict[str, float]:
    """The median over the rows of the cores that each library used."""
    found: dict[str, list[float]] = {}
    for row in report.rows:
        for name, figure in row.figures.items():
            if figure.cores is not None:
                found.setdefault(name, []).append(figure.cores)
    return {name: statistics.median(values) for name, values in found.items()}


def for_json(value: Any) -> Any:
    """Ready for JSON: four significant digits are more than a measurement has; JSON knows no infinity."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): for_json(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(part) for part in value]
    return value


def to_json(reports: Sequence[Report]) -> str:
    found = []
    for report in reports:
        plain = dataclasses.asdict(report)
        rows = [{key: value for key, value in row.items() if value not in ({}, 0)} for row in plain.pop("rows")]
        means = [dataclasses.asdict(mean) for mean in summary(report)]
        found.append(for_json(plain | {"cores used": cores_used(report), "summary": means, "rows": rows}))
    # One row to a line: a difference between two reports is then readable.
    lines = []
    for plain in found:
        rows = plain.pop("rows")
        head = json.dumps(plain, indent=1)[:-2]
        body = ",\n".join("  " + json.dumps(row) for row in rows)
        lines.append(f'{head},\n "rows": [\n{body}\n ]\n}}')
    return '{"suites": [\n' + ",\n".join(lines) + "\n]}\n"


def save(reports: Sequence[Report], path: Path) -> None:
    """Write the file in one go: whoever reads it, or interrupts, finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".part")
    fresh.write_text(to_json(reports))
    os.replace(fresh, path)


def _row(plain: dict[str, Any]) -> Row:
    figures = {name: Figure(**figure) for name, figure in plain.pop("figures", {}).items()}
    ratios = {name: Ratio(**ratio) for name, ratio in plain.pop("ratios", {}).items()}
    return Row(**plain | {"about": plain.get("about", {})}, figures=figures, ratios=ratios)


def load(path: Path) -> list[Report]:
    """The reports in a file that `save` wrote."""
    reports = []
    for plain in json.loads(path.read_text())["suites"]:
        rows = [_row(row) for row in plain.pop("rows")]
        known = {field.name for field in dataclasses.fields(Report)}
        facts = {key: value for key, value in plain.items() if key in known}
        reports.append(Report(**facts | {"by": tuple(plain["by"])}, rows=rows))
    return reports
