"""The pages written from the declarations: their formulas say what the rules do, their tables what torch does."""

import math
import sys
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent.parent / "docs" / "_ext"))
import awkward  # noqa: E402
import operation_pages  # noqa: E402
import rules  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.op import PUBLIC, REGISTRY  # noqa: E402
from tests.against_torch import lookup  # noqa: E402

RULES = [(op.name, argument, rule) for op in REGISTRY.values() for argument, rule in op.rules.items()]
LAMBDAS = [entry for entry in RULES if entry[2].__name__ == "<lambda>"]


def test_the_lambda_shown_is_the_one_that_runs():
    """Its text, compiled, is the rule's own code (closures, whose variables live elsewhere, aside)."""
    wrong = []
    for name, argument, rule in LAMBDAS:
        code = rule.__code__
        if code.co_freevars:
            continue
        text = f"lambda {', '.join(code.co_varnames[: code.co_argcount])}: {rules.source(rule)}"
        compiled = compile(text, "page", "eval").co_consts[0]
        if rules.steps(compiled) != rules.steps(code):
            wrong.append((name, argument, rules.source(rule)))
    assert not wrong and len(LAMBDAS) > 200


@pytest.mark.parametrize(
    "name, argument, expected",
    [
        ("mul", "other", r"\bar z \, \mathrm{input}"),
        ("exp", "input", r"\bar z \, z"),
        ("atan", "input", r"\frac{\bar z}{1 + \mathrm{input} \, \mathrm{input}}"),
    ],
)
def test_a_rule_as_a_formula(name, argument, expected):
    assert rules.formula(REGISTRY[name].rules[argument]) == expected


def test_formulas_bind_as_the_code_does():
    for text, expected in {
        "a - (b - c)": r"a - \left(b - c\right)",
        "(a + b) * c": r"\left(a + b\right) \, c",
        "(-a) * b": r"\left(-a\right) \, b",
        "(a * b) ** 2": r"\left(a \, b\right)^{2}",
        "a / b / c": r"\frac{\frac{a}{b}}{c}",
        "-(a + b)": r"-\left(a + b\right)",
        "(a < b) * c": r"\left(a < b\right) \, c",
    }.items():
        assert rules.latex(rules.ast.parse(text, mode="eval").body) == expected, text


def table_names():
    return [name for name, public in PUBLIC.items() if awkward.table(public, operation_pages.primitives_of(public))]


def test_the_behaviour_at_awkward_points_is_torchs(monkeypatch):
    """Every row of every table, made again with torch."""
    tables = {}
    for name in table_names():
        public = PUBLIC[name]
        tables[name] = awkward.table(public, operation_pages.primitives_of(public))
    assert len(tables) > 150
    different = []
    for name, (header, rows) in tables.items():
        try:
            theirs = lookup(torch, name)
        except AttributeError:
            continue
        monkeypatch.setattr(awkward, "minitorch", torch)
        again = {"result": awkward.of_rows, "input": awkward.of_one, "other": awkward.of_two}
        make = again["result" if header[0] == "" else "other" if "other" in header else "input"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, expected = make(theirs)
        monkeypatch.setattr(awkward, "minitorch", minitorch)
        different += [(name, ours, theirs) for ours, theirs in zip(rows, expected, strict=True) if ours != theirs]
    assert not different, "\n".join(map(str, different))


def test_a_page(monkeypatch):
    figures = {
        "torch": "2.13.0",
        "dtypes": ["float64"],
        "operations": {"mul": {"cases": 9, "passed": 9, "known": 0, "ulps": "0.5", "torch_ulps": "0.5"}},
    }
    text = "\n".join(operation_pages.page("mul", PUBLIC["mul"], figures))
    for part in ("# `mul`", "elementwise", "PROMOTE", "np.multiply", r"\bar z \, \mathrm{other}", "| `mul` | 9 | 9 |", "Tensor.mul_"):
        assert part in text
    assert math.inf and "| inf | 0 | nan |" in text
