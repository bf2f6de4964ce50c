"""Rounding errors of long sums, awkward axes and badly scaled numbers: no worse than torch's (parity/hard_cases.py)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from click.testing import CliRunner  # noqa: E402

from minitorch.core.op import REGISTRY  # noqa: E402
from parity import hard_cases  # noqa: E402
from parity.__main__ import main  # noqa: E402

SIZE = 84_000


TELLING = ("0.1", "1e30", "1e4 +- 0.1", "sorted")


def measured(name, dtype, size=SIZE):
    for operation, call, axis, numbers in hard_cases.cases(size, dtype):
        if operation == name and numbers in TELLING:
            yield hard_cases.measure(name, call, axis, numbers, dtype, size)


def no_worse(found):
    assert all(case.good for case in found), [(str(c), c.ours, c.theirs, c.message) for c in found if not c.good]


@pytest.mark.parametrize("name", [*hard_cases.ALONG, *hard_cases.OTHERS])
def test_no_worse_than_torch(name):
    found = list(measured(name, "float32"))
    assert len(found) >= 8
    no_worse(found)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["sum", "std", "softmax", "prod"])
def test_half_precision(name, dtype):
    no_worse(list(measured(name, dtype, 42_000)))


def test_a_sum_one_by_one_is_found(monkeypatch):
    monkeypatch.setattr(
        REGISTRY["sum_dims"], "kernel", lambda x, *, dim, keepdim: np.cumsum(x, dim[0]).take(-1, dim[0])
    )
    case = hard_cases.measure("sum", hard_cases.ALONG["sum"], "all of (N)", "0.1", "float32", SIZE)
    assert not case.good and case.ours > 100 and case.theirs < 10


def test_an_overflow_that_torch_does_not_have_is_found(monkeypatch):
    def naive(input, *, dim, correction, keepdim):
        with np.errstate(over="ignore"):
            return np.sqrt(np.var(input, axis=dim, ddof=correction, keepdims=keepdim))

    monkeypatch.setattr(REGISTRY["std_dims"], "kernel", naive)
    case = hard_cases.measure("std", hard_cases.ALONG["std"], "0 of (N, 2)", "1e30", "float32", SIZE)
    assert not case.good and case.ours == float("inf")


def test_the_command(tmp_path):
    path = tmp_path / "cases.json"
    done = CliRunner().invoke(main, ["accuracy", "--size", "42000", "--ops", "mse", "--json", str(path)])
    assert done.exit_code == 0 and "mse_loss" in done.output and "16 of 16 cases" in done.output
    assert '"operation": "mse_loss"' in path.read_text()
    skipped = CliRunner().invoke(main, ["accuracy", "--device", "cuda"])
    assert skipped.exit_code == 4 and "skipped: --device cuda" in skipped.output
