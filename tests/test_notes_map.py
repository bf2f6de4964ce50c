"""docs/notes-map.md names what exists: objects, tests, parity cases, chapters."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAP = ROOT / "docs" / "notes-map.md"
NEXT = (
    "zero-shot|CLIP|contrastive|GLIP|grounded|backbone|DINO|text prompt|SAM|AOT|vision transformer|two towers|VQA|ITC|"
    "align before fuse|momentum|MAE"
)


def rows():
    """(line, cells) of every row of every table."""
    for line, text in enumerate(MAP.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if text.startswith("| ") and cells[0] != "heading":
            yield line, cells


ROWS = dict(rows())
DONE = {line: cells for line, cells in ROWS.items() if cells[2] != "next"}


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@functools.cache
def functions(path: str) -> set[str]:
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def found(name: str):
    """The object of a dotted name; ImportError, AttributeError if there is none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            place = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[count:], place)
    raise ImportError(name)


def test_every_row_is_whole():
    assert len(ROWS) > 90
    for line, cells in ROWS.items():
        assert len(cells) == 5 and cells[0] and cells[1], line
    for line, cells in DONE.items():
        assert len(names(cells[2])) == 1 and names(cells[4]), line
        assert re.fullmatch(r"\{chapter\}`\d\d`", cells[3]), line


def test_nothing_stands_as_next_but_the_vision_language_and_segmentation_systems():
    for line, cells in ROWS.items():
        if line not in DONE:
            assert re.search(NEXT, cells[0] + cells[1]) and cells[3:] == ["", ""], line


def test_what_implements_exists():
    for line, cells in DONE.items():
        (name,) = names(cells[2])
        try:
            assert found(name) is not None
        except (ImportError, AttributeError) as error:
            pytest.fail(f"notes-map.md:{line}: {error}")


def test_what_holds_it_exists():
    cases = json.loads((ROOT / "docs" / "parity.json").read_text())["operations"]
    for line, cells in DONE.items():
        for name in names(cells[4]):
            if name.startswith("parity: "):
                entry = name.removeprefix("parity: ")
                assert any(n == entry or n.startswith(f"{entry}.") for n in cases), f"notes-map.md:{line}: {name}"
            else:
                path, _, function = name.partition("::")
                assert (ROOT / path).exists(), f"notes-map.md:{line}: {name}"
                assert not function or function in functions(path), f"notes-map.md:{line}: {name}"


def test_its_chapters_exist():
    written = {path.name[:2] for path in (ROOT / "docs" / "chapters").glob("[0-9]*.md")}
    wanted = {names(cells[3])[0] for cells in DONE.values()}
    assert wanted <= written, f"not written: {sorted(wanted - written)}"
    assert written <= wanted, f"in no row: {sorted(written - wanted)}"
