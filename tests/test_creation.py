"""Functions that make tensors: one expression on both libraries gives the same text, or the same class of error."""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch

torch = pytest.importorskip("torch")


def outcome(expression: str, library):
    """What evaluating `expression` gives: the text of its value, or the class of its error."""
    x = library.tensor([[0.0, 1, 2], [3, 4, 5]])
    names = dict(torch=library, np=np, x=x, xi=x.to(library.int64), strided=library.zeros(4, 5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(eval(expression, names))
        except Exception as error:
            return type(error)


def same(expression: str) -> None:
    theirs, ours = outcome(expression, torch), outcome(expression, minitorch)
    if isinstance(theirs, type):
        assert isinstance(ours, type) and issubclass(ours, theirs), (ours, theirs)
    else:
        assert ours == theirs


SIZES = """
torch.zeros()
torch.zeros(())
torch.zeros(2.0)
torch.zeros(-1)
torch.zeros((2, -1))
torch.zeros(torch.tensor(2), 3)
torch.zeros(torch.tensor([2, 3]))
torch.zeros(np.int64(2))
torch.zeros((2, 3), 4)
torch.zeros([2], dtype=float)
torch.zeros(2, dtype=int)
torch.zeros(2, dtype=bool)
torch.zeros(2, dtype=np.float32)
torch.zeros(2, dtype="float32")
torch.zeros(2, device="cpu")
torch.zeros(2, device="foo")
torch.zeros(True)
torch.zeros("2")
torch.zeros(size=(2,))
torch.zeros((2,), size=(2,))
torch.zeros(2, requires_grad=True)
torch.zeros(2, requires_grad=True, dtype=torch.int64)
torch.zeros(0, 3)
torch.zeros(2, out=torch.ones(5, dtype=torch.int64))
torch.zeros(2, out=torch.ones(5), dtype=torch.float64)
torch.ones(2, 3, dtype=torch.float16)
torch.ones(2, out=torch.zeros(2, dtype=torch.bool))
torch.empty(2, 3).shape
torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride()
torch.empty(2, memory_format=torch.channels_last)
torch.empty_strided((2, 3), (1, 2)).stride()
torch.empty_strided((2, 3), (1,))
torch.empty_strided((2, 3), (-1, 2))
torch.full((2,), True)
torch.full((2,), 3)
torch.full((2,), 3.0)
torch.full([2, 2], 3.0)
torch.full((2,), torch.tensor(3))
torch.full((2,), torch.tensor([3]))
torch.full((2,), "a")
torch.full(2, 1)
torch.full((2,), 300, dtype=torch.uint8)
torch.full((2,), 255, dtype=torch.uint8)
torch.full((2,), -1, dtype=torch.uint8)
torch.full((2,), -256, dtype=torch.uint8)
torch.full((2,), 128, dtype=torch.int8)
torch.full((2,), 1e40)
torch.full((2,), float("inf"))
torch.full((2,), float("nan"), dtype=torch.int64)
torch.full((2,), float("inf"), dtype=torch.int32)
torch.full((2,), 2.7, dtype=torch.int64)
torch.full((2,), 2**70)
torch.full((2,), 70000, dtype=torch.float16)
torch.full((2,), 3, dtype=torch.bool)
torch.full((2,), np.float32(2))
torch.full((2,), np.int32(2))
torch.full((2,), 1, out=torch.zeros(2))
"""

LIKE = """
torch.zeros_like(xi)
torch.zeros_like(x, dtype=torch.bool)
torch.zeros_like(x, requires_grad=True)
torch.zeros_like(3)
torch.ones_like(x.t()).stride()
torch.ones_like(xi, dtype=torch.float64)
torch.full_like(xi, 2.5)
torch.full_like(x, torch.tensor(2))
torch.full_like(xi, 1e30)
torch.full_like(x, 2, dtype=torch.uint8)
torch.empty_like(x.t(), memory_format=torch.contiguous_format).stride()
torch.empty_like(torch.empty(2, 3, 4, 5), memory_format=torch.channels_last).stride()
torch.empty_like(x, memory_format=torch.channels_last)
torch.empty_like(strided[:, ::2]).stride()
torch.empty_like(strided[:, ::2].permute(2, 0, 1)).stride()
torch.empty_like(strided.permute(2, 1, 0)).stride()
torch.empty_like(torch.empty(1, 3).expand(4, 3)).stride()
torch.empty_like(torch.empty(3, 1).expand(3, 4)).stride()
torch.empty_like(torch.empty(3, 1, 5).expand(3, 4, 5).permute(2, 1, 0)).stride()
torch.empty_like(torch.empty(5, 1).t().expand(6, 5)).stride()
x.new_zeros(2, 3).dtype
x.new_zeros((2, 3), dtype=torch.int32)
xi.new_ones(2)
xi.new_full((2,), 2.5)
xi.new_full(2, 2.5)
xi.new_empty(2).dtype
xi.new_empty(()).shape
xi.new_empty_strided((2, 3), (1, 2)).stride()
xi.new_tensor([1.5, 2.0])
xi.new_tensor(np.ones(2))
x.new_tensor([1, 2], requires_grad=True)
x.new_tensor(torch.tensor([1, 2]))
x.new(2, 3).shape
x.new([1, 2])
x.new()
x.new(torch.ones(2))
"""

DATA = """
torch.tensor(3)
torch.tensor(3.0)
torch.tensor(True)
torch.tensor([])
torch.tensor([[], []])
torch.tensor([1, 2.0])
torch.tensor([True, 2])
torch.tensor([True, 2.0])
torch.tensor([[1, 2], [3, 4.5]])
torch.tensor(np.float32(2))
torch.tensor(np.float64(2))
torch.tensor([np.float64(2)])
torch.tensor([np.float32(2), 1.5])
torch.tensor([np.float32(2), 1])
torch.tensor([np.int32(2), 1])
torch.tensor([np.int32(2), np.int16(3)])
torch.tensor(np.array([1.0, 2.0]))
torch.tensor(np.array(1.0))
torch.tensor([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
torch.tensor([torch.tensor(1.0), 2])
torch.tensor([torch.tensor(1), 2.5])
torch.tensor([torch.tensor(1.0, dtype=torch.float64), 2])
torch.tensor([torch.tensor([1.0]), torch.tensor([2.0])])
torch.tensor([torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])])
torch.tensor((torch.ones(2), [1, 2]))
torch.tensor([1, [2]])
torch.tensor([[1], 2])
torch.tensor([[1, 2], [3]])
torch.tensor([[1], [2, 3]])
torch.tensor([[[1, 2]], [[3]]])
torch.tensor("a")
torch.tensor(["a"])
torch.tensor(None)
torch.tensor([None])
torch.tensor({1: 2})
torch.tensor({1, 2})
torch.tensor(range(3))
torch.tensor(b"abc")
torch.tensor(bytearray(b"abc"))
torch.tensor((i for i in range(3)))
torch.tensor(300, dtype=torch.uint8)
torch.tensor(-1, dtype=torch.uint8)
torch.tensor(-256, dtype=torch.uint8)
torch.tensor([300], dtype=torch.uint8)
torch.tensor(2**40, dtype=torch.int32)
torch.tensor(2**63)
torch.tensor(2**63 - 1)
torch.tensor(2**70, dtype=torch.float32)
torch.tensor(2**2000, dtype=torch.float32)
torch.tensor(1e40)
torch.tensor(1e40, dtype=torch.int64)
torch.tensor(-1.0, dtype=torch.uint8)
torch.tensor(255.5, dtype=torch.uint8)
torch.tensor(2.7, dtype=torch.int64)
torch.tensor(-2.7, dtype=torch.int64)
torch.tensor(float("nan"), dtype=torch.int64)
torch.tensor(float("inf"), dtype=torch.int32)
torch.tensor(2.7, dtype=torch.bool)
torch.tensor(1e6, dtype=torch.float16)
torch.tensor(1.0000001, dtype=torch.bfloat16)
torch.tensor([1, 2], dtype=torch.float32, requires_grad=True)
torch.tensor([1, 2], requires_grad=True)
torch.tensor(np.array(["a"]))
torch.tensor(np.array([1], dtype=">i4"))
torch.tensor(np.arange(3)[::-1])
torch.tensor(np.array([1], dtype=object))
torch.tensor(np.arange(6).reshape(2, 3).T).stride()
torch.tensor(x.t()).stride()
torch.tensor(x, dtype=torch.int32)
torch.tensor(torch.ones(2, requires_grad=True)).requires_grad
torch.tensor()
torch.tensor([1], [2])
torch.as_tensor([1, 2.0])
torch.as_tensor(np.float32(3))
torch.as_tensor(np.ones(2), dtype=torch.float32)
torch.as_tensor(np.ones(2)[::-1])
torch.as_tensor(x) is x
torch.as_tensor(x, dtype=torch.float64)
torch.as_tensor(torch.ones(2, requires_grad=True), dtype=torch.float64)
torch.from_numpy([1])
torch.from_numpy(np.ones(2)[::-1])
torch.from_numpy(np.float32(3))
torch.from_numpy(np.array(["a"]))
torch.from_numpy(np.array([1], dtype=">i4"))
torch.asarray([1, 2])
torch.asarray(3.5)
torch.asarray(np.float32(3.5))
torch.asarray(np.ones(2), copy=False, dtype=torch.float32)
torch.asarray(np.ones(2), copy=False)
torch.asarray(bytearray(b"abcd"), dtype=torch.int32)
torch.asarray([1, 2], copy=False)
torch.asarray(x) is x
torch.asarray(x, copy=True) is x
torch.asarray(x, dtype=torch.int32, copy=False)
torch.asarray(torch.ones(2, requires_grad=True)).requires_grad
torch.asarray(torch.ones(2, requires_grad=True) * 2, requires_grad=True)
torch.asarray(xi, requires_grad=True)
torch.scalar_tensor(3)
torch.scalar_tensor(3, dtype=torch.int64)
torch.scalar_tensor(True)
torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int32, offset=4)
torch.frombuffer(bytearray(b"abcdefgh"), dtype=torch.int16, count=2)
torch.frombuffer(b"", dtype=torch.int32)
torch.frombuffer(bytearray(b"abc"), dtype=torch.int32)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int32, count=2)
torch.frombuffer(bytearray(b"abcd"), dtype=torch.int32, offset=4)
"""

STEPS = """
torch.arange(3)
torch.arange(3.0)
torch.arange(0, 3, 0.5)
torch.arange(True)
torch.arange(torch.tensor(3))
torch.arange(torch.tensor(3.0, dtype=torch.float64))
torch.arange(np.float64(3))
torch.arange(np.int64(3))
torch.arange(torch.tensor([3]))
torch.arange(0, 3, 0)
torch.arange(3, 0)
torch.arange(3, 3)
torch.arange(3, 0, -1)
torch.arange(0, float("inf"))
torch.arange(float("nan"))
torch.arange(0, 3, dtype=torch.float16)
torch.arange(0, 2, dtype=torch.bool)
torch.arange(0.5, 3, dtype=torch.int64)
torch.arange(0, 3.7, dtype=torch.int64)
torch.arange(0, 3.7, dtype=torch.int32)
torch.arange(0, 2.5, 0.7, dtype=torch.int64)
torch.arange(0, 2.5, 0.7, dtype=torch.int32)
torch.arange(0, 4, 1.5, dtype=torch.int64)
torch.arange(-2.5, 2.5, dtype=torch.int64)
torch.arange(260, dtype=torch.uint8)
torch.arange(2**62, 2**62 + 3)
torch.arange(0, 3, out=torch.zeros(5))
torch.arange(start=1, end=4)
torch.arange(end=4)
torch.arange(1, end=4, step=2)
torch.arange(1, step=2)
torch.arange(0, 1, 0.1, requires_grad=True)
torch.arange("a")
torch.arange()
torch.arange(1, 2, 3, 4)
torch.range(0, 3)
torch.range(0, 3, 0.5)
torch.range(1, 4, dtype=torch.int64)
torch.linspace(0, 1, 5)
torch.linspace(0, 1)
torch.linspace(0, 1, -1)
torch.linspace(0, 1, 0)
torch.linspace(0, 1, 1)
torch.linspace(0, 10, 4, dtype=torch.int64)
torch.linspace(2.7, 10.9, 4, dtype=torch.int64)
torch.linspace(-10, 10, 4, dtype=torch.uint8)
torch.linspace(0, 1, 5, dtype=torch.bool)
torch.linspace(torch.tensor(0), torch.tensor(1), 5)
torch.linspace(torch.tensor([0.0]), 1, 3)
torch.linspace(0, 1, 2.5)
torch.linspace(0, 1, steps=torch.tensor(3))
torch.linspace(True, False, 3)
torch.linspace(0, 1, 3, out=torch.zeros(0))
torch.linspace(0, 300, 3, dtype=torch.uint8)
torch.linspace(0, 1e40, 3)
torch.logspace(0, -1.0, 3, dtype=torch.uint8)
torch.logspace(0, 3, 4)
torch.logspace(0, 3, 4, 2)
torch.logspace(0, 3, 4, 2.0, dtype=torch.int64)
torch.logspace(1, 0, 4, 2.0, dtype=torch.uint8)
torch.logspace(0, 3, 1, 0)
torch.logspace(0, 3, -1)
torch.logspace(0, 3, 3, dtype=torch.bool)
torch.eye(2)
torch.eye(2, 3)
torch.eye(3, 2, dtype=torch.bfloat16)
torch.eye(-1)
torch.eye(2, -1)
torch.eye(2.5)
torch.eye(2, dtype=torch.bool)
torch.eye(n=2, m=1)
torch.eye(2, out=torch.zeros(3, dtype=torch.int64))
torch.tril_indices(3, 3)
torch.tril_indices(2, 3, 1)
torch.tril_indices(3, 2, -1)
torch.tril_indices(3, 2, -5)
torch.tril_indices(-1, 2)
torch.tril_indices(2, 2, dtype=torch.float32)
torch.tril_indices(2, 2, dtype=torch.int32)
torch.triu_indices(2, 3)
torch.triu_indices(3, 2, -1)
torch.triu_indices(3, 2, 7)
"""


@pytest.mark.parametrize("expression", (SIZES + LIKE + DATA + STEPS).replace("\n\n", "\n").strip().split("\n"))
def test_same_as_torch(expression):
    same(expression)


numbers = st.one_of(st.integers(-5, 5), st.floats(-5, 5, width=32))


@settings(max_examples=50, deadline=None)
@given(
    numbers,
    numbers,
    st.integers(0, 70),
    st.sampled_from(["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8"]),
    st.sampled_from([10.0, 2.0, 0.5]),
)
def test_spaced_numbers(start, end, steps, dtype, base):
    if dtype == "uint8":
        start, end = abs(int(start)), abs(int(end))
    theirs = torch.linspace(start, end, steps, dtype=getattr(torch, dtype))
    ours = minitorch.linspace(start, end, steps, dtype=getattr(minitorch, dtype))
    bits_equal = theirs.double().numpy() == ours.to(minitorch.float64).numpy()
    assert ours.shape == theirs.shape
    if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"):  # where torch rounds a * b + c once
        assert bits_equal.all()
    if dtype != "uint8":  # powers below zero and above 255 are undefined there
        theirs = torch.logspace(start, end, steps, base, dtype=getattr(torch, dtype))
        ours = minitorch.logspace(start, end, steps, base, dtype=getattr(minitorch, dtype))
        np.testing.assert_array_equal(ours.to(minitorch.float64).numpy(), theirs.double().numpy())


@settings(max_examples=50, deadline=None)
@given(numbers, numbers, st.one_of(st.integers(1, 3), st.floats(0.1, 2)), st.sampled_from(["float32", "float64", None]))
def test_arange_within_one_rounding(start, end, step, dtype):
    if end < start:
        step = -step
    theirs = torch.arange(start, end, step, dtype=dtype and getattr(torch, dtype))
    ours = minitorch.arange(start, end, step, dtype=dtype and getattr(minitorch, dtype))
    assert ours.shape == theirs.shape and repr(ours.dtype) == repr(theirs.dtype)
    ulp = np.finfo(ours.numpy().dtype).eps if ours.dtype.is_floating_point else 0
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=2 * ulp * max(abs(start), abs(end)))


def test_who_shares_memory():
    array = np.zeros(3)
    shared = [minitorch.from_numpy(array), minitorch.as_tensor(array), minitorch.asarray(array)]
    apart = [
        minitorch.tensor(array),
        minitorch.as_tensor(array, dtype=minitorch.float32),
        minitorch.asarray(array, copy=True),
        minitorch.zeros(1).new_tensor(array),
    ]
    array[0] = 1
    assert [t[0].item() for t in shared] == [1, 1, 1]
    assert [t[0].item() for t in apart] == [0, 0, 0, 0]
    shared[0][1] = 2
    assert array[1] == 2

    buffer = bytearray(b"aaaa")
    tensor = minitorch.frombuffer(buffer, dtype=minitorch.uint8)
    buffer[0] = 98
    assert tensor[0].item() == 98


def test_read_only_arrays_are_copied():
    array = np.arange(3.0)
    array.flags.writeable = False
    tensor = minitorch.from_numpy(array)
    tensor += 1
    assert array.tolist() == [0, 1, 2] and tensor.tolist() == [1, 2, 3]


def test_inputs_stay_as_they_are():
    data = [[1, 2.5], [True, np.float32(3)], (minitorch.tensor(4), 5)]
    before = copy.deepcopy(data)
    minitorch.tensor(data)
    assert repr(data) == repr(before)


def test_sharing_keeps_the_gradient():
    x = minitorch.ones(2, requires_grad=True)
    minitorch.as_tensor(x, dtype=minitorch.float64).sum().backward()
    assert x.grad.tolist() == [1, 1] and x.grad.dtype is minitorch.float32


def test_default_dtype():
    try:
        minitorch.set_default_dtype(minitorch.float64)
        torch.set_default_dtype(torch.float64)
        for expression in ("torch.zeros(2)", "torch.tensor([1, 2.5])", "torch.arange(2.5)", "torch.linspace(0, 1, 3)"):
            same(f"{expression}.dtype")
            same(expression)
    finally:
        minitorch.set_default_dtype(minitorch.float32)
        torch.set_default_dtype(torch.float32)
