"""The table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from .timing import Comparison


def show(title: str, header: dict, rows: list[Comparison], mean: float) -> None:
    """Print the machine, one line per row (microseconds, spread, ratio) and the geometric mean of the ratios."""
    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in header.items()), style="dim")
    table = Table(title=title, title_justify="left")
    table.add_column("operation")
    for column in ("minitorch us", "spread", "torch us", "spread", "ratio"):
        table.add_column(column, justify="right")
    for row in rows:
        style = None if row.ratio >= 1 else "yellow"
        table.add_row(
            row.name,
            f"{row.ours * 1e6:.2f}",
            f"{row.our_spread * 1e6:.2f}",
            f"{row.theirs * 1e6:.2f}",
            f"{row.their_spread * 1e6:.2f}",
            f"{row.ratio:.2f}",
            style=style,
        )
    table.add_section()
    table.add_row("geometric mean", "", "", "", "", f"{mean:.2f}")
    console.print(table)
