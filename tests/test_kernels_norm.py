"""The normalisation kernels against the references in float64, against torch's accuracy, and over threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, rms

from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated

# (name, shape of the input, dims, shape of weight and bias), of every geometry in kernels/norm.py
CASES = [
    ("batch_norm_train", (3, 5, 4, 7), (0, 2, 3), (5, 1, 1)),
    ("batch_norm_train", (2, 3, 33, 40), (0, 2, 3), (3, 1, 1)),  # strips longer than a piece
    ("batch_norm_train", (9, 70), (0,), (70,)),  # columns, two blocks of them
    ("batch_norm_train", (4, 6, 1), (0, 2), (6, 1)),
    ("instance_norm", (2, 3, 5, 6), (2, 3), (3, 1, 1)),
    ("group_norm", (3, 2, 4, 5), (2, 3), (2, 4, 1)),
    ("group_norm", (3, 2, 4), (2,), (2, 4)),
    ("layer_norm", (70, 9), (1,), (9,)),  # two tasks of rows
    ("layer_norm", (2, 3, 4, 5), (2, 3), (4, 5)),
    ("layer_norm", (2, 1500), (1,), (1500,)),
    ("layer_norm", (6,), (0,), (6,)),
]
eps = 1e-3


def inputs_of(case, seed, dtype, weighted, layout="contiguous"):
    _, shape, dims, size = case
    x = draw(seed, shape, dtype, layout)
    weight, bias = (draw(seed + 1, size, dtype, layout), draw(seed + 2, size, dtype)) if weighted else (None, None)
    grad = draw(seed + 3, shape, dtype, layout)
    kept = [1 if d in dims else n for d, n in enumerate(shape)]
    return x, weight, bias, (grad, draw(seed + 4, kept, dtype), draw(seed + 5, kept, dtype))


def close(found, truth, dtype, of):
    """Within a few dozen roundings of the largest number that entered."""
    assert found.shape == truth.shape and found.dtype == dtype
    assert np.allclose(found, truth, rtol=0, atol=40 * np.finfo(dtype).eps * of)


@settings(deadline=None, max_examples=60)
@given(
    case=st.sampled_from(CASES), weighted=st.booleans(), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_norms_and_their_gradients(case, weighted, dtype, layout, seed):
    name, dims = case[0], case[2]
    x, weight, bias, grads = inputs_of(case, seed, dtype, weighted, layout)
    wide = [None if a is None else a.astype(np.float64) for a in (x, weight, bias, *grads)]
    results = accelerated(name)(x, weight, bias, dims=dims, eps=eps)
    truths = REGISTRY[name].reference(*wide[:3], dims=dims, eps=eps)
    for found, truth in zip(results, truths, strict=True):
        close(found, truth, dtype, 10 / np.sqrt(eps + float(truths[2].min())))
    found = accelerated("norm_backward")(*grads, x, results[1], results[2], weight, dims=dims, eps=eps)
    truth = REGISTRY["norm_backward"].reference(*wide[3:], wide[0], *truths[1:], wide[1], dims=dims, eps=eps)
    assert len(found) == len(truth) == (3 if weighted else 1)
    for a, b in zip(found, truth, strict=True):
        close(a, b, dtype, 10 * max(1, abs(b).max()) / (eps + float(truths[2].min())))


@settings(deadline=None, max_examples=20)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3), weighted=st.booleans(), dtype=st.sampled_from(DTYPES),
    layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_rms_norm(shape, weighted, dtype, layout, seed):
    dims = (len(shape) - 1,)
    x, g = draw(seed, shape, dtype, layout), draw(seed + 1, shape, dtype, layout)
    weight = draw(seed + 2, shape[-1:], dtype, layout) if weighted else None
    wide = [None if a is None else a.astype(np.float64) for a in (g, x, weight)]
    found = accelerated("root_mean_square_norm")(x, weight, dims=dims, eps=eps)
    close(found, REGISTRY["root_mean_square_norm"].reference(*wide[1:], dims=dims, eps=eps), dtype, 10)
    found = accelerated("rms_norm_backward")(g, x, weight, dims=dims, eps=eps)
    truth = REGISTRY["rms_norm_backward"].reference(*wide, dims=dims, eps=eps)
    for a, b in zip(found, truth, strict=True):
        close(a, b, dtype, 10 * max(1, abs(b).max()) / eps**0.5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_norm_with_given_statistics(layout):
    x = draw(0, (2, 5, 3, 4), "float32", layout)
    mean, var, weight, bias = [abs(draw(i, (5, 1, 1), "float32", layout)) for i in range(1, 5)]
    for parameters in ((weight, bias), (None, None), (weight, None)):
        found = accelerated("batch_norm_eval")(x, mean, var, *parameters, eps=eps)
        wide = [None if a is None else a.astype(np.float64) for a in (x, mean, var, *parameters)]
        close(found, REGISTRY["batch_norm_eval"].reference(*wide, eps=eps), np.float32, 10 / eps**0.5)


# Few elements of a channel and many; a last piece of every kind: of samples, of channels, of a long strip.
GIVEN = [(7, 3), (70, 1100), (21, 5, 2, 3), (1, 4, 31), (3, 5, 4, 8), (20, 5, 33, 31), (2, 2, 4999)]


@settings(deadline=None, max_examples=25)
@given(
    shape=st.sampled_from(GIVEN), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_weight_and_bias_with_given_statistics(shape, dtype, layout, seed):
    g, x = draw(seed, shape, dtype, layout), draw(seed + 1, shape, dtype, layout)
    mean, var = [abs(draw(seed + i, (shape[1], *[1] * (len(shape) - 2)), dtype, layout)) for i in (2, 3)]
    wide = [a.astype(np.float64) for a in (g, x, mean, var)]
    truths = REGISTRY["batch_norm_eval_weight"].reference(*wide, eps=eps)
    found = []
    for count in (1, 3):
        with exactly(count):
            found.append(accelerated("batch_norm_eval_weight")(g, x, mean, var, eps=eps))
    for one, other, truth in zip(*found, truths, strict=True):
        close(one, truth, dtype, 10 * max(1, abs(truth).max()) / eps**0.5)
        assert np.array_equal(one, other)


@pytest.mark.parametrize("shift", [0, 1000])
@pytest.mark.parametrize("shape", [(16, 8, 31, 30), (1000, 16), (60, 30, 5, 5)])
def test_given_statistics_are_no_less_accurate_than_in_torch(shape, shift):
    torch = pytest.importorskip("torch")
    x, g = draw(0, shape, "float32") + np.float32(shift), draw(1, shape, "float32")
    weight, bias, mean, var = [draw(i, shape[1:2], "float32") for i in range(2, 6)]
    mean, var = mean + np.float32(shift), var**2
    mine = [a.reshape(-1, *[1] * (len(shape) - 2)) for a in (mean, var)]
    results = {}
    for dtype in (torch.float32, torch.float64):
        inputs = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in (x, weight, bias)]
        given = [torch.tensor(a, dtype=dtype) for a in (mean, var)]
        theirs = torch.nn.functional.batch_norm(inputs[0], *given, *inputs[1:], eps=eps)
        results[dtype] = torch.autograd.grad(theirs, inputs, torch.tensor(g, dtype=dtype))[1:]
    found = accelerated("batch_norm_eval_weight")(g, x, *mine, eps=eps)
    for ours, theirs, truth in zip(found, results[torch.float32], results[torch.float64], strict=True):
        truth = truth.numpy()
        assert rms(ours.reshape(truth.shape) - truth) <= 2 * rms(theirs.numpy() - truth)


@pytest.mark.parametrize("shift", [0, 1000])
@pytest.mark.parametrize(
    "name, shape", [("batch_norm", (16, 8, 31, 30)), ("batch_norm", (1000, 16)), ("layer_norm", (90, 700))]
)
def test_no_less_accurate_than_torch(name, shape, shift):
    torch = pytest.importorskip("torch")
    x, g = draw(0, shape, "float32") + np.float32(shift), draw(1, shape, "float32")
    size, dims = ((shape[1],), (0, *range(2, len(shape)))) if name == "batch_norm" else (shape[1:], (1,))
    weight, bias = draw(2, size, "float32"), draw(3, size, "float32")
    per_channel = [a.reshape(-1, *[1] * (len(shape) - 2)) if name == "batch_norm" else a for a in (weight, bias)]
    kernel = "batch_norm_train" if name == "batch_norm" else name
    z, mean, var = accelerated(kernel)(x, *per_channel, dims=dims, eps=eps)
    none = np.zeros_like(mean)
    back = accelerated("norm_backward")(g, none, none, x, mean, var, per_channel[0], dims=dims, eps=eps)
    results = {}
    for dtype in (torch.float32, torch.float64):
        inputs = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in (x, weight, bias)]
        arguments = (None, None, *inputs[1:], True) if name == "batch_norm" else (size, *inputs[1:])
        theirs = getattr(torch.nn.functional, name)(inputs[0], *arguments, eps=eps)
        results[dtype] = [theirs, *torch.autograd.grad(theirs, inputs, torch.tensor(g, dtype=dtype))]
    for ours, theirs, truth in zip((z, *back), results[torch.float32], results[torch.float64], strict=True):
        truth = truth.detach().numpy()
        assert rms(ours.reshape(truth.shape) - truth) <= 2 * rms(theirs.detach().numpy() - truth)


@pytest.mark.parametrize("case", CASES[:8:2], ids=[f"{case[0]}{case[1]}" for case in CASES[:8:2]])
def test_the_number_of_threads_changes_nothing(case):
    name, _, dims, _ = case
    x, weight, bias, grads = inputs_of(case, 0, "float32", True)
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            z, mean, var = accelerated(name)(x, weight, bias, dims=dims, eps=eps)
            back = accelerated("norm_backward")(*grads, x, mean, var, weight, dims=dims, eps=eps)
            results.append([z, mean, var, *back])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
