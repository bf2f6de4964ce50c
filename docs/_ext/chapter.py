"""What a chapter of docs/chapters holds that can be run: its code cells and its pieces for both libraries.

Without Sphinx, so that the ordinary tests run the same code as the build of the documentation.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CHAPTERS = Path(__file__).parent.parent / "chapters"
FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\}[^\n]*\n(?P<inside>.*?)^(?P=fence)[ \t]*$", re.M | re.S)
OPTION = re.compile(r":([\w-]+):[ \t]*([^\n]*)\n")
WITHIN = 1e-5  # relative above 1, absolute below: float32 with a little arithmetic


@dataclass(frozen=True)
class Block:
    """A fenced directive of a chapter."""

    options: dict[str, str]
    body: str
    line: int  # of its first line of code


def chapters() -> list[Path]:
    return sorted(CHAPTERS.glob("[0-9][0-9]_*.md"))


def others() -> list[Path]:
    """The other pages of the documentation that run code."""
    pages = (path for path in CHAPTERS.parent.rglob("*.md") if path.parent != CHAPTERS and "_build" not in path.parts)
    return sorted(path for path in pages if next(blocks(path, "code-cell"), None))


def blocks(path: Path, name: str) -> Iterator[Block]:
    text = path.read_text()
    for found in FENCE.finditer(text):
        if found["name"] != name:
            continue
        options, rest = {}, found["inside"]
        while option := OPTION.match(rest):
            options[option[1]] = option[2].strip()
            rest = rest[option.end() :]
        yield Block(options, rest, text.count("\n", 0, found.end("inside") - len(rest)) + 1)


def run_cells(path: Path, skip: str = "slow") -> dict[str, Any]:
    """Run a chapter's cells one after the other in one namespace, as its notebook does, less those tagged `skip`."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in blocks(path, "code-cell"):
        if skip not in cell.options.get("tags", ""):
            run(cell.body, namespace, str(path), cell.line, show=repr)
    return namespace


def run(code: str, namespace: dict[str, Any], file: str, line: int, show=print) -> None:
    """Run code whose errors name the line in the chapter; the value of a last expression is shown, as in a notebook."""
    tree = ast.parse("\n" * (line - 1) + code, file)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if last is not None:
        tree.body.pop()
    exec(compile(tree, file, "exec"), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), file, "eval"), namespace)
        if value is not None:
            show(value)


@dataclass(frozen=True)
class Both:
    """One piece of code, run with minitorch and with torch."""

    printed: tuple[str, str]
    differences: dict[str, float]  # by the name of the variable: absolute below 1, relative above

    @property
    def largest(self) -> tuple[str, float]:
        return max(self.differences.items(), key=lambda entry: entry[1])


def run_both(piece: Block, file: str) -> Both:
    """Run a piece in which `torch` is free once with each library, from the same seed; ValueError where they disagree."""
    names = [name.strip() for name in piece.options.get("compare", "").split(",") if name.strip()]
    if not names:
        raise ValueError(f"{file}:{piece.line}: a piece for both libraries says what to compare: `:compare: x, y`")
    runs, printed = [], []
    for library in ("minitorch", "torch"):
        torch = importlib.import_module(library)
        torch.manual_seed(0)
        namespace = {"torch": torch, "__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()) as output:
            run(piece.body, namespace, file, piece.line)
        runs.append(namespace)
        printed.append(output.getvalue())
    differences = {name: difference(runs[0][name], runs[1][name]) for name in names}
    worst = max(differences, key=differences.__getitem__)
    if not differences[worst] <= float(piece.options.get("within", WITHIN)):
        raise ValueError(f"{file}:{piece.line}: {worst} differs between the libraries by {differences[worst]:.3g}")
    return Both((printed[0], printed[1]), differences)


def difference(ours: Any, theirs: Any) -> float:
    """The largest |a - b| / max(1, |b|) of two tensors, numbers, or lists and dictionaries of them; inf if unlike."""
    if isinstance(ours, dict):
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, (list, tuple)):
        if len(ours) != len(theirs):
            return np.inf
        return max(map(difference, ours, theirs), default=0.0)
    a, b = numbers(ours), numbers(theirs)
    if a.shape != b.shape:
        return np.inf
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(b)))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))


def numbers(value: Any) -> np.ndarray:
    return np.asarray(value.detach().tolist() if hasattr(value, "detach") else value, dtype=np.float64)
