"""The names that real programs use: which are there, and that the page about them is true."""

from pathlib import Path

import pytest

from parity.scripts import coverage

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"


def test_every_name_that_three_repositories_use_is_there():
    missing = [name.name for name in coverage.surface() if name.repositories >= coverage.OFTEN and not name.present]
    assert not missing


def test_four_of_five_of_all_names_are_there():
    present, total = coverage.share(coverage.surface())
    assert total == 733 and present >= 0.8 * total


def test_the_page_is_what_the_table_says():
    assert PAGE.read_text() == coverage.page(), "python -m parity coverage --write docs/coverage.md"


def test_the_table_s_names_are_torch_s():
    """A misspelt name would count as missing for ever."""
    torch = pytest.importorskip("torch")
    unknown = []
    for used in coverage.surface():
        if used.repositories >= coverage.OFTEN:
            value = torch
            for part in used.name.split("."):
                value = getattr(value, part, None)
            if value is None and used.name not in (
                "utils.tensorboard.SummaryWriter",
                "utils.data.distributed.DistributedSampler",
            ):
                unknown.append(used.name)
    assert set(unknown) <= {"Tensor.grad", "onnx.export", "utils.checkpoint.checkpoint"}, unknown
