"""Recurrent layers: kernels against references in float64, and the fused operations against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, laid_out

import minitorch as mt
from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated
from minitorch.ops import recurrent

# Each operation's gates and inputs, by their names in ops/recurrent.py; g: the gradient of a sequence of states.
LAYERS = {
    "rnn_steps": (1, "x h w"),
    "rnn_steps_backward": (1, "g h w hs"),
    "lstm_steps": (4, "x h c w"),
    "lstm_steps_backward": (4, "g g x h c w hs cs gates"),
    "gru_steps": (3, "x h w b"),
    "gru_steps_backward": (3, "g x h w b hs gates"),
}
DEFINITIONS = {
    "rnn_steps": lambda x, h, w, **options: (recurrent.rnn(x, h, w, **options),),
    "lstm_steps": recurrent.lstm,
    "gru_steps": lambda x, h, w, b, **options: (recurrent.gru(x, h, w, b, **options),),
}


def inputs_of(name, steps, count, size, dtype, layout="contiguous", seed=0):
    gates, names = LAYERS[name]
    states, wide = (steps, count, size), (steps, count, gates * size)
    shapes = dict(
        x=wide, h=(count, size), c=(count, size), w=(gates * size, size), b=(gates * size,), g=states, hs=states, cs=states,
        gates=(steps, count, 4 * size),
    )  # fmt: skip
    scale = {"w": 0.5 / size**0.5}  # of norm about 1: a state's error does not grow from step to step
    drawn = [draw(seed + i, shapes[n], dtype) * scale.get(n, 1.0) for i, n in enumerate(names.split())]
    return [laid_out(array, layout) for array in drawn]


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(list(LAYERS)), steps=st.integers(1, 6), count=st.integers(1, 20), size=st.integers(1, 40),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), reverse=st.booleans(), relu=st.booleans(),
    bias=st.booleans(), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_kernels(name, steps, count, size, dtype, layout, reverse, relu, bias, seed):
    arrays = inputs_of(name, steps, count, size, dtype, layout, seed)
    if name == "gru_steps" and not bias:
        arrays[-1] = None
    params = dict(reverse=reverse) | (dict(relu=relu) if "rnn" in name else {})
    kept = [None if a is None else a.copy() for a in arrays]
    truth = REGISTRY[name].reference(*[a if a is None else a.astype(np.float64) for a in arrays], **params)
    for threads in (1, 2):
        with exactly(threads):
            found = accelerated(name)(*arrays, **params)
        for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, truth)), strict=True):
            assert a.dtype == dtype and a.shape == b.shape
            # A step hands its error on, times the norm of a random weight, to the next one.
            assert np.allclose(a, b, rtol=0, atol=32 * np.finfo(dtype).eps * max(1, abs(b).max()) * (1 + size) ** 0.5)
    for a, b in zip(arrays, kept, strict=True):
        assert a is None or np.array_equal(a, b)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_fused_layer_is_its_definition(name, reverse, monkeypatch):
    inputs = [mt.tensor(a, requires_grad=True) for a in inputs_of(name, 3, 2, 4, "float64")]
    results = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr(recurrent, "_fused", lambda x: False)
        outputs = DEFINITIONS[name](*inputs, reverse=reverse)
        cotangents = [mt.tensor(draw(9 + i, (3, 2, 4), "float64")) for i in range(len(outputs))]
        plain = mt.autograd.grad(outputs, inputs, cotangents, retain_graph=True)
        first = mt.autograd.grad(outputs, inputs, cotangents, create_graph=True)
        second = mt.autograd.grad([g.square().sum() for g in first], inputs)
        results.append([*outputs, *plain, *first, *second])
    for a, b in zip(*results, strict=True):
        assert mt.allclose(a, b, rtol=1e-12, atol=1e-12)
