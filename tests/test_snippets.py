"""The programs of the notes print the same text whichever library they import."""

import contextlib
import io
import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from parity.scripts.examples import on_minitorch  # noqa: E402

NOTES = Path(__file__).parent.parent / "examples" / "notes"
PROGRAMS = sorted(path.name for path in NOTES.glob("*.py"))


def printed(source: str, name: str) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    return text.getvalue()


def test_there_are_programs():
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("program", PROGRAMS)
def test_prints_the_same(program):
    source = (NOTES / program).read_text()
    translated = on_minitorch(source)
    assert not re.search(r"^\s*(import|from) torch", translated, flags=re.M)
    expected = printed(source, program)
    assert len(expected.splitlines()) > 5
    assert printed(translated, program).splitlines() == expected.splitlines()
