"""Reductions and running sums along axes, rows and elements by index, and transposed copies: against the references in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, laid_out, rms

from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(["sum_dims", "mean_dims"]), shape=st.lists(st.integers(1, 20), min_size=1, max_size=4), data=st.data(),
    keepdim=st.booleans(), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_sums_and_means(name, shape, data, keepdim, dtype, layout, seed):
    dim = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True)))
    x = draw(seed, shape, dtype, layout)
    found = accelerated(name)(x, dim=dim, keepdim=keepdim)
    truth = REGISTRY[name].reference(x.astype(np.float64), dim=dim, keepdim=keepdim)
    assert found.shape == truth.shape and found.dtype == dtype
    assert np.allclose(found, truth, rtol=0, atol=4 * np.finfo(dtype).eps * abs(x).sum())


def test_many_terms_lose_nothing():
    x = np.full((1_000_000, 8), 0.1, np.float32)
    truth = x.astype(np.float64).sum(0)
    for count in (1, 2):
        with exactly(count):
            found = accelerated("sum_dims")(x, dim=(0,), keepdim=False)
        # A block of 32 equal terms rounds the same way everywhere; one after the other would be off by 1e-2.
        assert (abs(found / truth - 1) < 5e-7).all()
    wide = draw(0, (3, 5, 2500), "float32")
    assert np.allclose(accelerated("sum_dims")(wide, dim=(1,), keepdim=False), wide.sum(1, dtype=np.float64), atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(["var_dims", "std_dims", "vector_norm_dims", "logsumexp_dims"]), data=st.data(), last=st.sampled_from([1, 9, 1500]),
    shape=st.lists(st.integers(1, 6), max_size=3), far=st.sampled_from([0, 100]), keepdim=st.booleans(),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_variances_norms_and_logsumexp(name, data, last, shape, far, keepdim, dtype, layout, seed):
    x = draw(seed, [*shape, last], dtype, layout) + np.asarray(far, dtype)
    dim = tuple(sorted(data.draw(st.lists(st.integers(0, x.ndim - 1), unique=True))))
    others = {"vector_norm_dims": dict(ord=data.draw(st.sampled_from([1, 2, 3]))), "logsumexp_dims": {}}
    params = dict(dim=dim, keepdim=keepdim, **others.get(name, dict(correction=data.draw(st.sampled_from([0, 1])))))
    with np.errstate(all="ignore"):
        found = accelerated(name)(x, **params)
        truth = REGISTRY[name].reference(x.astype(np.float64), **params)
    assert found.shape == truth.shape and found.dtype == dtype
    assert np.allclose(found, truth, rtol=50 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps, equal_nan=True)


@pytest.mark.parametrize("name", ["sum_all", "mean_all"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_elements(name, layout):
    for size in (1, 1023, 70_001):
        x = draw(size, (size,), "float32", layout)
        truth = REGISTRY[name].reference(x.astype(np.float64))
        assert np.allclose(
            accelerated(name)(x), truth, rtol=0, atol=1e-7 * abs(x).sum() / (size if "mean" in name else 1)
        )
    assert accelerated("sum_all")(np.ones(0, np.float32)) == 0


def test_logsumexp_of_infinities():
    inf, nan = np.inf, np.nan
    x = np.array([[-inf] * 3, [inf, 0, 1], [inf, -inf, 0], [nan, 0, inf], [-inf, 2, -inf]], "float32")
    with np.errstate(all="ignore"):
        found = accelerated("logsumexp_dims")(x, dim=(1,), keepdim=False)
    assert np.array_equal(found, np.array([-inf, inf, inf, nan, 2], "float32"), equal_nan=True)


def test_reductions_are_as_accurate_as_torchs():
    torch = pytest.importorskip("torch")
    x = draw(0, (16, 100_000), "float32") + 10
    theirs = {"sum_dims": torch.sum, "var_dims": torch.var, "vector_norm_dims": torch.linalg.vector_norm,
              "logsumexp_dims": torch.logsumexp}  # fmt: skip
    for name, function in theirs.items():
        params = {"var_dims": dict(correction=1), "vector_norm_dims": dict(ord=2)}.get(name, {})
        truth = REGISTRY[name].reference(x.astype(np.float64), dim=(1,), keepdim=False, **params)
        found = accelerated(name)(x, dim=(1,), keepdim=False, **params)
        assert rms(found - truth) <= 2 * rms(function(torch.tensor(x), dim=1).numpy() - truth) + 1e-8 * rms(truth)


def test_threads_change_nothing():
    x = draw(0, (70, 5000), "float32")
    index = np.random.default_rng(0).integers(0, 70, (70,))
    calls = [
        lambda: accelerated("sum_dims")(x, dim=(1,), keepdim=False),
        lambda: accelerated("sum_all")(x),
        lambda: accelerated("var_dims")(x, dim=(0, 1), correction=1, keepdim=False),
        lambda: accelerated("cumsum_dim")(x, dim=1, reverse=True),
        lambda: accelerated("cumsum_dim")(x, dim=0, reverse=False),
        lambda: accelerated("add_at")(x, index, size=(70, 5000)),
        lambda: accelerated("copied")(x.T, order="C"),
    ]
    for call in calls:
        results = []
        for count in (1, 2, 3):
            with exactly(count):
                results.append(call())
        assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


@settings(deadline=None, max_examples=40)
@given(
    shape=st.lists(st.integers(0, 12), min_size=1, max_size=3), dim=st.integers(0, 2), reverse=st.booleans(),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_running_sums(shape, dim, reverse, dtype, layout, seed):
    x, dim = draw(seed, shape, dtype, layout), dim % len(shape)
    found = accelerated("cumsum_dim")(x, dim=dim, reverse=reverse)
    truth = REGISTRY["cumsum_dim"].reference(x.astype(np.float64), dim=dim, reverse=reverse)
    assert found.dtype == dtype and found.flags.c_contiguous
    assert np.allclose(found, truth, rtol=0, atol=4 * np.finfo(dtype).eps * abs(x).sum())


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4), data=st.data(), dtype=st.sampled_from(DTYPES),
    order=st.sampled_from(["C", "K"]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_transposed_copies(shape, data, dtype, order, seed):
    turned = draw(seed, shape, dtype).transpose(data.draw(st.permutations(range(len(shape)))))
    for x in (turned, turned[..., ::-1], turned[1:]):
        found, expected = accelerated("copied")(x, order=order), REGISTRY["copied"].reference(x, order=order)
        assert np.array_equal(found, expected) and found.strides == expected.strides and not np.shares_memory(found, x)


@settings(deadline=None, max_examples=80)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), dim=st.integers(0, 3), count=st.integers(0, 7),
    data=st.data(), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_elements_read_and_added_along_a_dimension(sizes, dim, count, data, dtype, layout, seed):
    dim %= len(sizes)
    shape = [count if d == dim else data.draw(st.integers(1, n)) for d, n in enumerate(sizes)]
    index = laid_out(np.random.default_rng(seed).integers(0, sizes[dim], shape), layout)
    x, g = draw(seed, sizes, dtype, layout), draw(seed + 1, shape, dtype, layout)
    assert np.array_equal(
        accelerated("gather_at")(x, index, dim=dim), REGISTRY["gather_at"].reference(x, index, dim=dim)
    )
    found = accelerated("scatter_zeros")(g, index, dim=dim, size=tuple(sizes))
    truth = REGISTRY["scatter_zeros"].reference(g.astype(np.float64), index, dim=dim, size=tuple(sizes))
    assert found.dtype == dtype and np.allclose(found, truth, atol=1e-5)
    place = np.array(index.reshape(-1)[:4] - sizes[dim])  # negative ones count from the end
    values = draw(seed, (*sizes[:dim], place.size, *sizes[dim + 1 :]), dtype, layout)
    indices = (*[None] * dim, place)
    found = accelerated("add_at")(values, *indices, size=tuple(sizes))
    truth = REGISTRY["add_at"].reference(values.astype(np.float64), *indices, size=tuple(sizes))
    assert found.dtype == dtype and np.allclose(found, truth, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3), dim=st.integers(0, 2), count=st.integers(1, 9),
    taps=st.integers(1, 3), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
    weighted=st.booleans(),
)  # fmt: skip
def test_resampling(shape, dim, count, taps, dtype, layout, seed, weighted):
    dim %= len(shape)
    index = np.random.default_rng(seed).integers(0, shape[dim], (count, taps if weighted else 1))
    weight = draw(seed + 1, index.shape, "float64") if weighted else None
    x, params = draw(seed, shape, dtype, layout), dict(dim=dim, index=index, weight=weight)
    g = draw(seed + 2, [count if d == dim else n for d, n in enumerate(shape)], dtype, layout)
    for name, array, more in (("resample", x, {}), ("resample_adjoint", g, dict(size=shape[dim]))):
        found = accelerated(name)(array, **params, **more)
        truth = REGISTRY[name].reference(array.astype(np.float64), **params, **more)
        assert found.shape == truth.shape and found.dtype == dtype
        assert np.allclose(found, truth, rtol=0, atol=200 * np.finfo(dtype).eps)


def test_places_outside_are_an_error():
    x, index = draw(0, (3, 4), "float32"), np.full((3, 4), 4)
    for call in (
        lambda: accelerated("gather_at")(x, index, dim=1),
        lambda: accelerated("gather_at")(x, -index, dim=0),
        lambda: accelerated("scatter_zeros")(x, index, dim=1, size=(3, 4)),
        lambda: accelerated("scatter_zeros")(x, index, dim=0, size=(3, 4)),
        lambda: accelerated("add_at")(x, index[:, 0], size=(4, 4)),
    ):
        with pytest.raises(IndexError, match="out of bounds"):
            call()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_added_up(layout):
    g, index = draw(0, (4, 3, 5), "float32", layout), np.random.default_rng(0).integers(0, 6, (4, 3))
    for coefficient in (None, draw(1, (4, 3), "float64")):
        found = accelerated("add_rows")(g, index, size=(6, 5), coefficient=coefficient)
        truth = REGISTRY["add_rows"].reference(g.astype(np.float64), index, size=(6, 5), coefficient=coefficient)
        assert found.dtype == np.float32 and np.allclose(found, truth, atol=1e-5)
    assert accelerated("add_rows")(g[:0], index[:0], size=(6, 5), coefficient=None).shape == (6, 5)
    with pytest.raises(IndexError, match="add_rows"):
        accelerated("add_rows")(g, index + 1, size=(6, 5), coefficient=None)


@settings(deadline=None, max_examples=40)
@given(
    shape=st.lists(st.integers(1, 70), min_size=1, max_size=2), dim=st.integers(-2, 1), k=st.integers(0, 40),
    largest=st.booleans(), levels=st.sampled_from([2, 30, 10**6]), nan=st.booleans(), dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_topk_is_the_beginning_of_a_stable_sort(shape, dim, k, largest, levels, nan, dtype, layout, seed):
    draws = np.random.default_rng(seed)
    x = (draws.integers(-levels, levels, shape) / 7).astype(dtype)  # few levels: equal numbers
    if nan:
        x = np.where(draws.random(shape) < 0.1, np.nan, x).astype(dtype)
    dim %= len(shape)
    k = min(k, shape[dim])
    values, places = accelerated("topk_dim")(laid_out(x, layout), k=k, dim=dim, largest=largest)
    order = REGISTRY["sort_dim"].reference(x, dim=dim, descending=largest)[1].take(np.arange(k), dim)
    assert np.array_equal(places, order)
    assert np.array_equal(values, np.take_along_axis(x, order, dim), equal_nan=True)
    assert values.dtype == x.dtype and places.dtype == np.int64


def test_topk_does_not_depend_on_threads():
    x = draw(0, (300, 200), "float32")
    results = []
    for count in (1, 3):
        with exactly(count):
            results.append(accelerated("topk_dim")(x, k=9, dim=1, largest=True))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
