"""The kernels of sin and cos against float64: units in the last place, near multiples of pi, large numbers, awkward memory."""

import numpy as np
import pytest
from kernel_cases import LAYOUTS, draw, exactly

from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated


def numbers():
    """Ordinary ones, those next to multiples of pi / 2, and some of every size."""
    whole = np.arange(-100_000, 100_000)
    multiples = np.concatenate([whole, whole * 7]) * (np.pi / 2)
    sizes = draw(1, (50_000,), "float64") * np.exp(draw(2, (50_000,), "float64") * 12)
    return np.concatenate([draw(0, (50_000,), "float64"), multiples, sizes, [2.0**20, 2.0**60, 1e38]]).astype(
        np.float32
    )


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_as_good_as_rounded(name):
    x = numbers()
    truth = REGISTRY[name].reference(x.astype(np.float64))
    for threads in (1, 2):
        with exactly(threads):
            found = accelerated(name)(x)
        assert found.dtype == np.float32
        assert np.max(abs(found - truth) / np.spacing(abs(truth).astype(np.float32))) < 0.61


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_awkward_memory_and_special_values(name):
    kernel, reference = accelerated(name), REGISTRY[name].reference
    for layout in LAYOUTS:
        for dtype in ("float32", "float64"):
            array = draw(3, (3, 4, 5), dtype, layout)
            found = kernel(array)
            assert found.shape == (3, 4, 5) and found.dtype == dtype
            assert np.allclose(found, reference(array.astype(np.float64)), rtol=1e-6, atol=0)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
    with np.errstate(invalid="ignore"):
        truth = reference(special)
    found = kernel(special)
    assert np.array_equal(found, truth, equal_nan=True) and np.array_equal(np.signbit(found), np.signbit(truth))
    for shape in ((), (0,), (2, 0, 3)):
        assert kernel(np.ones(shape, np.float32)).shape == shape
