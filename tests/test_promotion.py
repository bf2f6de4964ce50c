"""Result types: every pair of types, as tensors, 0-dim tensors and Python numbers, against torch."""

import itertools
import operator

import numpy as np
import pytest

import minitorch
from minitorch.core.op import COMPARE, PUBLIC, REGISTRY

torch = pytest.importorskip("torch")

TYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
NUMBERS = [True, 3, 2.5]


def library(*operands):
    return torch if any(isinstance(x, torch.Tensor) for x in operands) else minitorch


def one_row(x):
    """A tensor with a dimension, of the same type; a number as it is."""
    return x.reshape(-1)[:1] if hasattr(x, "reshape") else x


KINDS = {
    "arithmetic": operator.mul,
    "difference": operator.sub,
    "division": operator.truediv,
    "floor division": operator.floordiv,
    "comparison": operator.lt,
    "in place": operator.iadd,
    "in-place division": operator.itruediv,
    "power": operator.pow,
    "remainder": operator.mod,
    "in-place power": operator.ipow,
    "in-place remainder": operator.imod,
    "in-place floor division": operator.ifloordiv,
    "equality": operator.eq,
    "and in place": operator.iand,
    "shift in place": operator.ilshift,
    "cat": lambda a, b: library(a, b).cat([one_row(a), one_row(b)]),
    "stack": lambda a, b: library(a, b).stack([one_row(a), one_row(b)]),
    "where of the library": lambda a, b: library(a, b).where(library(a, b).tensor([True, False, True]), a, b),
    "copy": lambda a, b: a.copy_(b),
    "maximum": lambda a, b: library(a, b).maximum(a, b),
    "where": lambda a, b: a.where(a > 0, b) if hasattr(a, "where") else b.where(b > 0, a),
}


def operands(lib):
    for name in TYPES:
        dtype = getattr(lib, name)
        yield f"{name}[3]", lambda d=dtype: lib.tensor([1, 1, 1], dtype=d)
        yield f"{name}[]", lambda d=dtype: lib.tensor(1, dtype=d)
    for number in NUMBERS:
        yield repr(number), lambda n=number: n


def outcome(lib, function, a, b):
    try:
        result = function(a(), b())
    except (RuntimeError, TypeError, AttributeError) as error:
        return type(error).__name__
    return (str(result.dtype), tuple(result.shape), result.double().tolist()) if hasattr(result, "dtype") else result


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair(kind):
    function = KINDS[kind]
    different = []
    pairs = zip(
        itertools.product(operands(minitorch), repeat=2), itertools.product(operands(torch), repeat=2), strict=True
    )
    for ((name_a, a), (name_b, b)), ((_, c), (_, d)) in pairs:
        if not name_a.endswith("]") and not name_b.endswith("]"):
            continue
        ours, theirs = outcome(minitorch, function, a, b), outcome(torch, function, c, d)
        if ours != theirs:
            different.append(f"{name_a} {kind} {name_b}: minitorch {ours}, torch {theirs}")
    assert not different, f"{len(different)} differ:\n" + "\n".join(different[:20])


def test_result_type_promote_types_and_can_cast():
    for a, b in itertools.product(TYPES, repeat=2):
        ours = minitorch.promote_types(getattr(minitorch, a), getattr(minitorch, b))
        assert str(ours) == str(torch.promote_types(getattr(torch, a), getattr(torch, b)))
        ours = minitorch.can_cast(getattr(minitorch, a), getattr(minitorch, b))
        assert ours == torch.can_cast(getattr(torch, a), getattr(torch, b)), (a, b)
    pairs = zip(
        itertools.product(operands(minitorch), repeat=2), itertools.product(operands(torch), repeat=2), strict=True
    )
    for ((name_a, a), (name_b, b)), ((_, c), (_, d)) in pairs:
        assert str(minitorch.result_type(a(), b())) == str(torch.result_type(c(), d())), (name_a, name_b)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_types_compute_in_float32_and_round_once(name):
    draw = np.random.default_rng(0)
    a, b = draw.standard_normal((2, 200)).astype(np.float32) * 10
    ours = [minitorch.from_numpy(v).to(getattr(minitorch, name)) for v in (a, b)]
    theirs = [torch.from_numpy(v).to(getattr(torch, name)) for v in (a, b)]
    for function in (operator.mul, operator.add, operator.truediv, lambda x, y: x.exp() * 0 + y, lambda x, y: x * 0.1):
        x, y = function(*ours), function(*theirs)
        assert str(x.dtype) == str(y.dtype)
        np.testing.assert_array_equal(x.float().numpy(), y.float().numpy())


def test_the_default_type_can_be_changed():
    try:
        for lib in (minitorch, torch):
            lib.set_default_dtype(lib.float64)
        assert minitorch.tensor([1.0]).dtype is minitorch.float64
        assert (minitorch.tensor([1]) / 2).dtype is minitorch.float64
        assert repr(minitorch.tensor([1.5])) == repr(torch.tensor([1.5]))
    finally:
        for lib in (minitorch, torch):
            lib.set_default_dtype(lib.float32)
    with pytest.raises(TypeError):
        minitorch.set_default_dtype(minitorch.int64)


COMPARISONS = {op.name for op in REGISTRY.values() if op.dtype is COMPARE and len(op.inputs) == 2} & PUBLIC.keys()


@pytest.mark.parametrize("name", sorted(COMPARISONS))
def test_large_whole_numbers_are_told_apart(name):
    """No floating type holds 2**60 + 1: comparisons must not go through one."""
    numbers = [2**60 + i for i in range(-2, 3)]
    a, b = zip(*itertools.product(numbers, repeat=2), strict=True)
    ours, theirs = (getattr(lib, name)(lib.tensor(a), lib.tensor(b)) for lib in (minitorch, torch))
    assert ours.tolist() == theirs.tolist() and str(ours.dtype) == str(theirs.dtype)
