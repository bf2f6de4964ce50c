"""Products by BLAS in pieces: values, and the same bits whatever the threads of minitorch or of BLAS."""

from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly

from minitorch.core.op import REGISTRY
from minitorch.kernels import blas, crossovers, threads, use

sizes = st.integers(0, 130)


def close(found, a, b):
    truth = np.matmul(a.astype(np.float64), b.astype(np.float64))
    size = np.matmul(abs(a.astype(np.float64)), abs(b.astype(np.float64)))
    assert found.shape == truth.shape and found.dtype == a.dtype
    assert (abs(found - truth) <= 8 * np.finfo(a.dtype).eps * size).all()


@pytest.fixture
def small_pieces(monkeypatch):
    """Small products are cut, and are not simply handed to BLAS."""
    for name, value in (("PIECE", 3000), ("LEAST", 5), ("UNIT", 3)):
        monkeypatch.setattr(blas, name, value)
    for name, value in (("ALONE", 300), ("ALONE_VECTOR", 50), ("TWO_ROWS", 200)):
        monkeypatch.setattr(crossovers, name, value)
    blas.cuts.cache_clear()
    yield
    blas.cuts.cache_clear()


@pytest.mark.usefixtures("small_pieces")
def test_any_product():
    @settings(deadline=None, max_examples=60)
    @given(
        batch=st.sampled_from([((), ()), ((3,), ()), ((3,), (3,)), ((1, 4), (1, 4)), ((2, 1), (3,)), ((), (2, 3)), ((1,), (1,))]),
        rows=sizes, inner=sizes, columns=sizes, dtype=st.sampled_from(DTYPES), count=st.integers(1, 3),
        layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)), seed=st.integers(0, 2**31),
    )  # fmt: skip
    def run(batch, rows, inner, columns, dtype, count, layouts, seed):
        a = draw(seed, (*batch[0], rows, inner), dtype, layouts[0])
        b = draw(seed + 1, (*batch[1], inner, columns), dtype, layouts[1])
        with exactly(count):
            if batch == ((), ()):
                close(blas.mm(a, b), a, b)
                vector = draw(seed + 2, (inner,), dtype, layouts[1])
                close(blas.mv(a, vector), a, vector)
                assert np.allclose(blas.dot(vector, vector), vector.astype(np.float64) @ vector)
            close(blas.matmul(a, b), a, b)

    run()


SHAPES = [
    ((160, 204), (204, 68)), ((54, 274), (274, 122)), ((571, 28), (28, 120)), ((346, 888), (888, 7)), ((5, 542), (542, 480)),
    ((2, 300), (300, 400)), ((1, 300), (300, 400)), ((400, 300), (300,)), ((5000, 40), (40, 30)), ((20000,), (20000,)),
    ((64, 784), (784, 256)), ((70, 300), (300, 900)), ((3, 100, 70), (3, 70, 150)), ((4, 2, 90, 30), (2, 30, 90)),
    ((4, 30, 50), (50, 60)), ((1, 300, 200), (1, 200, 400)), ((3300, 700), (700,)), ((1, 3000), (3000, 800)), ((3300, 700), (700, 1)),
]  # fmt: skip


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES)
def test_no_number_of_threads_changes_a_bit(shapes, dtype, transposed):
    a, b = (draw(i, shape, dtype) for i, shape in enumerate(shapes))
    if transposed:
        a, b = (np.ascontiguousarray(x.mT).mT if x.ndim > 1 else x for x in (a, b))
    names = {(2, 2): "mm", (2, 1): "mv", (1, 1): "dot"}
    with use("auto"):
        kernel = REGISTRY[names.get((a.ndim, b.ndim), "matmul")].kernel
        before = blas.one_thread.number.value
        results = []
        try:
            for of_blas in (1, 2):
                blas.BLAS.set(of_blas)
                for count in (1, 2, 3):
                    with exactly(count):
                        results.append(kernel(a, b))
                assert blas.one_thread.number.value == of_blas
        finally:
            blas.BLAS.set(before)
    for other in results[1:]:
        assert np.array_equal(results[0], other)


