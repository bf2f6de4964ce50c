"""Which names of torch minitorch has: `has(name)`, and a page about those that real programs use.

`surface.txt` ranks them: the names that the programs of 32 public repositories use, with the number of repositories.
The page `docs/coverage.md` is written from it (`python -m parity coverage --write docs/coverage.md`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SURFACE = Path(__file__).with_name("surface.txt")
OFTEN = 3  # repositories


@dataclass(frozen=True)
class Used:
    """A name and how many repositories use it."""

    area: str
    name: str
    repositories: int

    @property
    def present(self) -> bool:
        return has(self.name)


@cache
def has(name: str) -> bool:
    """Whether minitorch has a name of torch's, such as `nn.functional.relu` or `Tensor.view`."""
    try:
        pkgutil.resolve_name(f"minitorch.{name}")
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def surface() -> list[Used]:
    """The table."""
    names, area = [], ""
    for line in SURFACE.read_text().splitlines():
        if line.startswith("## "):
            area = line.removeprefix("## ")
        elif line and not line.startswith("#"):
            name, _, count = line.rpartition(" ")
            names.append(Used(area, name, int(count)))
    return names


def share(names: Iterable[Used]) -> tuple[int, int]:
    """(present, all)."""
    listed = list(names)
    return sum(name.present for name in listed), len(listed)


def page() -> str:
    """docs/coverage.md."""
    names = surface()
    often = [name for name in names if name.repositories >= OFTEN]
    present, total = share(names)
    present_often, total_often = share(often)
    version = importlib.import_module("minitorch.version").torch
    lines = [
        "# What minitorch has of torch",
        "",
        f"The names of torch {version} that programs use, counted in 32 public repositories of small torch programs (teaching",
        "code, models of papers, vision and language models), and which of them minitorch has. This page is written by",
        "`python -m parity coverage --write docs/coverage.md`; `python -m parity scan PATH` makes such a table for a program.",
        "",
        f"- used by three or more repositories: **{present_often} of {total_often}**",
        f"- all of them: **{present} of {total}**, {present / total:.0%}",
        "",
        "Names that concern GPUs, several processes, or compilers exist where a program for one CPU may call them, and do what is",
        "right there: `cuda.is_available()` is False, a collective of one process changes nothing, `compile` and `jit.script`",
        "return what they are given. What needs such a device, several processes or a compiled program raises an error that",
        "says so.",
        "",
        "**Mixed precision changes no types here.** `autocast` is entered and left, and `is_autocast_enabled` answers",
        "accordingly, but every operation computes in the types of its inputs: NumPy's half precision is slower than float32, not",
        'faster. So a program under `autocast("cpu", dtype=bfloat16)` gives float32\'s results, where torch rounds those of',
        'products and convolutions to three digits. `GradScaler("cpu")` scales, skips and grows as torch\'s does.',
    ]
    for area in dict.fromkeys(name.area for name in names):
        here = [name for name in names if name.area == area]
        present, total = share(here)
        lines += ["", f"## {area}: {present} of {total}", ""]
        for title, chosen in (("Has", [n for n in here if n.present]), ("Lacks", [n for n in here if not n.present])):
            if chosen:
                lines.append(f"{title}: " + ", ".join(f"`{n.name}` {n.repositories}" for n in chosen) + ".")
                lines.append("")
        lines.pop()
    return "\n".join(lines) + "\n"
