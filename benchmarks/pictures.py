"""The pictures of a report: ratio bars, rooflines, curves over size and threads.

Colours are those of M. Okabe and K. Ito (Color Universal Design, 2002), which people who do not tell red from green can
tell apart; nothing is said by colour alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure as Canvas  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator  # noqa: E402

from .case import Row  # noqa: E402
from .libraries import OURS  # noqa: E402
from .results import Report  # noqa: E402

COLOURS = {
    OURS: "#0072B2",
    "torch": "#D55E00",
    "numpy": "#009E73",
    "jax": "#CC79A7",
    "tinygrad": "#E69F00",
    "autograd": "#56B4E9",
    "mygrad": "#000000",
}
HUES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
MARKERS = "osD^v<>pPX*h"
TALLEST = 14  # inches
DPI = 110


@dataclass(frozen=True)
class Bars:
    """How rows become bars: one line to a name, side by side in panels, a bar for each hue."""

    panel: Callable[[Row, str], str]
    hue: Callable[[Row, str], str]
    against: tuple[str, ...] | None = ("torch",)  # None: every library


def about(key: str, prefix: str = "") -> Callable[[Row, str], str]:
    return lambda row, library: f"{prefix}{row.about.get(key, '')}"


def the_library(row: Row, library: str) -> str:
    return library


ORDER = ("forward", "input gradient", "weight gradient", "with gradients")


def in_order(values: Iterable[str]) -> list[str]:
    """As they came, but passes in the order in which training runs them."""
    return sorted(values, key=lambda value: ORDER.index(value) if value in ORDER else len(ORDER))


def nothing(row: Row, library: str) -> str:
    return ""


BARS = {
    "matmul": Bars(about("dtype"), the_library, None),
    "conv": Bars(about("batch", "batch "), about("pass")),
    "ops": Bars(nothing, about("pass")),
    "overhead": Bars(nothing, lambda row, library: row.group),
    "train": Bars(nothing, the_library, None),
    "memory": Bars(nothing, the_library),
}


def line_height(bars: int) -> float:
    """Inches of one line with so many bars."""
    return max(0.24, 0.115 * bars)


def bars_per_line(rows: Sequence[Row], bars: Bars) -> int:
    """The most bars that any line has in a panel."""
    counts = Counter(
        (row.group, row.name, bars.panel(row, library))
        for row in rows
        for library in row.ratios
        if bars.against is None or library in bars.against
    )
    return max(counts.values(), default=1)


def chunks(rows: Sequence[Row], bars: Bars, separate: bool) -> list[list[Row]]:
    """The rows of each picture: whole groups, as many as fit; `separate`: one group each."""
    pictures: list[list[Row]] = []
    room = 0.0
    for group in dict.fromkeys(row.group for row in rows):
        members = [row for row in rows if row.group == group]
        height = (len({row.name for row in members}) + 1) * line_height(bars_per_line(rows, bars))
        if not pictures or separate or height > room:
            pictures.append([])
            room = TALLEST
        pictures[-1] += members
        room -= height
    return pictures


def ratio_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with a line at 1; the side where minitorch loses is grey."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [t for t in (1 / 64, 1 / 16, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 64, 256, 1024) if low <= t <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x >= 0.25 else f"1/{1 / x:.0f}"))
    axes.axvspan(low, 1, color="0.93", zorder=0)
    axes.axvline(1, color="0.2", linewidth=1, zorder=3)
    axes.grid(axis="x", color="0.85", linewidth=0.6, zorder=1)


def ratio_bars(path: Path, title: str, rows: Sequence[Row], bars: Bars, note: str) -> None:
    """One line to a name, under its group's name; from 1 to the right where minitorch is faster, to the left where slower."""
    found: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    groups = len({row.group for row in rows})
    grouped = 1 < groups < len({row.name for row in rows}) and bars.hue is not BARS["overhead"].hue
    panels: dict[str, None] = {}
    seen: dict[str, None] = {}
    for row in rows:
        for library, ratio in row.ratios.items():
            if bars.against is None or library in bars.against:
                panel, hue = bars.panel(row, library), bars.hue(row, library)
                panels.setdefault(panel)
                seen.setdefault(hue)
                found.setdefault((row.group if grouped else "", row.name), {})[panel, hue] = ratio
    if not found:
        return
    hues = in_order(seen)
    colours = {hue: COLOURS.get(hue, HUES[i % len(HUES)]) for i, hue in enumerate(hues)}
    most = max(max(Counter(panel for panel, _ in line).values()) for line in found.values())
    thickness = 0.8 / most
    positions, labels, headings, y = [], [], [], 0.0
    group = ""
    for line in found:
        if line[0] != group:
            group = line[0]
            headings.append((y + 0.1, group))
            y += 1
        positions.append(y)
        labels.append(line[1])
        y += 1
    inches = line_height(most) * y + 1.6
    canvas, axes_ = plt.subplots(
        1,
        len(panels),
        figsize=(3.2 + 3.6 * max(len(panels), 1.6), inches),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    values = [v for line in found.values() for ratio in line.values() for v in (ratio.value, ratio.low, ratio.high)]
    low, high = min(0.7, min(values)) / 1.5, max(1.5, max(values)) * 1.6
    for axes, panel in zip(axes_[0], panels, strict=True):
        ratio_axis(axes, low, high)
        for position, line in zip(positions, found.values(), strict=True):
            present = [hue for hue in hues if (panel, hue) in line]
            for i, hue in enumerate(present):
                where = position + (i - (len(present) - 1) / 2) * thickness
                one_bar(axes, where, thickness, line[panel, hue], colours[hue])
        for heading, text in headings:
            axes.axhline(heading - 0.55, color="0.7", linewidth=0.6)
            if axes is axes_[0][0]:
                axes.annotate(
                    text, (0, heading), xycoords=("axes fraction", "data"), xytext=(-6, 0), textcoords="offset points",
                    ha="right", va="center", fontsize=9, fontweight="bold", annotation_clip=False,
                )  # fmt: skip
        axes.set_yticks(positions, labels, fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(y - 0.4, -0.6)
        axes.set_title(panel, fontsize=10)
        axes.set_xlabel(note, fontsize=8.5)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    canvas.suptitle(title, fontsize=12, fontweight="bold")
    if len(hues) > 1:
        handles = [plt.Rectangle((0, 0), 1, 1, color=colours[hue]) for hue in hues]
        canvas.legend(handles, list(hues), loc="outside lower center", ncols=len(hues), frameon=False, fontsize=9)
    finish(canvas, path)


def one_bar(axes: Axes, where: float, thickness: float, ratio: Any, colour: str) -> None:
    axes.barh(where, ratio.value - 1, thickness * 0.9, left=1, color=colour, zorder=2)
    axes.plot([ratio.low, ratio.high], [where, where], color="0.25", linewidth=0.8, zorder=4)
    faster = ratio.value >= 1
    axes.annotate(
        f"{ratio.value:.2f}" if ratio.value < 10 else f"{ratio.value:.0f}",
        (max(ratio.value, ratio.high) if faster else min(ratio.value, ratio.low), where),
        xytext=(3 if faster else -3, 0), textcoords="offset points",
        ha="left" if faster else "right", va="center", fontsize=6, color="0.2", zorder=5,
    )  # fmt: skip


def finish(canvas: Canvas, path: Path) -> None:
    canvas.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(canvas)


def roofline(path: Path, report: Report, panel_key: str) -> None:
    """Speed over arithmetic intensity, under the measured ceilings of arithmetic and of each level of memory.

    A kernel that does I operations for each byte it moves can at best reach min(peak, I * bandwidth). (S. Williams, A. Waterman, D.
    Patterson: Roofline, 2009.) The intensity counts each operand once, as if the caches were endless.
    """
    rows = [row for row in report.rows if row.flops and row.bytes and OURS in row.figures]
    panels = in_order(dict.fromkeys(row.about[panel_key] for row in rows))
    if not panels or not report.peak:
        return
    groups = {group: MARKERS[i % len(MARKERS)] for i, group in enumerate(dict.fromkeys(row.group for row in rows))}
    canvas, axes_ = plt.subplots(
        1, len(panels), figsize=(1.5 + 4.6 * len(panels), 5.4), sharey=True, squeeze=False, layout="constrained"
    )
    fastest = max(report.peak["bandwidth"].values())
    low = min(min(row.flops / row.bytes for row in rows) / 1.5, min(report.peak["flops"].values()) / fastest / 4)
    high = max(row.flops / row.bytes for row in rows) * 2
    for axes, panel in zip(axes_[0], panels, strict=True):
        dtype = panel if panel in report.peak["flops"] else "float32"
        peak = report.peak["flops"][dtype]
        draw_roof(axes, peak, report.peak["bandwidth"], low, high)
        for row in rows:
            if row.about[panel_key] == panel:
                for library in ("torch", OURS):
                    if library in row.figures:
                        axes.plot(
                            row.flops / row.bytes, row.flops / row.figures[library].value / 1e9,
                            groups[row.group], color=COLOURS[library], markersize=4.5, markeredgewidth=0.9, alpha=0.85,
                            markerfacecolor=COLOURS[library] if library == OURS else "none", zorder=4 if library == OURS else 3,
                        )  # fmt: skip
        axes.set_title(panel if panel == dtype else f"{panel}, {dtype}", fontsize=10)
        axes.set_xlabel("operations per byte that must be moved at least", fontsize=9)
    axes_[0][0].set_ylabel("GFLOP/s")
    canvas.suptitle(f"{report.title}: roofline, {count_of(report.peak['threads'])}", fontsize=12, fontweight="bold")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=COLOURS[OURS], label=f"{OURS} (filled)"),
        Line2D(
            [], [], marker="o", linestyle="", color=COLOURS["torch"], markerfacecolor="none", label="torch (hollow)"
        ),
        *(
            Line2D([], [], marker=m, linestyle="", color="0.4", markerfacecolor="none", label=g)
            for g, m in groups.items()
        ),
    ]
    canvas.legend(
        handles=handles, loc="outside lower center", ncols=4 + 2 * (len(panels) > 1), frameon=False, fontsize=8
    )
    finish(canvas, path)


