"""The programs in examples/ on torch and on minitorch: the same losses, the same words.

Two steps here; twenty, and every call, by `python -m parity.scripts.examples`.
"""

import re
import warnings

import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
from parity.scripts import examples  # noqa: E402

STEPS = 2
PROGRAMS = examples.programs()
NUMBER = re.compile(r"-?\d+\.?\d*(e[+-]?\d+)?")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads(), minitorch.get_num_threads()
    torch.set_num_threads(1)
    minitorch.set_num_threads(1)
    yield
    torch.set_num_threads(threads[0])
    minitorch.set_num_threads(threads[1])


def test_there_are_programs():
    assert len(PROGRAMS) >= 25


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_losses_are_torch_s(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about its own prototypes
        for double, bound in ((True, examples.DOUBLE), (False, STEPS * examples.SINGLE)):
            mine, true = (examples.run(library, path, STEPS, double) for library in (minitorch, torch))
            assert len(true.losses) == STEPS
            assert max(examples.off(mine.losses, true.losses)) <= bound, f"double={double}: {mine.losses} {true.losses}"
            assert NUMBER.sub("#", mine.printed).count("\n") == NUMBER.sub("#", true.printed).count("\n")
            if double:
                assert mine.printed == true.printed


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_says_what_it_is(path):
    shown = examples.what_it_shows(path)
    assert re.search(r"\b(18|19|20)\d\d\b", shown) or path.stem in ("linear_regression", "logistic_regression", "mlp")


def test_the_table_says_what_the_programs_say():
    rows = [line for line in (examples.FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
    shown = {path.name: examples.what_it_shows(path) for path in PROGRAMS}
    for row in rows:
        name = row[row.index("(") + 1 : row.index(")")]
        assert f"| {shown[name]} |" in row, "run `python -m parity.scripts.examples --write`"
