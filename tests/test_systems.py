"""The suite of systems: how a row comes about and is kept, and the data that the systems are trained on. None is trained."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from nn_against_torch import to_ours
from rich.console import Console

import minitorch
from benchmarks.__main__ import main
from benchmarks.systems import SYSTEMS, Reached, convex, language, report, segmentation
from benchmarks.systems.system import System, system
from benchmarks.systems.torch_gpt import GPT as TorchGPT
from benchmarks.systems.training import accuracy, batches, fit
from minitorch.models import GPT
from minitorch.models.transformer import Translator


def declared(value, **bar) -> System:
    @system(metric="m", baseline="b", **bar)
    def some_thing(seed: int = 3, size: int = 4) -> Reached:
        """A title.

        More."""
        return Reached(value + size - 4, 0.5, {"path": [1.0]})

    return SYSTEMS.pop("some-thing")


@pytest.mark.parametrize(
    "value, bar, passed",
    [
        (0.9, {"at_least": 0.9}, True),
        (0.89, {"at_least": 0.9}, False),
        (0.1, {"at_most": 0.1}, True),
        (math.nan, {"at_most": 1.0}, False),
        (math.nan, {"at_least": -1.0}, False),
    ],
)
def test_a_row_says_what_was_reached(value, bar, passed):
    row = declared(value, **bar).measure()
    assert row["passed"] is passed and row["title"] == "A title" and row["seed"] == 3
    assert row["configuration"] == {"seed": 3, "size": 4} and row["baseline_value"] == 0.5
    assert row["command"] == "python -m benchmarks systems --only some-thing"
    assert declared(value, **bar).measure(size=6)["value"] == pytest.approx(value + 2, nan_ok=True)


def test_a_bar_has_one_side():
    with pytest.raises(TypeError, match="one of"):
        system(metric="m", baseline="b")
    with pytest.raises(TypeError, match="one of"):
        system(metric="m", baseline="b", at_least=1, at_most=2)


def test_every_system_is_declared_whole():
    for name, found in SYSTEMS.items():
        assert name == found.run.__name__.replace("_", "-") and found.title and found.metric and found.baseline
        assert found.configuration["seed"] == 0 and found.better in (">=", "<=")


def test_rows_are_kept_beside_others(tmp_path):
    path = tmp_path / "deep" / "systems.json"
    rows = [{"name": name, "value": 1.0} for name in ("svm", "lenet")]
    report.save(rows[1:], path)
    report.save([*rows[:1], {"name": "lenet", "value": 2.0}], path)
    assert [row["name"] for row in report.read(path)] == ["svm", "lenet"]
    assert json.loads(path.read_text())["systems"][1]["value"] == 2.0
    assert report.read(tmp_path / "none.json") == []


def test_the_command_names_what_is_unknown():
    result = CliRunner().invoke(main, ["systems", "--only", "lenet,chess"])
    assert result.exit_code == 2 and "unknown: chess; there are" in result.output


def test_measuring_in_processes_of_their_own(tmp_path, monkeypatch):
    """The quickest system, with the machine that it ran on."""
    assert report.measure_all(["logistic-regression"], 1, tmp_path / "s.json", Console(quiet=True))
    (row,) = report.read(tmp_path / "s.json")
    assert row["machine"]["threads"] == 1 and row["passed"] and 0 < row["cpu_seconds"]
    assert row["details"]["test accuracy"] > row["baseline_value"]


def test_numbers_in_words():
    said = {0: "zero", 13: "thirteen", 40: "forty", 742: "seven hundred and forty two", 9001: "nine thousand one"}
    sagt = {0: "null", 1: "eins", 21: "ein und zwanzig", 101: "ein hundert eins", 7016: "sieben tausend sechzehn"}
    assert {n: " ".join(language.english(n)) for n in said} == said
    assert {n: " ".join(language.german(n)) for n in sagt} == sagt
    for words in (language.english, language.german):
        assert len({tuple(words(n)) for n in range(10_000)}) == 10_000


def test_words_survive_encoding():
    sentences = [language.german(n) for n in (0, 7, 842, 9999)]
    words = language.Words(sentences)
    tokens = words.encode(sentences)
    assert tokens.shape == (4, words.longest) and tokens[0].tolist()[:4] == [1, words.index["null"], 2, 0]
    assert [words.decode(row) for row in tokens] == sentences
    assert words.decode(tokens[3, 1:3]) == sentences[3][:2]


def test_pair_entropy_is_the_loss_of_the_counted_pairs():
    text = "abacabad" * 9
    pairs = list(zip(text, text[1:], strict=False))
    losses = [-math.log(pairs.count((a, b)) / sum(x == a for x, _ in pairs)) for a, b in pairs]
    assert language.pair_entropy(text) == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_copy_of_gpt_draws_and_learns_alike():
    tokens = np.random.default_rng(0).integers(7, size=60)
    losses = []
    for library, model in ((minitorch, GPT), (torch, TorchGPT)):
        library.manual_seed(4)
        losses.append(language.train_gpt(library, model(7, 8, 12, 2, 2), tokens, seed=1, steps=4, batch=3, lr=0.01))
    np.testing.assert_allclose(*losses, rtol=2e-5)
    assert losses[0][-1] < losses[0][0]


def test_batches_cover_the_data_once():
    minitorch.manual_seed(0)
    data = [minitorch.arange(7), minitorch.arange(7) * 10]
    for shuffled in (False, True):
        parts = list(batches(data, 3, shuffled))
        assert [len(x) for x, _ in parts] == [3, 3, 1] and all((y == 10 * x).all() for x, y in parts)
        seen = [int(v) for x, _ in parts for v in x]
        assert sorted(seen) == list(range(7)) and (seen == list(range(7))) is not shuffled


def test_fit_lowers_the_loss_and_accuracy_counts():
    minitorch.manual_seed(0)
    x = minitorch.randn(60, 2)
    y = (x[:, 0] > x[:, 1]).long()
    model = minitorch.nn.Linear(2, 2)
    cross_entropy = minitorch.nn.functional.cross_entropy
    history = fit(model, lambda a, b: cross_entropy(model(a), b), [x, y], epochs=12, batch_size=16, lr=0.1)
    assert len(history) == 12 and history[-1] < history[0] / 3
    right = float((model(x).argmax(1) == y).float().mean())
    assert accuracy(model, x, y) == pytest.approx(right) and right > 0.9 and not model.training


def test_mean_iou_is_its_definition():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 7, (3, 4, 4))
    logits = rng.standard_normal((3, 7, 4, 4))
    said = logits.argmax(1)
    expected = [((said == c) & (classes == c)).sum() / ((said == c) | (classes == c)).sum() for c in range(7)]
    value, each = segmentation.mean_iou(
        minitorch.nn.Identity(), *to_ours([torch.tensor(logits), torch.tensor(classes)])
    )
    np.testing.assert_allclose(each, expected)
    assert value == pytest.approx(np.mean(expected))


def test_houses_have_gaps_and_a_margin_is_a_distance():
    table, price = convex.houses(50, 0)
    assert set(table) == {"NumRooms", "Alley", "Area"} and price.shape == (50,)
    assert None in table["Alley"] and any(room != room for room in table["NumRooms"])
    x, y = np.array([[3.0, 0], [0, 0]]), np.array([1.0, -1.0])
    assert convex.margin(x, y, np.array([2.0, 0.0]), -2.0) == 1.0


def test_a_translator_takes_the_words():
    words = language.Words([language.german(n) for n in range(30)])
    model = Translator(len(words.words), len(words.words), words.longest, 8, nhead=2)
    src = words.encode([language.german(n) for n in (3, 25)])
    assert model.translate(src, language.START, language.END, words.longest).shape[0] == 2
