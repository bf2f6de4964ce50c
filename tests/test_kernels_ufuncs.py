"""Elementwise functions in several threads: what NumPy computes in one, whatever the layout."""

import numpy as np
import pytest
from kernel_cases import DTYPES, LAYOUTS, draw, exactly

from minitorch.core.op import REGISTRY
from minitorch.kernels import threads, ufuncs
from minitorch.kernels.registry import UFUNCS

SHAPES = [
    ((40, 70), (40, 70)),
    ((6, 5, 4, 30), (5, 1, 1)),
    ((6, 5, 4, 30), (30,)),
    ((90, 7), ()),
    ((90, 7), (90, 1)),
    ((1, 700), (1, 700)),
]


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_nothing(name, dtype):
    kernel, ufunc = ufuncs.in_threads(UFUNCS[name]), UFUNCS[name]
    for shapes in SHAPES:
        for layout in LAYOUTS:
            arrays = [abs(draw(i, shape, dtype, layout)) + 1 for i, shape in enumerate(shapes)][: ufunc.nin]
            with exactly(2):
                found = kernel(*arrays)
            truth = ufunc(*arrays)
            assert found.dtype == truth.dtype and found.strides == truth.strides and np.array_equal(found, truth)


def test_what_is_shared_out():
    """Large contiguous arrays of one type, and nothing that would be broadcast to more, converted or laid out anew."""
    x = np.ones((40, 70), np.float32)
    with exactly(2):
        assert ufuncs.can_be_shared(x, [x]) and ufuncs.can_be_shared(x, [x[0]]) and ufuncs.can_be_shared(x, [])
        others = [x[:, :1], x[None], x.astype(np.float64), np.asfortranarray(x), np.ones((3, 40, 70), np.float32)]
        assert not any(ufuncs.can_be_shared(x, [other]) for other in others)
        assert not ufuncs.can_be_shared(x.T, []) and not ufuncs.can_be_shared(x[:1], [])
    with exactly(1):
        assert not ufuncs.can_be_shared(x, [x])


def test_the_operations_use_it():
    x = np.ones((1024, 512), np.float32)
    seen = []
    with exactly(2), pytest.MonkeyPatch.context() as patch:
        each = threads.each
        patch.setattr(threads, "each", lambda *arguments: (seen.append(1), each(*arguments)))
        for name, ufunc in UFUNCS.items():
            REGISTRY[name].kernel(*[x] * ufunc.nin)
    assert len(seen) == len(UFUNCS)


@pytest.mark.parametrize("name", UFUNCS)
def test_the_reference_is_the_function_of_numpy(name):
    """In its place the function itself runs: it has to refuse what the reference refuses."""
    for dtype in ("bool", "int64", "float16", "complex64"):
        arrays = [np.ones(3, dtype)] * UFUNCS[name].nin
        outcomes = []
        for function in (REGISTRY[name].reference, UFUNCS[name]):
            try:
                found = function(*arrays)
                outcomes.append((found.dtype, found.tolist()))
            except (TypeError, RuntimeError) as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]
