"""Sums along axes and of rows by index, against the references in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly

from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(["sum_dims", "mean_dims"]), shape=st.lists(st.integers(1, 12), min_size=1, max_size=4), data=st.data(),
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
