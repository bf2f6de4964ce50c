"""Random indices of every form: what is read, what is written, the gradients, or the class of the error, as in torch."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from tests.against_torch import LAYOUTS, both, laid_out  # noqa: E402
from tests.both_libraries import agree_or_both_raise  # noqa: E402
from tests.test_ops_index import T, assigned, made  # noqa: E402

KINDS = (
    "int",
    "int",
    "slice",
    "slice",
    "None",
    "Ellipsis",
    "integers",
    "integers",
    "mask",
    "list",
    "bool",
    "truth",
    "array",
)
INTEGERS = ("int64", "int64", "int32")


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@st.composite
def indexed(draw, distinct=False):
    """(shape, index, seed): one item after the other for the dimensions of `shape`; a few do not fit.

    distinct: no place is named twice.
    """
    shape = tuple(draw(st.lists(st.integers(0, 4) if draw(st.integers(0, 9)) == 0 else st.integers(1, 4), max_size=4)))
    seed = draw(st.integers(0, 2**32 - 1))
    numbers = np.random.default_rng(seed)
    common = draw(st.sampled_from(((), (2,), (3,), (2, 1), (1, 3))))  # the shape that index tensors broadcast to
    slack = int(draw(st.integers(0, 19)) == 0)  # how far an index may be out of range
    items: list = []
    dim = 0
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=len(shape) + 2)):
        n = shape[dim] if dim < len(shape) else None
        if kind == "None":
            items.append(None)
        elif kind == "Ellipsis":
            items.append(...)
        elif kind in ("bool", "truth"):
            value = draw(st.booleans())
            items.append(value if kind == "bool" else T(value, "bool"))
        elif n is None:
            continue
        elif kind == "slice":
            bound = st.none() | st.integers(-n - 1, n + 1)
            items.append(slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3))))
        elif kind == "int":
            items.append(int(numbers.integers(-n - slack, max(n + slack, 1 - n))) if n + slack else 0)
        elif kind == "mask":
            span = draw(st.integers(1, min(2, len(shape) - dim)))
            bits = np.zeros(shape[dim : dim + span], bool)
            count = common[-1] if common else 1  # as many places as the other index tensors have
            bits.reshape(-1)[numbers.permutation(bits.size)[:count]] = True
            items.append(T(bits.tolist(), "bool"))
            dim += span - 1
        else:
            size = int(np.prod(common))
            if (distinct and size > n) or n == 0:
                continue
            places = numbers.permutation(n)[:size] if distinct else numbers.integers(-n - slack, n + slack, size)
            values = places.reshape(common)
            if kind == "array":
                items.append(values)
            else:
                whole = kind == "list" and common
                items.append(values.tolist() if whole else T(values.tolist(), draw(st.sampled_from(INTEGERS))))
        dim += kind in ("int", "slice", "mask", "integers", "list", "array")
    index = tuple(items)
    return shape, index[0] if len(index) == 1 and draw(st.booleans()) else index, seed


@settings(max_examples=150, deadline=None)
@given(indexed(), st.sampled_from(LAYOUTS))
def test_get(case, layout):
    shape, index, seed = case
    x = np.random.default_rng(seed).standard_normal(shape)
    agree_or_both_raise(lambda lib, x: x[made(lib, index)], np.asarray(x), layout=layout if x.ndim else "contiguous")


def value_for(shape, index, numbers):
    """A value that broadcasts to x[index]: of its shape, with some dimensions of size 1 or left out."""
    try:
        target = torch.zeros(shape)[made(torch, index)].shape
    except Exception:
        target = ()
    sizes = [n if numbers.random() < 0.6 else 1 for n in target][numbers.integers(0, len(target) + 1) :]
    ones = (1,) * int(numbers.integers(0, 2))
    return np.asarray(numbers.standard_normal((*ones, *sizes)))


@settings(max_examples=120, deadline=None)
@given(
    indexed(distinct=True), st.sampled_from(("number", "tensor", "itself", "add", "times")), st.sampled_from(LAYOUTS)
)
def test_set(case, how, layout):
    """Written with values that broadcast; the gradients of what was there and of the values."""
    shape, index, seed = case
    numbers = np.random.default_rng(seed)
    x, value = np.asarray(numbers.standard_normal(shape)), value_for(shape, index, numbers)
    agree_or_both_raise(
        assigned(index, how), x, value, order=1, layout=layout if min(x.ndim, value.ndim) else "contiguous"
    )


@settings(max_examples=60, deadline=None)
@given(indexed(), st.sampled_from(("number", "add", "times")))
def test_set_at_repeated_places(case, how):
    """With equal numbers wherever a place is written twice: which of several is last, torch does not say."""
    shape, index, seed = case
    numbers = np.random.default_rng(seed)
    x = np.broadcast_to(numbers.standard_normal(()), shape).copy()
    agree_or_both_raise(assigned(index, how), x, np.asarray(numbers.standard_normal()), order=1)


@settings(max_examples=60, deadline=None)
@given(indexed(distinct=True), st.sampled_from(LAYOUTS), st.sampled_from(("int64", "bool", "float32", "uint8")))
def test_what_is_written_stays_in_the_tensors_memory(case, layout, dtype):
    """Through a view of any layout, in any type: the elements beside the view are not touched, nor anything on an error."""
    shape, index, seed = case
    if not shape:
        return
    numbers = np.random.default_rng(seed)
    values = numbers.integers(0, 2, shape).astype(dtype)
    mine = wrap(laid_out(values, layout))
    true = both(values, layout, False)[1]
    memory = mine.array if mine.array.base is None else mine.array.base
    before, was = memory.copy(), mine.array.copy()
    raised = []
    for lib, x in ((minitorch, mine), (torch, true)):
        try:
            x[made(lib, index)] = 1
        except Exception as error:
            raised.append(type(error))
        else:
            raised.append(None)
    assert raised[0] is raised[1]
    if raised[0] is not None:
        assert np.array_equal(memory, before)
        return
    assert np.array_equal(mine.array, true.numpy())
    mine.array[...] = was
    assert np.array_equal(memory, before)


@settings(max_examples=30, deadline=None)
@given(indexed())
def test_numpy_agrees_where_no_int_stands_among_tensors(case):
    shape, index, seed = case
    items = index if isinstance(index, tuple) else (index,)
    if isinstance(index, list) or any(isinstance(i, int) for i in items):
        return  # torch reads a list of lists as one index for each dimension
    x = np.asarray(np.random.default_rng(seed).standard_normal(shape))
    given = tuple(np.array(i.values, i.dtype) if isinstance(i, T) else i for i in items)
    if any(isinstance(i, np.ndarray) and i.ndim == 0 for i in given) or 0 in shape or sum(i is ... for i in items) > 1:
        return
    try:
        expected = x[given]
    except IndexError:
        return
    assert np.array_equal(wrap(x)[made(minitorch, index)].array, expected)
