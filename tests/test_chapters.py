"""The documentation's chapters: their code runs, both libraries agree, and their exercises tell right from wrong."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from minitorch.cli import main
from parity.exercises import attempt, exercises, numbers

DOCS = Path(__file__).parent.parent / "docs"


def module(name: str):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


chapter = module("chapter")
CHAPTERS = {path.stem: path for path in chapter.chapters()}
EXERCISES = {f"{n}-{e.name}": e for n in numbers() for e in exercises(n)}


PAGES = CHAPTERS | {path.stem: path for path in chapter.others()}


@pytest.mark.parametrize("name", PAGES)
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    # Chapters may write files; the other pages read what lies beside them.
    monkeypatch.chdir(tmp_path if name in CHAPTERS else PAGES[name].parent)
    with plt.rc_context():
        chapter.run_cells(PAGES[name])
        plt.close("all")


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_pieces_of_a_chapter_agree_with_torch(name):
    pieces = list(chapter.blocks(CHAPTERS[name], "torch"))
    assert pieces, "a chapter shows something in torch too"
    for piece in pieces:
        chapter.run_both(piece, name)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_its_exercises_and_short_lines(name):
    (block,) = chapter.blocks(CHAPTERS[name], "exercises")
    assert f"{{exercises}} {name[:2]}\n" in CHAPTERS[name].read_text() and block.body == ""
    assert exercises(name[:2])
    for cell in chapter.blocks(CHAPTERS[name], "code-cell"):
        for line, code in enumerate(cell.body.splitlines(), cell.line):
            assert len(code) <= 100, f"{name}.md:{line}"


def test_a_chapter_has_a_number_of_its_own():
    assert len({name[:2] for name in CHAPTERS}) == len(CHAPTERS)


def test_a_difference_is_found(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("text\n\n```{torch}\n:compare: x, y\nx = torch.ones(2)\ny = torch.rand(2) * 2\n```\n")
    (piece,) = chapter.blocks(path, "torch")
    assert piece.line == 5 and piece.body.startswith("x = ")
    assert chapter.run_both(piece, "x.md").differences == {"x": 0.0, "y": 0.0}
    wrong = chapter.Block({"compare": "x"}, "x = torch.ones(2) + (torch.__name__ == 'torch') * 1e-4", 1)
    with pytest.raises(ValueError, match="x.md:1: x differs between the libraries by 0.0001"):
        chapter.run_both(wrong, "x.md")
    with pytest.raises(ValueError, match="says what to compare"):
        chapter.run_both(chapter.Block({}, "x = 1", 1), "x.md")


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_accepts_its_solution_and_finds_the_mistake(name):
    exercise = EXERCISES[name]
    assert attempt(exercise, exercise.reference, examples=10).solved
    trial = attempt(exercise, exercise.mistake)
    assert not trial.solved and trial.counterexample
    assert "your function" in str(trial) and exercise.statement and exercise.solution.startswith("def ")
    assert '"""' not in exercise.solution


def check(*arguments: str):
    return CliRunner().invoke(main, ["check", *arguments])


def test_check_says_in_words_what_goes_wrong(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import minitorch as torch\n"
        "def squared_error(prediction, target):\n    return (prediction - target).square().sum()\n"
        "def cross_entropy(logits, label):\n    raise TypeError('no')\n"
        "def decay_penalty(w, weight_decay):\n    return weight_decay / 2 * (w * w).sum()\n"
    )
    result = check("1", str(file))
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "squared_error: not yet. The smallest inputs found for which it goes wrong:",
        "    prediction = tensor([0.0, 0.0])",
        "    target = tensor([0.0, 0.5])",
        "expected: tensor(0.125)",
        "your function gave: tensor(0.25)",
        "cross_entropy: not yet. The smallest inputs found for which it goes wrong:",
        "    logits = tensor([[0.0]])",
        "    label = tensor([0])",
        "expected: tensor(-0.0)",
        f"your function raised TypeError: no ({file}, line 5)",
        "descent_step: not written yet",
        "decay_penalty: solved",
        "1 of 4 solved",
    ]


@pytest.mark.parametrize(
    "content, words",
    [
        ("def f(:", "could not be run: SyntaxError"),
        ("x = 1", "has none of the functions of chapter 01: squared_error"),
    ],
)
def test_check_refuses_files_without_a_solution(tmp_path, content, words):
    file = tmp_path / "mine.py"
    file.write_text(content)
    result = check("01", str(file))
    assert result.exit_code == 1 and words in result.output


def test_check_knows_its_chapters_and_needs_hypothesis(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("")
    result = check("99", str(file))
    assert result.exit_code == 2 and "chapter 99 has no exercises" in result.output
    monkeypatch.setitem(sys.modules, "parity.exercises", None)
    result = check("01", str(file))
    assert result.exit_code == 1 and "extra `parity` of minitorch-lab" in result.output


INCLUDES = re.findall(
    r"```\{literalinclude\} (\S+)\n((?::.*\n)*)", "".join(path.read_text() for path in sorted(DOCS.glob("*/*.md")))
)


def test_included_code_is_still_there():
    """What stands behind :start-at: and its like begins some line of the included file, and :pyobject: is defined there."""
    assert len(INCLUDES) > 50
    for file, options in INCLUDES:
        text = (DOCS / "chapters" / file).read_text()
        for option, value in re.findall(r":([\w-]+): ?(.*)", options):
            if option in ("start-at", "start-after", "end-at", "end-before"):
                assert value.strip("\"'") in text, f"{file}: {value}"
            if option == "pyobject":
                name = value.rpartition(".")[2]
                assert re.search(rf"(def|class) {name}\b|^{name} =", text, re.MULTILINE), f"{file}: {value}"
