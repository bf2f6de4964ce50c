"""Every operation in every narrow type, on one small sample of torch's database: what is refused, result types, values.

And of every primitive that runs meanwhile: half types are computed in float32 and rounded once at the end.
"""

import warnings
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from minitorch.core.state import state  # noqa: E402
from minitorch.core.tensor import Tensor, wrap  # noqa: E402
from minitorch.dtypes import NUMPY_HALF  # noqa: E402
from parity import checks, database  # noqa: E402
from parity.exceptions import known  # noqa: E402

NARROW = ("float32", "float16", "bfloat16", "int64", "uint8", "bool")
HALF = ("float16", "bfloat16")
NAMES = database.select(None, [])


def smallest(info, dtype):
    """The first sample that has elements."""
    found = database.samples(info, dtype, limit=3, made=3)
    return next((s for s in found if isinstance(s.args[0], torch.Tensor) and s.args[0].numel()), found[0])


def widened(x):
    return wrap(x.array.astype(np.float32)) if isinstance(x, Tensor) and x.array.dtype in NUMPY_HALF else x


def listed(value):
    return value if isinstance(value, tuple) else (value,)


@contextmanager
def watching(different):
    """Meanwhile compare each primitive on half types with itself in float32, rounded."""

    def watch(op, inputs, params):
        state.trace = None
        try:
            out = op.call(*inputs, **params)
            # write_view addresses memory: its parameters count bytes
            if op.name != "write_view" and any(isinstance(x, Tensor) and x.array.dtype in NUMPY_HALF for x in inputs):
                wide = op.call(*map(widened, inputs), **params)
                for a, b in zip(listed(out), listed(wide), strict=True):
                    rounded = b.array.astype(a.array.dtype)
                    if not np.array_equal(rounded.astype(np.float64), a.array.astype(np.float64), equal_nan=True):
                        different.append(f"{op.name} of {[str(x.dtype) for x in inputs if isinstance(x, Tensor)]}")
            return out
        finally:
            state.trace = watch

    state.trace = watch
    try:
        yield
    finally:
        state.trace = None


@pytest.mark.parametrize("name", NAMES)
def test_narrow_types(name):
    info = database.infos()[name]
    different = []
    with warnings.catch_warnings(), watching(different):
        warnings.simplefilter("ignore")
        for dtype in database.dtypes_for(info, NARROW, "cpu"):
            _, found = next(checks.check_forward(smallest(info, dtype)))
            if found and not known(name, "forward", dtype, found):
                different.append(f"{dtype}: {found.message}")
    assert not different, "\n".join(different)
