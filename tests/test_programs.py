"""Random programs agree on torch and minitorch; the programs that found mistakes, shortened."""

import random

import pytest

torch = pytest.importorskip("torch")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from parity.exceptions import known_line  # noqa: E402
from parity.programs import Sides, check, random_program, run_program, script, shortened  # noqa: E402

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
    "hooks of a view see nothing of what is written to it": [
        "x0 = lib.tensor([1.75], dtype=lib.float64, requires_grad=True)",
        "x1 = x0.abs()",
        "x2 = x1.view(())",
        "h0 = x2.register_hook(lambda g: g * 2)",
        "x4 = x2.squeeze(-1)",
        "x4 += x4.clone()",
        "x2.mul_(3)",
        "x4.sum().backward()",
    ],
    "a view that may not be asked for its history takes no hook in no_grad": [
        "x0 = lib.tensor([[1.75, -0.5]], dtype=lib.float64, requires_grad=True)",
        "x1 = x0.split(3, 1)[0]",
        "lib.set_grad_enabled(False)",
        "x1.mul_(2)",
        "h0 = x1.register_hook(lambda g: g * 2)",
    ],
    "strides along dimensions of size 1 are those of the tensor that is copied": [
        "x0 = lib.ones(3, 2).as_strided((1, 1), (2, 1))",
        "x1 = lib.ones_like(x0)",
        "x1.copy_(x1.swapaxes(0, -1))",
    ],
    "nothing overlaps where there is nothing": [
        "x0 = lib.zeros(1, 0)",
        "x0[[0], :] = x0",
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
    "what is kept for a gradient that goes nowhere may change": [
        "x0 = lib.tensor([0.75, 1.5], requires_grad=True)",
        "with lib.no_grad(): x1 = x0[...]",
        "x2 = x0 * 3",
        "x3 = x1 * x2",
        "with lib.no_grad(): x2[...] = -1.5",
        "x3.sum().backward()",
    ],
    "what is kept for that gradient and another one may not": [
        "x0 = lib.tensor([0.75, 1.5], requires_grad=True)",
        "with lib.no_grad(): x1 = x0[...]",
        "x2 = x1 / x1",
        "with lib.no_grad(): x1.add_(1)",
        "x2.sum().backward()",
    ],
    "nor what is kept for the only gradient there is": [
        "x0 = lib.ones((), dtype=lib.float64)",
        "x1 = x0.reshape(())",
        "x0.requires_grad_()",
        "x2 = x1.prod(-1, keepdim=True)",
        "with lib.no_grad(): x1.add_(0.25)",
        "x2.sum().backward()",
    ],
    "a result written in place must not change before its rule is run": [
        "x0 = lib.tensor([0.5, 1.0], requires_grad=True)",
        "x1 = x0 * 2",
        "x1.tanh_()",
        "x1.sigmoid_()",
        "x1.sum().backward()",
    ],
    "a leaf that is a view and gets a history": [
        "x0 = lib.zeros(4)",
        "x1 = x0.view(-1)",
        "x1.requires_grad_()",
        "x0.index_add_(0, lib.tensor([3, 2]), x1.clone().index_select(0, lib.tensor([3, 2])))",
        "x1.sum().backward()",
    ],
    "the whole is written to without a view": [
        "x0 = lib.tensor([0.5, 1.0], requires_grad=True)",
        "x1 = x0 * 2",
        "x1[..., :2] = 0.5",
        "(x1 * x1).sum().backward(create_graph=True)",
    ],
    "False writes nothing": [
        "x0 = lib.ones(2, dtype=lib.int64)",
        "x0[False] = 0.5",
        "x0[True] = lib.tensor([2.5, 1.5])",
    ],
    "one value for a mask": ["x0 = lib.arange(4)", "x0[x0 > 1] = lib.tensor([2.5])", "x0[[0]] = lib.tensor([2.5])"],
    "expanded tensors may be written to by index": [
        "x0 = lib.ones(2).expand(3, 2)",
        "x0.index_put_((lib.tensor([0, 1]),), lib.tensor([[1.0, 2.0], [3.0, 4.0]]), accumulate=True)",
        "x1 = lib.ones(1).expand(3)",
        "x1.masked_fill_(lib.tensor([True, False, False]), 2.0)",
        "x1[[0]] = 5.0",
    ],
    "a graph goes through a written region once": [
        "x0 = lib.ones((2, 3), requires_grad=True)",
        "x1 = x0.clone()",
        "x1[1:1] = 0.5",
        "x2 = x1.view(-1)",
        "x1.sum().backward()",
        "x2.sum().backward()",
    ],
    "a hook may not change the type": [
        "x0 = lib.ones(2, requires_grad=True)",
        "h0 = x0.register_hook(lambda g: g.double())",
        "x0.sum().backward()",
    ],
    "nor the shape": [
        "x0 = lib.ones(2, requires_grad=True)",
        "h0 = x0.register_hook(lambda g: g[None])",
        "x0.sum().backward()",
        "h0.remove()",
        "x0.sum().backward()",
    ],
    "nor may one after the gradient return anything": [
        "x0 = lib.ones(2, requires_grad=True)",
        "h0 = x0.register_post_accumulate_grad_hook(lambda t: t.grad.mul_(2))",
        "x0.sum().backward()",
    ],
    "the order of dimensions beside one of size 1": [
        "x0 = lib.arange(12).reshape(2, 3, 2)",
        "x1 = x0.permute((2, 1, 0))",
        "x2 = x1[None, [-2, 0], ...]",
    ],
    "a history that may not be asked for, in no_grad": [
        "x0 = lib.ones(4, requires_grad=True)",
        "x1 = (x0 * 1).chunk(2)[0]",
        "x2 = x1.view(-1)",
        "with lib.no_grad(): x2.mul_(2)",
        "with lib.no_grad(): x1.backward(lib.ones_like(x1))",
    ],
    "places along a dimension without any": ["x0 = lib.zeros((1, 2, 0))", "x1 = x0[1:, ..., lib.tensor([0, 0, -2])]"],
    "the gradient of as_strided has the strides of its input": [
        "x0 = lib.ones((3, 3), requires_grad=True)",
        "x1 = x0.movedim(1, 0)",
        "x2 = x1.as_strided((2,), (2,), 5)",
        "(x3,) = lib.autograd.grad(x2.sum(), [x1])",
    ],
    "the product of one element": [
        "x0 = lib.zeros(1, requires_grad=True)",
        "x0.prod(-1, keepdim=True).backward(create_graph=True)",
    ],
    "abs of bool": ["x0 = lib.tensor([True])", "x1 = x0.abs()", "x0.abs_()"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    assert run_program(PROGRAMS[name]) is None


KNOWN = {
    "a line on which torch fails itself": [
        "x0 = lib.ones((2, 3), requires_grad=True)",
        "x1 = x0 - x0",
        "x1.retain_grad()",
        "x2 = x1.as_strided((2,), (2,))",
        "x1.transpose_(-2, 1)",
        "x2.sin_()",
    ],
    "an error after some elements were written": [
        "x0 = lib.ones((3, 2))",
        "x0[..., [1, -3, 0]] = 2",
    ],
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_program_ends_at_a_known_line(name):
    sides = Sides()
    assert sides.follow([*KNOWN[name], "x9 = 1 / 0"], len(KNOWN[name]) + 1, watched=True) is None
    assert sides.ended is not None and len(sides.errors) == len(KNOWN[name])


def test_known_lines_cover_only_what_they_name():
    assert known_line("x0.add_(1)", "RuntimeError: something", "") is None
    assert known_line("x0.add_(1)", "", "RuntimeError: something") is None
    assert (
        known_line("x0 = x1[5]", "IndexError: index 5 is out of bounds for dimension 0", "IndexError: so it is") is None
    )


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
