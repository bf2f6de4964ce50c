"""What a parity run says: a table on the terminal, JSON, and a page that stands by itself."""

from __future__ import annotations

import html
import json
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import minitorch

from .exceptions import KNOWN
from .run import Options, Result


def environment(options: Options) -> dict[str, Any]:
    """What was compared, on what."""
    return {
        "minitorch": getattr(minitorch, "__version__", "?"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": options.device,
        "dtypes": list(options.dtypes or ("float64", "float32")),
        "checks": list(options.checks),
        "layouts": list(options.layouts),
        "samples per operation": options.limit or "all",
    }


def totals(results: Sequence[Result]) -> dict[str, int]:
    return {
        "operations": len(results),
        "good": sum(r.good for r in results),
        "missing": sum(r.missing is not None for r in results),
        "cases": sum(r.cases for r in results),
        "passed": sum(r.passed for r in results),
        "excepted": sum(r.cases - r.passed - r.failed for r in results),
        "failed": sum(r.failed for r in results),
    }


def sentence(results: Sequence[Result]) -> str:
    t = totals(results)
    share = 100 * t["passed"] / t["cases"] if t["cases"] else 0.0
    return (
        f"{t['good']} of {t['operations']} operations agree ({t['missing']} missing); {t['passed']} of {t['cases']} "
        f"cases passed ({share:.2f} %), {t['excepted']} known differences, {t['failed']} failed"
    )


def worst(result: Result, side: int) -> str:
    """The worst error over the dtypes, in ulps."""
    return f"{max(pair[side] for pair in result.accuracy.values()):.3g}" if result.accuracy else "-"


def row(result: Result) -> list[str]:
    if result.missing is not None:
        return [result.op, "-", "missing", "-", "-", "-"]
    counts = [str(result.cases), str(result.passed), str(sum(result.excepted.values()) or "")]
    return [result.op, *counts, worst(result, 0), worst(result, 1)]


HEADER = ("operation", "cases", "passed", "known", "ulps", "torch's ulps")
FOOTNOTE = (
    "ulps: the worst error of values and gradients against the same call in float64; of a function of one number at "
    "each element, of the others relative to the largest element of the result"
)


def print_table(console: Console, results: Sequence[Result]) -> None:
    table = Table(title="minitorch against torch", title_justify="left", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column(HEADER[0], overflow="fold")
    for name in HEADER[1:]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name) + 1)
    for result in results:
        style = None if result.good else "dim" if result.missing else "bold red"
        table.add_row(*map(escape, row(result)), style=style)
    console.print(table)
    console.print(FOOTNOTE, style="dim")
    if missing := [r.op for r in results if r.missing]:
        console.print(f"missing: {', '.join(missing)}", style="dim", markup=False)


def print_failures(console: Console, results: Sequence[Result], each: int = 5) -> None:
    for result in results:
        for failure in result.failures[:each]:
            head = f"[bold red]{escape(result.op)}[/] {failure.check} {failure.dtype}  {escape(failure.sample)}"
            console.print(f"{head}\n    {escape(failure.message)}", soft_wrap=True, highlight=False)
        if result.failed > each:
            console.print(f"    {escape(result.op)}: {result.failed} cases fail in all", style="dim")


def known_counts(results: Sequence[Result]) -> Counter:
    """How many cases each known difference covers, by its reason."""
    return sum((Counter(r.excepted) for r in results), Counter())


def print_known(console: Console, results: Sequence[Result]) -> None:
    """The known differences that occurred, with how many cases each covers."""
    for reason, count in known_counts(results).most_common():
        console.print(f"known difference, {count} cases: {escape(reason)}", style="yellow")


def unused(results: Sequence[Result]) -> list[str]:
    """Entries of the exceptions file that covered nothing."""
    used = known_counts(results)
    return [f"{k.ops}: {k.reason}" for k in KNOWN if k.reason not in used and (k.when is None or k.when())]


def write_json(path: Path, results: Sequence[Result], options: Options) -> None:
    content = {
        "environment": environment(options),
        "totals": totals(results),
        "operations": [r.as_dict() for r in results],
    }
    path.write_text(json.dumps(content, indent=1, default=str))


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1c2430; }
h1 { font-size: 1.5rem; } .env { color: #5a6675; font-size: .85rem; }
input { font: inherit; padding: .4rem .6rem; width: 20rem; margin: 1rem 1rem 1rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e3e8ee; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
thead th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #9aa7b5; }
tr.bad td { background: #fdecea; } tr.missing td { color: #8a94a0; }
details { text-align: left; } pre { white-space: pre-wrap; background: #f6f8fa; padding: .5rem; font-size: .8rem; }
@media (prefers-color-scheme: dark) {
  body, thead th { background: #14181d; color: #dde3ea; } th, td { border-color: #2b333d; }
  tr.bad td { background: #40211f; } pre { background: #1d232a; }
}
"""
SCRIPT = """
const box = document.querySelector('#filter'), bad = document.querySelector('#bad');
function show() {
  for (const r of document.querySelectorAll('tbody tr'))
    r.hidden = !r.dataset.op.includes(box.value.trim()) || (bad.checked && r.className === '');
}
box.addEventListener('input', show); bad.addEventListener('change', show);
"""


def write_html(path: Path, results: Sequence[Result], options: Options) -> None:
    """One file without anything to load; a filter by name, the failures folded under their rows."""
    lines = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>minitorch against torch</title><style>{STYLE}</style>",
        f"<h1>minitorch against torch</h1><p>{html.escape(sentence(results))}</p><p class=env>",
        html.escape(", ".join(f"{k} {v}" for k, v in environment(options).items())),
        "</p><input id=filter placeholder='operation' aria-label='filter by operation'>",
        "<label><input id=bad type=checkbox style='width:auto'> only what fails or is missing</label>",
        "<table><thead><tr>" + "".join(f"<th scope=col>{h}" for h in HEADER) + "</thead><tbody>",
        *map(html_row, results),
        f"</tbody></table><p class=env>{FOOTNOTE}</p>",
    ]
    if known := known_counts(results):
        lines.append("<h2>Known differences</h2><ul>")
        lines += [f"<li>{count} cases: {html.escape(reason)}" for reason, count in known.most_common()]
        lines.append("</ul>")
    path.write_text("\n".join([*lines, f"<script>{SCRIPT}</script></html>"]))


def html_row(result: Result) -> str:
    kind = "" if result.good else "missing" if result.missing else "bad"
    cells = [html.escape(cell) for cell in row(result)]
    if result.failures:
        found = "\n\n".join(f"{f.check} {f.dtype}  {f.sample}\n  {f.message}" for f in result.failures)
        cells[0] += f"<details><summary>{result.failed} differ</summary><pre>{html.escape(found)}</pre></details>"
    start = f"<tr class='{kind}' data-op='{html.escape(result.op)}'>"
    return start + "".join(f"<td>{cell}" for cell in cells) + "</tr>"
