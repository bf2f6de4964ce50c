"""Indexing, gathering and scattering: values, gradients, second gradients and errors as in torch."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import minitorch  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from minitorch.shapes import within  # noqa: E402
from tests.against_torch import LAYOUTS  # noqa: E402
from tests.both_libraries import agree, agree_or_both_raise  # noqa: E402

rng = np.random.default_rng(0)


def array(*shape):
    return rng.standard_normal(shape)


class T:
    """An index tensor, made by the library that is asked."""

    def __init__(self, values, dtype="int64"):
        self.values, self.dtype = values, dtype

    def made(self, lib):
        return lib.tensor(self.values, dtype=getattr(lib, self.dtype))

    def __repr__(self):
        return f"T({self.values}, {self.dtype})"


def made(lib, index):
    if isinstance(index, T):
        return index.made(lib)
    if isinstance(index, (tuple, list)):
        return type(index)([made(lib, i) for i in index])
    return index


def masks(*shape):
    return T((np.random.default_rng(1).random(shape) < 0.5).tolist(), "bool")


INDICES = [
    0,
    -1,
    np.int64(1),
    T(1),
    T(-2, "int32"),
    True,
    False,
    T(True, "bool"),
    T(False, "bool"),
    None,
    ...,
    (),
    (...,),
    slice(None),
    slice(1, None),
    slice(None, None, 2),
    slice(-2, 9),
    slice(3, 1),
    slice(np.int64(0), np.int64(2)),
    slice(5, 9),
    (0, 1),
    (0, ..., 1),
    (..., 1, slice(1, 3)),
    (None, 0, None, ..., None),
    (slice(1, 2), None, slice(None, None, 3)),
    ([0, 1],),
    [0, 1],
    [0, 1, 1, 0],
    [],
    [True, False],
    (0, [1, 2]),
    ([1], 0),
    ([0, 1], [1, 2]),
    ([[0], [1]], [0, 1, 2]),
    [[0, 1], [1, 2]],
    [slice(0, 1), None],
    [T(0), T(1)],
    (slice(None), [0, 2]),
    (slice(None), slice(None), [3, 0, 3]),
    (0, slice(None), [0, 1]),
    ([0, 1], slice(None), [0, 1]),
    ([0, 1], slice(None), 0),
    (..., [0, 1]),
    ([-1, 0], ...),
    ([0, 1], None, [0, 1]),
    (None, [0, 1]),
    (T([0, 1]), T([[0], [2]])),
    T([[0, 1], [1, 0]]),
    T([], "int64"),
    (T([0, 1]), 0, T([1, 2])),
    (slice(None), T([0, 1]), T([1, 2])),
    (T([0, 1], "int32"), slice(1, None)),
    masks(2),
    masks(2, 3),
    masks(2, 3, 4),
    (slice(None), masks(3)),
    (slice(None), masks(3, 4)),
    (0, masks(3)),
    (masks(2), [0]),
    (masks(2, 3), 1),
    (masks(2), slice(1, 2), 2),
    (..., masks(4)),
    T([1, 0], "uint8"),
    (True, [0, 1]),
    ([0, 1], True),
    (False, 0),
    (slice(None), True, [0, 2]),
    range(2),
    (range(1), 1),
    (np.array([1, 0]), np.array([2, 1])),
    np.array([True, False]),
    (T(1), [0, 1]),
    (slice(None), T(1), [0, 1]),
]

WRONG = [
    2,
    -3,
    (0, 3),
    (0, 0, 0, 0),
    (0, 0, 0, None, 0),
    slice(None, None, -1),
    slice(None, None, 0),
    1.0,
    "a",
    object(),
    {},
    [5],
    ([0], [-4]),
    T([0.0, 1.0], "float32"),
    T([0, 1], "int16"),
    T([0, 1], "int8"),
    ([0, 1], [0, 1, 2]),
    masks(3),
    masks(2, 2),
    (slice(None), masks(2)),
    [True, False, True],
    (0, T([9])),
    slice(0, 1.5),
    (slice(0, 2), 7),
]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("number", range(len(INDICES)))
def test_get(number, layout):
    index = INDICES[number]
    agree(lambda lib, x: x[made(lib, index)], array(2, 3, 4), layout=layout)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_get_raises_as_torch(number):
    index = WRONG[number]
    agree_or_both_raise(lambda lib, x: x[made(lib, index)], array(2, 3, 4), order=0)


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_set_raises_as_torch(number):
    index = WRONG[number]
    agree_or_both_raise(lambda lib, x: x.__setitem__(made(lib, index), 0.0), array(2, 3, 4), order=0)


def assigned(index, how):
    def program(lib, x, v):
        x = x * 1
        i = made(lib, index)
        if how == "number":
            x[i] = 2.5
        elif how == "tensor":
            x[i] = v
        elif how == "itself":
            x[i] = x[i] * 3 + v
        elif how == "add":
            x[i] += v
        else:
            x[i] *= 2
        return x * x

    return program


@pytest.mark.parametrize("how", ("number", "tensor", "itself", "add", "times"))
@pytest.mark.parametrize("number", range(len(INDICES)))
def test_set(number, how):
    if isinstance(INDICES[number], T) and INDICES[number].dtype == "uint8" and how != "add":
        return  # torch reads such a mask but does not write through it
    program = assigned(INDICES[number], how)
    for value in (np.asarray(rng.standard_normal()), array(1, 1, 1, 1)):
        agree_or_both_raise(program, array(2, 3, 4), value)


VALUES = [
    ((0,), (3, 4)),
    ((0,), (4,)),
    ((0,), (3,)),
    ((0,), (1, 1, 3, 4)),
    ((0,), (2, 3, 4)),
    (([0, 1],), (2, 3, 4)),
    (([0, 1],), (1, 2, 3, 1)),
    (([0, 1],), (2, 1, 3, 4)),
    (([0, 0],), (2, 1, 1)),
    ((..., [1, 3]), (2, 3, 2)),
    ((masks(2, 3, 4),), (1,)),
    ((masks(2, 3),), (4,)),
    ((slice(None), [1, 1, 0]), (3, 1)),
    (([1], [2]), (4,)),
    ((slice(0, 0),), (4,)),
    (([],), (4,)),
    ((None, 1), (3, 4)),
    ((True,), (2, 3, 4)),
    ((False,), (2, 3, 4)),
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_values_broadcast_to_the_place(number):
    index, shape = VALUES[number]
    # With repeated places torch's result is not defined, so the values are equal there.
    agree_or_both_raise(assigned(index, "tensor"), array(2, 3, 4), np.broadcast_to(array(*shape[1:]), shape).copy())


SET = [
    lambda lib, x: x.__setitem__(0, lib.ones(4, dtype=lib.float32)),
    lambda lib, x: x.__setitem__([0], lib.ones(4, dtype=lib.float32)),
    lambda lib, x: x.__setitem__(x > 0, lib.tensor(1.0, dtype=lib.float32)),
    lambda lib, x: x.__setitem__([0], lib.tensor(1)),
    lambda lib, x: x.__setitem__(0, [1, 2, 3, 4]),
    lambda lib, x: x.__setitem__(0, np.ones(4)),
    lambda lib, x: x.__setitem__(0, None),
    lambda lib, x: x.__setitem__(0, "a"),
    lambda lib, x: x.__setitem__(0, np.float64(3)),
    lambda lib, x: x.expand(2, 3, 4).__setitem__(slice(None), 3),
    lambda lib, x: x[0, 0].__setitem__((), 3),
    lambda lib, x: x[0, 0].__setitem__(None, 3),
    lambda lib, x: x[0, 0].__setitem__(0, 3),
]


@pytest.mark.parametrize("number", range(len(SET)))
def test_what_may_be_assigned(number):
    def program(lib, x):
        x = x.clone()
        SET[number](lib, x)
        return x

    agree_or_both_raise(program, array(3, 4), order=0)


def test_assigned_numbers_are_converted():
    for dtype in ("int64", "uint8", "bool", "float32"):

        def program(lib, x, dtype=dtype):
            x = (x * 3).to(lib.int64).abs().to(getattr(lib, dtype))
            x[0] = 2.7
            x[[1], [0]] = 3.2
            x[1, 1:] = lib.tensor([0.5, 1.5, 2.5])
            x[x > 2] = True
            return x

        agree(program, array(3, 4), order=0)


def test_a_leaf_refuses_assignment():
    agree_or_both_raise(lambda lib, x: x.detach().requires_grad_().__setitem__(0, 1), array(3))
    agree_or_both_raise(lambda lib, x: x.detach().requires_grad_().__setitem__([0], 1), array(3))


def test_a_tensor_changed_after_it_was_indexed_is_found():
    for lib in (minitorch, torch):
        x = lib.ones(4, requires_grad=True) * 1
        z = (x * x).sum()
        x[[0, 1]] = 2
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()


# index_put and its relatives.


@pytest.mark.parametrize("accumulate", (False, True))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_index_put(accumulate, layout):
    def program(lib, x, v):
        rows, columns = lib.tensor([0, 1, 0]), lib.tensor([[3], [0]])
        repeated = lib.tensor([1, 1, 0]) if accumulate else lib.tensor([1, 2, 0])
        return (
            x.index_put((rows[:2], columns), v[0, 0], accumulate),
            x.index_put((x.detach() > 0,), v[0, 0], accumulate),
            x.index_put((repeated,), v, accumulate=accumulate),
            lib.index_put(x, [repeated[:2], lib.tensor([-1, 1])], v[:2, 1], accumulate),
            (x * 1).index_put_((repeated,), v[:1], accumulate),
        )

    agree(program, array(3, 4), array(3, 4), layout=layout)


ALONG = {
    "gather": lambda lib, x, i, v: (x.gather(0, i), x.gather(-1, i[:1, :2]), (x * 1).t().gather(1, i.t())),
    "gather int32": lambda lib, x, i, v: x.gather(0, i.to(lib.int32)),
    "scatter": lambda lib, x, i, v: (
        x.scatter(0, i[:1], v[:1]),
        x.scatter(1, i[:, :1], 5.0),
        x.scatter(0, i[:1, :2], value=2),
    ),
    "scatter reduced": lambda lib, x, i, v: x.detach().scatter(0, i, v.detach(), reduce="add"),
    "scatter multiplied": lambda lib, x, i, v: x.detach().scatter(0, i, 3, reduce="multiply"),
    "scatter_add": lambda lib, x, i, v: (
        x.scatter_add(0, i, v),
        x.scatter_add(-1, i[:2, :1], v[:2, :1]),
        (x * 1).scatter_add_(0, i, v),
    ),
    "take_along_dim": lambda lib, x, i, v: (
        lib.take_along_dim(x, i[:, :1], 0),
        x.take_along_dim(i),
        lib.take_along_dim(x, i - 3, 1),
        x.take_along_dim(i[:1], 1),
    ),
    "index_select": lambda lib, x, i, v: (
        x.index_select(0, i[0]),
        x.index_select(1, i[:, 0]),
        x.index_select(0, i[0, 0]),
    ),
    "index_add": lambda lib, x, i, v: (
        x.index_add(0, i[:, 1], v),
        x.index_add(1, i[0], v, alpha=2.5),
        (x * 1).index_add_(-1, i[0].to(lib.int32), v),
    ),
    "index_copy": lambda lib, x, i, v: (
        x.index_copy(0, lib.tensor([2, 0]), v[:2]),
        x.index_copy(1, lib.tensor(3), v[:, :1]),
    ),
    "index_fill": lambda lib, x, i, v: (
        x.index_fill(0, i[0, :2], 3.5),
        x.index_fill(1, i[0], v[0, 0]),
        x.index_fill(0, lib.tensor([-1, 2]), 0.5),
    ),
    "take": lambda lib, x, i, v: (x.take(i * 3), x.t().take(lib.tensor([-1, 5])), x.take(lib.tensor(2))),
    "put": lambda lib, x, i, v: (
        x.put(lib.tensor([[3, -1], [0, 5]]), v[:2, :2]),
        x.put(i, v, accumulate=True),
        (x * 1).put_(i, v, True),
    ),
    "masked": lambda lib, x, i, v: (
        x.masked_select(i > 0),
        x.masked_select(i[0] > 0),
        x[0].masked_select(i > 0),
        x.masked_fill(i[:1] > 0, v[0, 0]),
        x.masked_scatter(i > 0, v),
        x.masked_scatter(i[0] > 0, v),
        (x * 1).masked_scatter_(i > 0, v),
    ),
    "part": lambda lib, x, i, v: (
        x.select_scatter(v[0], 0, -1),
        x.slice_scatter(v[:, :2], 1, 1, 4, 2),
        x.diagonal_scatter(v[0, :3]),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ALONG)
def test_along_a_dimension(name, layout):
    agree(ALONG[name], array(3, 4), np.array([[0, 2, 1, 0], [2, 2, 0, 1], [1, 0, 0, 2]]), array(3, 4), layout=layout)


@pytest.mark.parametrize("include_self", (True, False))
@pytest.mark.parametrize("reduce", ("sum", "prod", "mean", "amin", "amax"))
def test_scatter_reduce(reduce, include_self):
    def program(lib, x, i, v):
        found = [x.scatter_reduce(0, i[:2], v[:2], reduce, include_self=include_self)]
        if reduce != "sum":
            found.append(x.index_reduce(1, i[0], v, reduce, include_self=include_self))
            found.append((x * 1).index_reduce_(0, i[:, 0], v, reduce, include_self=include_self))
        return found

    index = np.array([[0, 2, 1, 0], [2, 2, 0, 1], [1, 0, 0, 2]])
    agree(program, array(3, 4), index, array(3, 4))
    agree(program, array(3, 4), index, np.round(array(3, 4)), order=1)  # with ties and zeros


def test_scatter_reduce_of_integers():
    for reduce in ("sum", "prod", "mean", "amin", "amax"):
        for include_self in (True, False):
            agree(
                lambda lib, x, i, v, reduce=reduce, own=include_self: x.scatter_reduce(
                    0, i, v, reduce, include_self=own
                ),
                rng.integers(-5, 6, (3, 4)),
                rng.integers(0, 3, (3, 4)),
                rng.integers(-5, 6, (3, 4)),
                order=0,
            )


NO_DIMENSIONS = {
    "gather": lambda lib, x: (
        x.gather(0, lib.tensor(0)),
        x.gather(0, lib.tensor([0, 0])),
        x[None].gather(0, lib.tensor(0)),
    ),
    "scatter": lambda lib, x: (x.scatter(0, lib.tensor(0), x * 2), x.scatter_add(0, lib.tensor([0]), x * 3)),
    "index": lambda lib, x: (
        x.index_select(0, lib.tensor([0])),
        x.index_add(0, lib.tensor(0), x),
        x.index_fill(0, lib.tensor(0), 2),
    ),
    "take": lambda lib, x: (
        x.take(lib.tensor([0, 0])),
        x.masked_select(x > -9),
        x.masked_select(lib.tensor([True, False])),
    ),
    "get": lambda lib, x: (x[()], x[...], x[None], x[True], x[x > 99], x[x < 99]),
}
EMPTY = {
    "gather": lambda lib, x: (
        x.gather(1, lib.zeros(0, 2, dtype=lib.int64)),
        lib.ones(2, 3).gather(0, lib.zeros(0, 3, dtype=lib.int64)),
    ),
    "scatter": lambda lib, x: lib.ones(2, 3).scatter_add(0, lib.zeros(0, 3, dtype=lib.int64), lib.zeros(0, 3)),
    "index": lambda lib, x: (
        x.index_select(1, lib.tensor([0, 2])),
        x.index_add(0, lib.zeros(0, dtype=lib.int64), x),
        x[:, [0]],
    ),
    "masks": lambda lib, x: (x[x > 0], x.masked_select(x > 0), x.nonzero(), x[x[:, 0] > 0], x.masked_scatter(x > 0, x)),
    "take": lambda lib, x: (x.take(lib.zeros(0, dtype=lib.int64)), lib.ones(2)[lib.zeros(0, 3, dtype=lib.int64)]),
}


@pytest.mark.parametrize("name", NO_DIMENSIONS)
def test_without_dimensions(name):
    agree(NO_DIMENSIONS[name], np.asarray(rng.standard_normal()))


@pytest.mark.parametrize("name", EMPTY)
def test_without_elements(name):
    agree(EMPTY[name], array(0, 3))


def test_places():
    x = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 3.0]])
    agree(lambda lib, x: (x.nonzero(), x.argwhere(), *x.nonzero(as_tuple=True), *lib.where(x > 1)), x, order=0)
    agree(lambda lib, x: (x[0, 0].nonzero(), x[0, 1].nonzero(), *x[0, 1].nonzero(as_tuple=True)), x, order=0)
    agree(lambda lib, x: (lib.nn.functional.one_hot(x.long()), lib.nn.functional.one_hot(x.long(), 5)), x, order=0)
    agree(lambda lib, x: lib.unravel_index(x.long(), (2, 3)), x, order=0)
    agree(lambda lib, x: lib.unravel_index(lib.tensor(5), 7), x, order=0)


REFUSED = [
    lambda lib, x, i: x.gather(0, i[0]),
    lambda lib, x, i: x.gather(0, i + 2),
    lambda lib, x, i: x.gather(0, i - 1),
    lambda lib, x, i: x.gather(2, i),
    lambda lib, x, i: x.gather(0, i.double()),
    lambda lib, x, i: x.gather(0, lib.cat([i, i], 1)),
    lambda lib, x, i: x.scatter(0, i + 2, 5),
    lambda lib, x, i: x.scatter(0, i, x.float()),
    lambda lib, x, i: x.scatter(0, i, x[:2]),
    lambda lib, x, i: x.scatter(0, i, x, reduce="mean"),
    lambda lib, x, i: x.scatter_add(0, i, x[:1]),
    lambda lib, x, i: x.scatter_reduce(0, i, x, "add"),
    lambda lib, x, i: x.index_reduce(0, i[:, 0], x, "sum"),
    lambda lib, x, i: x.index_select(0, i),
    lambda lib, x, i: x.index_select(0, i[0] + 2),
    lambda lib, x, i: x.index_select(0, i[0] - 1),
    lambda lib, x, i: x.index_select(0, x[0]),
    lambda lib, x, i: x.index_add(0, i[0], x),
    lambda lib, x, i: x.index_add(0, i[:, 0], x.float()),
    lambda lib, x, i: x.index_add(0, i[:, 0], x[:, :2]),
    lambda lib, x, i: x.index_copy(0, i[:1, 0], x[0]),
    lambda lib, x, i: x.index_fill(0, i[0] + 5, 1),
    lambda lib, x, i: x.index_fill(0, i[0], x[0]),
    lambda lib, x, i: x.take(lib.tensor([12])),
    lambda lib, x, i: x.take(lib.tensor([0.5])),
    lambda lib, x, i: x.put(lib.tensor([0, 1]), x[0]),
    lambda lib, x, i: x.put(lib.tensor([0]), x.float()[0, :1]),
    lambda lib, x, i: lib.take_along_dim(x, i[0], 1),
    lambda lib, x, i: x.masked_select(i),
    lambda lib, x, i: x.masked_select(i[:2] > 0),
    lambda lib, x, i: x.masked_scatter(i >= 0, x[0]),
    lambda lib, x, i: x.index_put((i + 9,), x[0]),
    lambda lib, x, i: x.index_put((i[0],), x.float()),
    lambda lib, x, i: x.index_put((None, i[0]), x),
    lambda lib, x, i: x.select_scatter(x[0, :2], 0, 0),
    lambda lib, x, i: x.slice_scatter(x, 0, 0, 2),
    lambda lib, x, i: x.diagonal_scatter(x[0]),
    lambda lib, x, i: lib.nn.functional.one_hot(i - 1),
    lambda lib, x, i: lib.nn.functional.one_hot(i, 1),
    lambda lib, x, i: lib.nn.functional.one_hot(x),
    lambda lib, x, i: lib.nn.functional.one_hot(lib.zeros(0, dtype=lib.int64)),
    lambda lib, x, i: lib.unravel_index(x, (3, 4)),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_torchs_errors(number):
    index = np.array([[0, 2, 1, 0], [2, 2, 0, 1], [1, 0, 0, 2]])
    agree_or_both_raise(REFUSED[number], array(3, 4), index, order=0)


def test_sums_over_many_repeated_places_are_exact():
    n = 100_000
    index = rng.integers(0, 7, n)
    values = rng.integers(-9, 9, (n, 3)).astype(np.float32)
    expected = np.stack([values[index == k].sum(0) for k in range(7)])
    found = minitorch.zeros(7, 3).index_add(0, wrap(index), wrap(values))
    assert np.array_equal(found.array, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
@pytest.mark.parametrize("n", [0, 1, 5, 8, 100])
def test_indices_within_a_size(n, dtype):
    """Against comparing each, for tables that hold the bounds and what lies beside them, in any order."""
    info = np.iinfo(dtype)
    near = [v for v in (-n, -1, 0, n // 2, n - 1, n, n + 1, info.min, info.max) if info.min <= v <= info.max]
    for _ in range(60):
        index = rng.choice(near[: rng.integers(1, len(near) + 1)], rng.integers(0, 6)).astype(dtype)
        assert within(index, n) == all(0 <= int(v) < n for v in index), index