PRODUCTS = [
    ((300, 200), (200, 130)), ((130, 200), (200, 300)), ((2, 1, 90, 80), (3, 80, 120)),
    ((2900, 800), (800,)), ((1, 800), (800, 2900)), ((2900, 800), (800, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layouts", [("contiguous", "contiguous"), ("permuted", "sliced"), ("negative", "permuted")])
@pytest.mark.parametrize("shapes", PRODUCTS)
def test_pieces_from_compiled_code_and_through_numpy(shapes, layouts, dtype, monkeypatch):
    """Any other BLAS than NumPy's OpenBLAS is called by np.matmul, in the same pieces."""
    a, b = (draw(i, shape, dtype, layout) for i, (shape, layout) in enumerate(zip(shapes, layouts, strict=True)))
    with exactly(2):
        assert blas.compiled() is not None
        multiply = blas.mv if b.ndim == 1 else blas.matmul
        close(multiply(a, b), a, b)
        monkeypatch.setattr(blas, "compiled", lambda: None)
        close(multiply(a, b), a, b)


def test_pieces_cover_everything_and_depend_on_the_shape_alone():
    for count, work in ((0, 0), (1, 10), (95, 10**9), (1000, 10**9), (1000, 5_000_000), (100_001, 10**8)):
        cut = blas.cuts(count, min(count, 70), 4 * work)
        assert cut == blas.cuts(min(count, 70), count, 4 * work)
        assert [i for part in cut for i in range(part.start, part.stop)] == list(range(count))
        assert len(cut) <= max(1, min(4, work // blas.PIECE, count // blas.LEAST))


def test_blas_has_its_threads_back_after_the_last_block():
    before = blas.one_thread.number.value
    blas.BLAS.set(2)
    try:
        found = []

        def inner():
            with blas.one_thread:
                found.append(blas.one_thread.number.value)

        with blas.one_thread:
            other = Thread(target=inner)
            other.start()
            other.join()
            found.append(blas.one_thread.number.value)
            found.append(blas.one_thread.call(lambda: blas.one_thread.users))
        assert found == [1, 1, 2] and blas.one_thread.number.value == 2
    finally:
        blas.BLAS.set(before)


def test_pieces_through_numpy_take_no_more_threads_than_there_are(monkeypatch):
    monkeypatch.setattr(blas, "compiled", lambda: None)
    numbers = []
    monkeypatch.setattr(threads, "each", lambda function, items, number: numbers.append(number))
    before = threads.get_num_threads()
    try:
        for count in (1, 2):
            threads.set_num_threads(count)
            blas.warm_all.cache_clear()
            blas.mv(np.ones((3300, 700), np.float32), np.ones(700, np.float32))
            blas.mm(np.ones((300, 200), np.float32), np.ones((200, 300), np.float32))
            assert set(numbers) == {count}
            numbers.clear()
    finally:
        threads.set_num_threads(before)
        blas.warm_all.cache_clear()


def test_an_error_reaches_the_caller_from_any_thread():
    def fail(part):
        raise KeyError(part)

    with pytest.raises(KeyError), blas.one_thread:
        blas.share_out(fail, [1, 2, 3], 2)
    assert blas.one_thread.users == 0


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_outer_products(layout, dtype):
    """Large enough for the kernel; exact, since nothing is added up."""
    a, b = draw(0, (300, 1), dtype, layout), draw(1, (1, 900), dtype, layout)
    for number in (1, 2):
        with exactly(number):
            found = blas.mm(a, b)
        assert found.dtype == dtype and np.array_equal(found, a * b)


def test_integers_and_bools_go_to_the_reference():
    a = np.arange(90_000).reshape(300, 300) % 7
    assert np.array_equal(blas.mm(a, a), a @ a) and np.array_equal(blas.matmul(a[None], a[None])[0], a @ a)
    for n in (2, 300):
        with pytest.raises(NotImplementedError, match="Bool"):
            blas.mm(np.ones((n, n), bool), np.ones((n, n), bool))
