"""The pages written from the declarations: their formulas say what the rules do, their tables what torch does."""

import inspect
import re
import sys
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent.parent / "docs" / "_ext"))
import api_pages  # noqa: E402
import awkward  # noqa: E402
import operation_pages  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.op import PUBLIC, REGISTRY  # noqa: E402
from minitorch.viz import rules  # noqa: E402
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


# Where torch's answer is an accident of its loops.
ACCIDENTS = {
    ("digamma", "-1"): "trigamma at a pole is inf; torch gives (pi / sin pi)^2 with the rounding error of sin",
    ("var_mean", "all -inf"): "the mean of -inf is -inf; torch's running mean subtracts it from itself",
}
SAME_AS = {"special.digamma": "digamma", "special.psi": "digamma", "std_mean": "var_mean"}


def remade(monkeypatch, header, theirs, copies):
    """The table made again with torch."""
    make = awkward.of_rows if header[0] == "" else awkward.of_two if "other" in header else awkward.of_one
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(awkward, "minitorch", torch)
        patch.setattr(awkward, "COPIES", copies)
        return make(theirs)[1]


def test_the_behaviour_at_awkward_points_is_torchs(monkeypatch):
    """Every row of every table is torch's, in its vectorised loops or in those for the rest, where these differ."""
    different, tables = [], 0
    for name, public in PUBLIC.items():
        found = awkward.table(public, operation_pages.primitives_of(public))
        if found is None:
            continue
        tables += 1
        header, rows = found
        theirs = lookup(torch, name)
        for ours, *expected in zip(rows, *(remade(monkeypatch, header, theirs, n) for n in (16, 1)), strict=True):
            if ours not in expected and (SAME_AS.get(name, name), ours[0]) not in ACCIDENTS:
                different.append((name, ours, expected))
    assert not different, "\n".join(map(str, different))
    assert tables > 150


def test_a_page(monkeypatch):
    figures = {
        "torch": "2.13.0",
        "dtypes": ["float64"],
        "operations": {"mul": {"cases": 9, "passed": 9, "known": 0, "ulps": "0.5", "torch_ulps": "0.5"}},
    }
    text = "\n".join(operation_pages.page("mul", PUBLIC["mul"], figures))
    for part in (
        "# `mul`",
        "elementwise",
        "PROMOTE",
        "np.multiply",
        r"\bar z \, \mathrm{other}",
        "| `mul` | 9 | 9 |",
        "Tensor.mul_",
    ):
        assert part in text
    assert "| inf | 0 | nan |" in text


def test_an_operation_is_made_of_few_primitives():
    """A table of all operations, looked into by name, once put all of them on the page."""
    functions = {name: public for name, public in PUBLIC.items() if hasattr(public, "__code__")}
    most = max(functions, key=lambda name: len(operation_pages.primitives_of(functions[name])))
    assert len(operation_pages.primitives_of(functions[most])) <= 12, most
    made_of = [op.name for op in operation_pages.primitives_of(PUBLIC["linalg.matrix_norm"])]
    assert "singular_values" in made_of and "vector_norm_dims" in made_of


def test_every_public_name_has_its_place():
    """On the page of its module, or on an earlier one under the same object."""
    pages = api_pages.contents()
    told = {id(value) for own in pages.values() for value in own.values()}
    for module in api_pages.modules():
        for name in api_pages.names(module):
            value = getattr(module, name)
            assert id(value) in told or inspect.ismodule(value), (module.__name__, name)
    assert {"minitorch.nn", "minitorch.optim", "minitorch.utils.data", "minitorch.models.boxes"} <= {
        module.__name__ for module in pages
    }


def test_a_page_of_a_module():
    text = "\n".join(api_pages.page(minitorch.nn, api_pages.contents()[minitorch.nn]))
    assert "class minitorch.nn.Linear(in_features, out_features, bias=True, device=None, dtype=None)" in text
    assert inspect.getdoc(minitorch.nn.Linear).splitlines()[0] in text
    assert "register_forward_hook(hook" in text and text.count("\n~~~~text\n") * 2 == text.count("\n~~~~") > 300
    tensor = "\n".join(api_pages.of_class("minitorch.Tensor", minitorch.Tensor))
    assert "`exp`" in tensor and "register_hook(" in tensor


def test_pages_that_stay_the_same_are_not_written_again(tmp_path):
    folder = tmp_path / "pages"
    operation_pages.renew(folder, {"a.md": "one", "b.md": "two", "c.md": "three"})
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    operation_pages.renew(folder, {"a.md": "one", "b.md": "2"})
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.md": "one", "b.md": "2"}
    assert (folder / "a.md").stat().st_mtime_ns == before["a.md"]
    assert (folder / "b.md").stat().st_mtime_ns != before["b.md"]


def test_operations_are_linked_where_they_stand_wrapped():
    pages = api_pages.contents()
    for module in (minitorch, minitorch.nn.functional):
        text = "\n".join(api_pages.page(module, pages[module]))
        assert not any(f"## `{name}`" in text for name in ("cat", "roll", "relu6", "conv2d", "zeros"))
    assert "`roll`" in "\n".join(api_pages.of_class("minitorch.Tensor", minitorch.Tensor)).partition("~~~~")[2]


@pytest.mark.parametrize(
    "name", ["conv2d", "conv_transpose3d", "nn.functional.avg_pool3d", "nn.functional.adaptive_max_pool1d"]
)
def test_a_page_shows_the_primitives_of_its_own_number_of_dimensions(name):
    dimensions = re.search(r"\dd", name)[0]
    found = [op.name for op in operation_pages.primitives_of(PUBLIC[name]) if re.search(r"\dd", op.name)]
    assert found and all(dimensions in primitive for primitive in found)
