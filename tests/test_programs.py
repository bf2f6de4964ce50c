"""Random programs agree on torch and minitorch; the programs that found mistakes, shortened."""

import random

import pytest

torch = pytest.importorskip("torch")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from parity.programs import check, random_program, run_program, script, shortened  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("start", range(0, 1000, 250))
def test_a_thousand_programs(start):
    texts, _ = check(range(start, start + 250))
    assert not texts, "\n".join(texts)


@given(st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_programs_that_shrink(rng):
    lines, found = random_program(rng)
    assert found is None, f"{found}\n{script(lines)}"


PROGRAMS = {
    "a view whose root stopped requiring grad": [
        "x0 = lib.tensor([1.0, 2.0], requires_grad=True)",
        "x1 = x0[...]",
        "x0.requires_grad_(False)",
        "with lib.no_grad(): x0.add_(3)",
        "(x3,) = lib.autograd.grad(x1.sum(), [x1], create_graph=True)",
    ],
    "the gradient of relu can be differentiated": [
        "x0 = lib.tensor([-0.5, 1.0], requires_grad=True)",
        "x0.relu().sum().backward(create_graph=True)",
        "x0.grad.sum().backward()",
    ],
    "a division whose result is written to": [
        "x0 = lib.tensor([0.75, 1.5], requires_grad=True)",
        "x1 = x0 / x0",
        "x1.index_copy_(0, lib.tensor([0]), x1.narrow(0, 0, 1).clone())",
        "(x1 * x1).sum().backward()",
    ],
    "a view that may not be asked for its history": [
        "x0 = lib.tensor([-2.0, -0.5], requires_grad=True)",
        "with lib.no_grad(): x1 = x0.view_as(x0)",
        "with lib.no_grad(): x1.add_(0.25)",
        "x2 = x1.any()",
        "x3 = x1 < 2",
        "with lib.no_grad(): x4 = x1 + 1",
    ],
    "abs of bool": ["x0 = lib.tensor([True])", "x1 = x0.abs()", "x0.abs_()"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    assert run_program(PROGRAMS[name]) is None


def test_a_difference_is_found_and_shortened():
    lines = ["x0 = lib.ones(3)", "x1 = lib.zeros(2)", "x2 = x0 * (2 if lib.__name__ == 'torch' else 3)", "x3 = x1 + 1"]
    fewer, found = shortened(lines)
    assert fewer == [lines[0], lines[2]] or fewer == [lines[0], lines[2], lines[3]]
    assert found.what == "x2"
    text = script(fewer)
    compile(text, "program", "exec")
    assert lines[2] in text


def test_a_seed_repeats_a_program():
    assert random_program(random.Random(7))[0] == random_program(random.Random(7))[0]
