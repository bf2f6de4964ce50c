"""A report as one page that needs nothing beside itself: pictures are inside it, and it loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from .results import Report, cores_used, summary
from .tables import cells, columns, libraries_of, readable


def embedded(picture: Path) -> str:
    """The picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()


def group_of(report: Report, name: str) -> dict:
    """One table of the page."""
    rows = [row for row in report.rows if row.group == name]
    with_rate = report.unit == "s" and any(row.flops for row in rows)
    libraries = libraries_of(rows, report.libraries)
    lines = []
    for row in rows:
        ratios = [ratio.value for ratio in row.ratios.values()]
        state = "failed" if row.failed else "slower" if ratios and min(ratios) < 1 else ""
        lines.append({"state": state, "cells": cells(row, libraries, report.unit, with_rate)})
    return {"name": name, "columns": columns(libraries, with_rate), "lines": lines}


def suite_of(report: Report, pictures: Sequence[Path]) -> dict:
    used = ", ".join(f"{name} {cores:.2f}" for name, cores in cores_used(report).items())
    return {
        "report": report,
        "means": summary(report),
        "groups": [group_of(report, name) for name in dict.fromkeys(row.group for row in report.rows)],
        "pictures": [{"name": path.stem.replace("-", " "), "data": embedded(path)} for path in pictures],
        "losses": [row for row in report.rows if row.results] if report.suite == "train" else [],
        "facts": {key: readable(value) for key, value in report.header.items()} | {"cores used (median)": used or "-"},
    }


def write_page(reports: Sequence[Report], pictures: Mapping[str, Sequence[Path]], path: Path) -> None:
    """pictures: by suite, as `draw_all` returns them."""
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    suites = [suite_of(report, pictures.get(report.suite, [])) for report in reports]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(environment.get_template("page.html").render(suites=suites), encoding="utf-8")
