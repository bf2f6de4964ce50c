"""The attention kernels against the reference in float64, torch's accuracy, and over threads; and the operation around."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, rms

import minitorch as mt
from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated

forward, backward = accelerated("attention"), accelerated("attention_backward")
MASKS = ["none", "causal", "pairs", "keys", "heads"]


def drawn(seed, batch, sizes, kind, dtype, layout="contiguous"):
    """(grad, grad of the logs), (q, k, v, mask), causal. A mask hides a fifth of the pairs, and from the first query all."""
    length, source, embedding, features = sizes
    shapes = ((length, embedding), (source, embedding), (source, features), (length, features), (length,))
    q, k, v, g, g_logs = (draw(seed + i, (*batch, *shape), dtype, layout) for i, shape in enumerate(shapes))
    mask = None
    if kind not in ("none", "causal"):
        shape = {"pairs": (length, source), "keys": (1, source), "heads": (*batch, length, source)}[kind]
        rng = np.random.default_rng(seed)
        mask = np.where(rng.random(shape) < 0.8, rng.standard_normal(shape), -np.inf).astype(dtype)
        mask.reshape(-1, source)[0] = -np.inf
    return (g, g_logs), (q, k, v, mask), kind == "causal"


@settings(deadline=None, max_examples=60)
@given(
    batch=st.lists(st.integers(1, 3), max_size=2), length=st.sampled_from([1, 5, 63, 64, 70, 130]),
    source=st.sampled_from([1, 7, 48, 49, 100]), embedding=st.integers(1, 20), features=st.integers(1, 33),
    kind=st.sampled_from(MASKS), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_attention_and_its_gradient(batch, length, source, embedding, features, kind, dtype, layout, seed):
    grads, inputs, causal = drawn(seed, batch, (length, source, embedding, features), kind, dtype, layout)
    wide = [None if a is None else a.astype(np.float64) for a in inputs]
    options = dict(scale=0.4, causal=causal)
    found = forward(*inputs, **options)
    truth = REGISTRY["attention"].reference(*wide, **options)
    seen = np.isfinite(truth[1])
    tolerance = 400 * np.finfo(dtype).eps
    assert found[0].dtype == dtype and found[0].shape == truth[0].shape and np.array_equal(seen, np.isfinite(found[1]))
    assert np.allclose(found[0], truth[0], rtol=0, atol=tolerance)
    assert np.allclose(found[1][seen], truth[1][seen], rtol=0, atol=tolerance)
    found = backward(*grads, *inputs[:3], *found, inputs[3], **options)
    wide_grads = [g.astype(np.float64) for g in grads]
    truth = REGISTRY["attention_backward"].reference(*wide_grads, *wide[:3], *truth, wide[3], **options)
    for a, b in zip(found, truth, strict=True):
        assert a.shape == b.shape and a.dtype == dtype
        assert np.allclose(a, b, rtol=0, atol=tolerance * max(1, abs(b).max()))


@pytest.mark.parametrize("causal", [False, True])
def test_no_less_accurate_than_torch(causal):
    torch = pytest.importorskip("torch")
    (g, g_logs), inputs, _ = drawn(0, (1, 2), (150, 150, 64, 64), "none", "float32")
    results = {}
    for dtype in (torch.float32, torch.float64):
        tensors = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in inputs[:3]]
        z = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
        results[dtype] = [z.detach(), *torch.autograd.grad(z, tensors, torch.tensor(g, dtype=dtype))]
    z, logs = forward(*inputs, scale=0.125, causal=causal)
    ours = [z, *backward(g, 0 * g_logs, *inputs[:3], z, logs, scale=0.125, causal=causal)]
    for a, b, truth in zip(ours, results[torch.float32], results[torch.float64], strict=True):
        assert rms(a - truth.numpy()) <= 2 * rms(b.numpy() - truth.numpy())


def test_the_number_of_threads_changes_nothing():
    grads, inputs, _ = drawn(0, (2, 3), (70, 90, 9, 17), "heads", "float32")
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            out = forward(*inputs, scale=0.3, causal=False)
            results.append([*out, *backward(*grads, *inputs[:3], *out, inputs[3], scale=0.3, causal=False)])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("kind", MASKS)
def test_both_gradients_of_the_operation(kind):
    _, (q, k, v, mask), causal = drawn(0, (2,), (3, 4, 2, 3), kind, "float64")
    if mask is not None:
        mask[np.isneginf(mask)] = -2.0  # finite differences see nothing at -inf
        mask = mt.tensor(mask)
    tensors = [mt.tensor(a, requires_grad=True) for a in (q, k, v)]

    def call(q, k, v):
        return REGISTRY["attention"].call(q, k, v, mask, scale=0.7, causal=causal)

    with mt.kernels.use("numba"):
        assert mt.autograd.gradcheck(call, tensors)
        assert mt.autograd.gradgradcheck(call, tensors)
