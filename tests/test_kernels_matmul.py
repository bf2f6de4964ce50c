"""The matmul kernel against NumPy in higher precision, over shapes, batches, layouts, dtypes and threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, rms

from minitorch.kernels.registry import accelerated, tiny

matmul = accelerated("matmul")


def check(a, b):
    found = matmul(a, b)
    truth = np.matmul(a.astype(np.float64), b.astype(np.float64))
    size = np.matmul(abs(a.astype(np.float64)), abs(b.astype(np.float64)))
    assert found.shape == truth.shape and found.dtype == a.dtype
    if truth.size and size.size:
        assert (abs(found - truth) <= 4 * np.finfo(a.dtype).eps * (size + size.mean())).all()


@st.composite
def batches(draw):
    """Two batch shapes that broadcast against each other."""
    common = draw(st.lists(st.integers(0, 3), max_size=2))
    sides = [[draw(st.sampled_from([n, 1])) for n in common] for _ in range(2)]
    return [tuple(side[draw(st.integers(0, len(side))) :]) for side in sides]


@settings(deadline=None, max_examples=50)
@given(
    batch=batches(), rows=st.integers(0, 40), inner=st.integers(0, 40), columns=st.integers(0, 40),
    dtype=st.sampled_from(DTYPES), layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    transposed=st.tuples(st.booleans(), st.booleans()), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_any_product(batch, rows, inner, columns, dtype, layouts, transposed, seed):
    a_size, b_size = (rows, inner), (inner, columns)
    a = draw(seed, (*batch[0], *(a_size[::-1] if transposed[0] else a_size)), dtype, layouts[0])
    b = draw(seed + 1, (*batch[1], *(b_size[::-1] if transposed[1] else b_size)), dtype, layouts[1])
    a, b = a.mT if transposed[0] else a, b.mT if transposed[1] else b
    before = a.copy(), b.copy()
    check(a, b)
    assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 256, 16), (7, 257, 17), (97, 513, 530), (200, 3, 600), (5, 700, 1)])
def test_sizes_around_the_blocks(shape, dtype):
    rows, inner, columns = shape
    check(draw(0, (rows, inner), dtype), draw(1, (inner, columns), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors(dtype):
    vector, matrix, batch = draw(0, 20, dtype), draw(1, (20, 30), dtype), draw(2, (3, 30, 20), dtype)
    check(vector, vector)
    check(vector, matrix)
    check(batch, vector)
    check(batch[0], vector)
    check(vector, batch.mT)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1, 700, 33), (2, 33, 700), (17, 300, 90), (19, 300, 97), (300, 40, 97), (3, 3, 3), (2, 3, 4)]
)
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_every_path(shape, dtype, transposed):
    """Vectors, unpacked and packed panels, blocks of a transposed matrix moved together, plain loops; and batches."""
    rows, inner, columns = shape
    for batch in ((), (3,)):
        a = draw(0, (*batch, inner, rows), dtype).mT if "a" in transposed else draw(0, (*batch, rows, inner), dtype)
        b = (
            draw(1, (*batch, columns, inner), dtype).mT
            if "b" in transposed
            else draw(1, (*batch, inner, columns), dtype)
        )
        check(a, b)


def test_heads_are_multiplied_where_they_lie():
    """The layout of attention: (batch, length, heads, width) seen as (batch, heads, length, width)."""
    q, k = (draw(i, (2, 20, 3, 16), "float32").transpose(0, 2, 1, 3) for i in (0, 1))
    check(q, k.mT)
    check(q[:, :, ::2], k.mT)


def test_auto_takes_blas_but_where_it_was_measured_slower():
    for a, b, own in (
        ((1000, 3, 3), (1000, 3, 3), True), ((64, 8, 8), (64, 8, 8), False), ((500, 3, 3), (3, 3), False),
        ((900, 2, 4), (1, 4, 8), True), ((64, 784), (784, 256), False),
    ):  # fmt: skip
        assert tiny(np.ones(a, "f"), np.ones(b, "f")) == own


def test_broadcast_operands():
    check(
        np.broadcast_to(draw(0, (1, 20), "float32"), (30, 20)), np.broadcast_to(draw(1, (20, 1), "float32"), (20, 40))
    )
    check(np.broadcast_to(draw(0, (4, 5), "float32"), (3, 4, 5)), draw(1, (3, 5, 6), "float32"))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="matmul"):
        matmul(np.ones((2, 3)), np.ones((4, 5)))


def test_the_number_of_threads_changes_no_bit():
    a, b = draw(0, (3, 150, 300), "float32"), draw(1, (300, 600), "float32")
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            results.append(matmul(a, b))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_less_accurate_than_blas(dtype):
    a, b = draw(0, (100, 1000), dtype), draw(1, (1000, 120), dtype)
    truth = np.matmul(a.astype(np.longdouble), b.astype(np.longdouble))
    assert rms(matmul(a, b) - truth) <= 2 * rms(np.matmul(a, b) - truth)


def test_infinities_stay_in_their_rows_and_columns():
    a, b = draw(0, (20, 30), "float32"), draw(1, (30, 40), "float32")
    a[3, 5], b[7, 9] = np.inf, np.nan
    found = matmul(a, b)
    assert np.array_equal(np.isfinite(found), np.isfinite(np.matmul(a, b)))
