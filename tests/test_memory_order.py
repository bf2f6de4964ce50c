"""In which order results lie in memory: torch's strides, for inputs of every layout."""

import math

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

LIBRARIES = (minitorch, torch)
TYPES = ("float32", "float32", "float32", "float64", "float16", "int64", "bool")


@st.composite
def layouts(draw, shape):
    """How to make a tensor that broadcasts to `shape`: a function (lib, dtype) -> tensor."""
    kept = shape[draw(st.sampled_from((0, 0, 0, len(shape) // 2))) :]
    sizes = [1 if draw(st.integers(0, 5)) == 0 else n for n in kept]
    expands = [draw(st.integers(0, 4)) == 0 for _ in sizes]
    steps = [draw(st.sampled_from((1, 1, 1, 2))) for _ in sizes]
    order = draw(st.permutations(range(len(sizes))))
    detached, copied = draw(st.booleans()), draw(st.booleans())

    def make(lib, dtype, values=0.75):
        memory = [1 if expands[d] else sizes[d] * steps[d] for d in order]
        numbers = [values] * math.prod(memory)
        x = lib.tensor(numbers, dtype=getattr(lib, dtype)).reshape(memory)
        x = x.permute([order.index(d) for d in range(len(order))])
        for d, step in enumerate(steps):
            if not expands[d] and step > 1:
                x = x.unfold(d, 1, step).squeeze(-1)
        x = x.expand(sizes)
        if copied:
            x = x.clone()
        return x.detach() if detached else x

    return make


# No dimension of size 1: NumPy gives those any stride, and torch lets it break ties between the others.
shapes = st.lists(st.sampled_from((2, 3, 3)), min_size=1, max_size=4)


def described(tensor) -> tuple:
    """Shape, type and those strides that matter."""
    if isinstance(tensor, tuple):
        return tuple(described(part) for part in tensor)
    steps = [s if n > 1 else None for n, s in zip(tensor.shape, tensor.stride(), strict=True) if tensor.numel()]
    return str(tensor.dtype), tuple(tensor.shape), steps, tensor.is_contiguous()


def same_order(calls, makers, types) -> None:
    for name, call in calls.items():
        seen = []
        for lib in LIBRARIES:
            inputs = [make(lib, dtype) for make, dtype in zip(makers, types, strict=True)]
            try:
                seen.append(described(call(lib, *inputs)))
            except (RuntimeError, TypeError) as error:
                seen.append(type(error))
        assert seen[0] == seen[1], name


ONE = {
    "exp": lambda lib, x: x.exp(),
    "neg": lambda lib, x: -x,
    "abs": lambda lib, x: abs(x),
    "relu": lambda lib, x: x.relu(),
    "gelu": lambda lib, x: lib.nn.functional.gelu(x),
    "x * 2": lambda lib, x: x * 2,
    "2 - x": lambda lib, x: 2 - x,
    "x < 1": lambda lib, x: x < 1,
    "isnan": lambda lib, x: x.isnan(),
    "clamp": lambda lib, x: x.clamp(0, 1),
    "pow": lambda lib, x: x**2,
    "clone": lambda lib, x: x.clone(),
    "clone, contiguous": lambda lib, x: x.clone(memory_format=lib.contiguous_format),
    "contiguous": lambda lib, x: x.contiguous(),
    "to float64": lambda lib, x: x.to(lib.float64),
    "float": lambda lib, x: x.float(),
    "bool": lambda lib, x: x.bool(),
    "to int16": lambda lib, x: x.to(lib.int16),
    "to, copy": lambda lib, x: x.to(x.dtype, copy=True),
    "zeros_like": lambda lib, x: lib.zeros_like(x),
    "empty_like, double": lambda lib, x: lib.empty_like(x, dtype=lib.float64),
    "full_like": lambda lib, x: lib.full_like(x, 1),
    "ones_like, contiguous": lambda lib, x: lib.ones_like(x, memory_format=lib.contiguous_format),
    "rand_like": lambda lib, x: lib.rand_like(x.float()),
    "two": lambda lib, x: (x.exp() + 1).sqrt() * x,
    "in place": lambda lib, x: x.clone().mul_(2),
    "nan_to_num": lambda lib, x: x.nan_to_num(),
    "dropout": lambda lib, x: lib.nn.functional.dropout(x, 0.5),
    "masked_fill": lambda lib, x: x.masked_fill(x > 0, 1),
}
TWO = {
    "+": lambda lib, x, y: x + y,
    "*": lambda lib, x, y: y * x,
    "/": lambda lib, x, y: x / y,
    "//": lambda lib, x, y: x // y,
    "**": lambda lib, x, y: x**y,
    "%": lambda lib, x, y: x % y,
    "<": lambda lib, x, y: x < y,
    "maximum": lambda lib, x, y: lib.maximum(x, y),
    "atan2": lambda lib, x, y: lib.atan2(x, y),
    "add, alpha": lambda lib, x, y: lib.add(x, y, alpha=2),
    "logical_and": lambda lib, x, y: lib.logical_and(x, y),
    "masked_fill": lambda lib, x, y: x.masked_fill(y > 0, 1),
    "lerp": lambda lib, x, y: lib.lerp(x, y, 0.5),
    "where, number": lambda lib, x, y: lib.where(x > 0, y, 1),
    "expand_as": lambda lib, x, y: (x + y).exp() * x,
    "xlogy": lambda lib, x, y: lib.xlogy(x, y),
    "copysign": lambda lib, x, y: lib.copysign(x, y),
    "hypot": lambda lib, x, y: lib.hypot(x, y),
    "clamp": lambda lib, x, y: lib.clamp(x, y),
}

REDUCED = {
    "sum": lambda lib, x: x.sum(0),
    "sum, keepdim": lambda lib, x: x.sum(-1, keepdim=True),
    "mean": lambda lib, x: x.double().mean(0),
    "prod": lambda lib, x: x.prod(0),
    "amax": lambda lib, x: x.amax(-1),
    "max": lambda lib, x: tuple(x.max(0)),
    "median": lambda lib, x: tuple(x.median(-1)),
    "any": lambda lib, x: x.any(0),
    "all": lambda lib, x: x.all(-1, keepdim=True),
    "argmax": lambda lib, x: x.argmax(0),
    "norm": lambda lib, x: x.double().norm(2, 0),
    "var": lambda lib, x: x.double().var(-1),
    "logsumexp": lambda lib, x: x.logsumexp(0),
    "softmax": lambda lib, x: x.double().softmax(0),
    "log_softmax": lambda lib, x: x.double().log_softmax(-1),
    "cumsum": lambda lib, x: x.cumsum(0),
    "cumprod": lambda lib, x: x.cumprod(-1),
    "sort": lambda lib, x: tuple(x.sort(0)),
    "sort last": lambda lib, x: tuple(x.sort(-1)),
    "topk": lambda lib, x: tuple(x.topk(1, 0)),
    "cummax": lambda lib, x: tuple(x.cummax(0)),
    "flip": lambda lib, x: x.flip(0),
    "roll": lambda lib, x: x.roll(1, 0),
    "repeat": lambda lib, x: x.repeat([2] * x.ndim),
    "cat": lambda lib, x: lib.cat([x, x], -1),
    "stack": lambda lib, x: lib.stack([x, x], 1),
    "gather": lambda lib, x: x.gather(0, lib.zeros_like(x).long()),
    "index_select": lambda lib, x: x.index_select(-1, lib.tensor([0, 0])),
    "x[[0, 0]]": lambda lib, x: x[[0, 0]],
    "x[..., [0]]": lambda lib, x: x[..., [0]],
    "x[mask]": lambda lib, x: x[lib.ones(x.shape[0]) > 0],
    "tril": lambda lib, x: x[None].tril(),
    "pad": lambda lib, x: lib.nn.functional.pad(x, (1, 0)),
    "diff": lambda lib, x: x.double().diff(dim=0),
    "scatter": lambda lib, x: x.scatter(0, lib.zeros_like(x).long(), x),
    "index_fill": lambda lib, x: x.index_fill(0, lib.tensor([0]), 1),
    "index_add": lambda lib, x: x.index_add(0, lib.tensor([0]), x[:1]),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(2, 0),
    "masked_select": lambda lib, x: x.masked_select(x > 0),
    "reshape": lambda lib, x: x.reshape(-1, x.shape[-1]),
    "flatten": lambda lib, x: x.flatten(),
}


def gradient(function):
    """The gradients of `function`, at copies of its inputs that keep their order."""

    def call(lib, *inputs):
        leaves = [x.double().requires_grad_() for x in inputs]
        grads = lib.autograd.grad(function(lib, *leaves).sum(), leaves)
        return grads

    return call


GRADIENTS = {
    "*": gradient(lambda lib, x, y: x * y),
    "/": gradient(lambda lib, x, y: x / (y + 2)),
    "+": gradient(lambda lib, x, y: x + y),
    "tanh": gradient(lambda lib, x, y: (x.tanh() * y).sigmoid()),
    "**": gradient(lambda lib, x, y: (x + 1) ** y),
    "relu": gradient(lambda lib, x, y: (x.relu() + y.exp()).log()),
    "where": gradient(lambda lib, x, y: lib.where(x > y, x, y)),
    "maximum": gradient(lambda lib, x, y: lib.maximum(x, y)),
    "clamp": gradient(lambda lib, x, y: x.clamp(0, 1) * y.abs()),
    "mean": gradient(lambda lib, x, y: (x - y).square().mean(-1)),
}
THREE = {
    "where": lambda lib, x, y, z: lib.where(x > 0, y, z),
    "clamp": lambda lib, x, y, z: lib.clamp(x, y, z),
    "lerp": lambda lib, x, y, z: lib.lerp(x, y, z),
    "addcmul": lambda lib, x, y, z: lib.addcmul(x, y, z),
    "addcdiv": lambda lib, x, y, z: lib.addcdiv(x, y, z),
    "sum": lambda lib, x, y, z: x * y + z,
}


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_one_input(data):
    shape = data.draw(shapes)
    same_order(ONE, [data.draw(layouts(shape))], [data.draw(st.sampled_from(TYPES))])


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_reductions_and_moves(data):
    shape = data.draw(shapes)
    same_order(REDUCED, [data.draw(layouts(shape))], [data.draw(st.sampled_from(TYPES))])


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_two_inputs(data):
    shape = data.draw(shapes)
    makers = [data.draw(layouts(shape)) for _ in range(2)]
    same_order(TWO, makers, [data.draw(st.sampled_from(TYPES)) for _ in makers])


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_gradients(data):
    shape = data.draw(shapes)
    makers = [data.draw(layouts(shape)) for _ in range(2)]
    same_order(GRADIENTS, makers, ["float64"] * 2)


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_three_inputs(data):
    shape = data.draw(shapes)
    makers = [data.draw(layouts(shape)) for _ in range(3)]
    dtype = data.draw(st.sampled_from(TYPES[:4]))
    same_order(THREE, makers, [dtype] * 3)