def count_of(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def draw_roof(axes: Axes, peak: float, bandwidths: dict[str, float], low: float, high: float) -> None:
    """The flat roof and a slope for each level of memory; levels of about the same bandwidth share one."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    intensity = np.geomspace(low, high, 200)
    slopes: list[tuple[str, float]] = []
    for name, bandwidth in bandwidths.items():
        if slopes and bandwidth > 0.8 * slopes[-1][1]:
            slopes[-1] = (f"{slopes[-1][0]}, {name}", slopes[-1][1])
        else:
            slopes.append((name, bandwidth))
    for name, bandwidth in slopes:
        roof = np.minimum(peak, intensity * bandwidth) / 1e9
        axes.plot(intensity, roof, color="0.35" if name == slopes[-1][0] else "0.65", linewidth=1.1, zorder=2)
    axes.set_ylim(bottom=max(0.02, low * slopes[-1][1] / 1e9 / 30), top=peak / 1e9 * 3)
    for name, bandwidth in slopes:
        label = f"{name}: {bandwidth / 1e9:.0f} GB/s"
        angle = np.degrees(np.arctan(bandwidth / 1e9))  # of the slope in data coordinates, which the transform turns
        axes.text(
            low * 1.1, low * 1.1 * bandwidth / 1e9 * 1.12, label, rotation=angle, rotation_mode="anchor",
            transform_rotates_text=True, fontsize=7, color="0.3", va="bottom",
        )  # fmt: skip
    axes.annotate(
        f"peak {peak / 1e9:.0f} GFLOP/s", (high, peak / 1e9), xytext=(-4, 4), textcoords="offset points",
        ha="right", fontsize=8, color="0.2",
    )  # fmt: skip
    axes.grid(which="major", color="0.9", linewidth=0.6, zorder=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_minor_formatter(NullFormatter())


STYLES = ("-", "--", ":", "-.")


def scaling_curves(path: Path, report: Report) -> None:
    """Speed over size: a panel for each operation, a colour for each library, a line style for each number of threads."""
    groups = list(dict.fromkeys(row.group for row in report.rows))
    threads = sorted({row.about["threads"] for row in report.rows})
    canvas, grid = plt.subplots(
        -(-len(groups) // 2), 2, figsize=(11, 2.9 * -(-len(groups) // 2) + 0.8), squeeze=False, layout="constrained"
    )
    for axes, group in zip(grid.flat, groups, strict=False):
        members = [row for row in report.rows if row.group == group]
        for library in report.libraries:
            for style, count in zip(STYLES, threads, strict=False):
                points = sorted(
                    (row.about["n"], *(row.about["work"] / t for t in (figure.value, figure.high, figure.low)))
                    for row in members
                    if row.about["threads"] == count and (figure := row.figures.get(library))
                )
                if points:
                    n, speed, low, high = zip(*points, strict=True)
                    marker = "o" if library == OURS else "s"
                    axes.plot(n, speed, style, color=COLOURS[library], marker=marker, markersize=3.5, linewidth=1.4)
                    axes.fill_between(n, low, high, color=COLOURS[library], alpha=0.15, linewidth=0)
        axes.set_title(group, fontsize=10)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        sizes = sorted({row.about["n"] for row in members})
        axes.set_xticks(sizes, [f"{n}" if n < 2**13 else f"$2^{{{n.bit_length() - 1}}}$" for n in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        plain_ticks(axes)
        axes.set_xlabel("n", fontsize=9)
        axes.set_ylabel(members[0].about["rate"], fontsize=9)
        axes.grid(color="0.9", linewidth=0.6)
    for axes in list(grid.flat)[len(groups) :]:
        axes.set_visible(False)
    handles = [Line2D([], [], color=COLOURS[library], linewidth=2, label=library) for library in report.libraries]
    handles += [
        Line2D([], [], color="0.3", linestyle=style, label=count_of(count))
        for style, count in zip(STYLES, threads, strict=False)
    ]
    canvas.suptitle("Speed over size (higher is better)", fontsize=12, fontweight="bold")
    canvas.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    finish(canvas, path)


def plain_ticks(axes: Axes) -> None:
    """Ticks of a logarithmic y axis at 1, 2, 5 times powers of ten, as plain numbers."""
    low, high = axes.get_ylim()
    steps = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    if len(steps) > 7:
        steps = [step for step in steps if f"{step:e}".startswith("1")]
    axes.yaxis.set_major_locator(FixedLocator(steps))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def thread_gain(path: Path, report: Report) -> None:
    """What the second thread brings at the largest size of each operation: time with one over time with several."""
    threads = sorted({row.about["threads"] for row in report.rows})
    if len(threads) < 2:
        return
    one, many = threads[0], threads[-1]
    groups = list(dict.fromkeys(row.group for row in report.rows))
    canvas, axes = plt.subplots(figsize=(8.5, 0.52 * len(groups) + 1.6), layout="constrained")
    thickness = 0.8 / len(report.libraries)
    for y, group in enumerate(groups):
        largest = max(row.about["n"] for row in report.rows if row.group == group)
        by_count = {r.about["threads"]: r for r in report.rows if r.group == group and r.about["n"] == largest}
        for i, library in enumerate(report.libraries):
            pair = [by_count[c].figures.get(library) if c in by_count else None for c in (one, many)]
            if pair[0] and pair[1]:
                gain, where = pair[0].value / pair[1].value, y + (i - (len(report.libraries) - 1) / 2) * thickness
                axes.barh(where, gain, thickness * 0.9, color=COLOURS[library])
                axes.annotate(
                    f"{gain:.2f}", (gain, where), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7
                )
    names = [f"{g} (n = {max(r.about['n'] for r in report.rows if r.group == g)})" for g in groups]
    axes.set_yticks(range(len(groups)), names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="0.4", linewidth=0.8)
    axes.axvline(many / one, color="0.4", linewidth=0.8, linestyle="--")
    axes.set_xlabel(f"time with {one} thread / time with {many} threads (dashed: perfect)", fontsize=9)
    axes.set_title(f"What {many} threads bring", fontsize=12, fontweight="bold")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[library]) for library in report.libraries]
    canvas.legend(handles, report.libraries, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    finish(canvas, path)


def slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def pictures_of(report: Report, folder: Path) -> Iterable[Path]:
    """Draw one report; yields each file that was written."""
    if report.suite == "scaling":
        if report.rows:
            scaling_curves(folder / "scaling-size.png", report)
            thread_gain(folder / "scaling-threads.png", report)
            yield from (folder / "scaling-size.png", folder / "scaling-threads.png")
        return
    bars = BARS[report.suite]
    less = "memory" if report.unit == "B" else "time"
    others = "torch's" if bars.against else "the other library's"
    note = f"{others} {less} / minitorch's {less}\n(right of 1: minitorch needs less)"
    parts = chunks(report.rows, bars, separate=report.suite == "conv")
    for i, rows in enumerate(parts, 1):
        suffix = f"-{slug(rows[0].group)}" if report.suite == "conv" else f"-{i}" if len(parts) > 1 else ""
        title = f"{report.title}{': ' + rows[0].group if report.suite == 'conv' else ''}"
        yield draw(
            folder / f"{report.suite}{suffix}.png", lambda path, t=title, r=rows: ratio_bars(path, t, r, bars, note)
        )
    if report.peak:
        key = "dtype" if report.suite == "matmul" else "pass"
        yield draw(folder / f"{report.suite}-roofline.png", lambda path: roofline(path, report, key))


def draw(path: Path, function: Callable[[Path], None]) -> Path:
    function(path)
    return path


def draw_all(reports: Sequence[Report], folder: Path) -> dict[str, list[Path]]:
    """Suite -> the pictures drawn into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return {report.suite: [path for path in pictures_of(report, folder) if path.exists()] for report in reports}
