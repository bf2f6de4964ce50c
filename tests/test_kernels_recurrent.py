"""The fused gates of LSTM and GRU cells: kernels against references in float64, and the operations against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly

import minitorch as mt
from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated
from minitorch.ops import recurrent

# The width of each input, in units of the hidden size.
INPUTS = {
    "lstm_gates": (4, 1),
    "lstm_gates_backward": (1, 1, 1, 1, 4),
    "gru_gates": (3, 3, 1),
    "gru_gates_backward": (1, 3, 1, 3),
}
CELLS = {"lstm_gates": recurrent.lstm_cell, "gru_gates": lambda *inputs: (recurrent.gru_cell(*inputs),)}


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(list(INPUTS)), count=st.integers(1, 20), size=st.integers(1, 40), dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS), scale=st.sampled_from([1.0, 30.0]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_gates(name, count, size, dtype, layout, scale, seed):
    arrays = [draw(seed + i, (count, n * size), dtype, layout) for i, n in enumerate(INPUTS[name])]
    arrays[0] = arrays[0] * np.asarray(scale, dtype)
    truth = REGISTRY[name].reference(*[a.astype(np.float64) for a in arrays])
    for threads in (1, 2):
        with exactly(threads):
            found = accelerated(name)(*arrays)
        for a, b in zip(found, truth, strict=True):
            assert a.dtype == dtype and a.shape == b.shape
            assert np.allclose(a, b, rtol=0, atol=16 * np.finfo(dtype).eps * max(1, abs(b).max()))


@pytest.mark.parametrize("name", CELLS)
def test_a_fused_cell_is_its_definition(name, monkeypatch):
    inputs = [mt.tensor(draw(i, (3, 4 * n), "float64"), requires_grad=True) for i, n in enumerate(INPUTS[name])]
    results = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr(recurrent, "_fused", lambda x: False)
        outputs = CELLS[name](*inputs)
        cotangents = [mt.tensor(draw(9 + i, (3, 4), "float64")) for i in range(len(outputs))]
        first = mt.autograd.grad(outputs, inputs, cotangents, create_graph=True)
        second = mt.autograd.grad([g.square().sum() for g in first], inputs)
        results.append([*outputs, *first, *second])
    for a, b in zip(*results, strict=True):
        assert mt.allclose(a, b, rtol=1e-12, atol=1e-12)
