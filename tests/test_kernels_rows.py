"""The softmax and pooling kernels, and the exp inside, against float64 and torch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import DTYPES, LAYOUTS, draw, exactly, laid_out, rms

import minitorch as mt
import minitorch.nn.functional as F
from minitorch.core.op import REGISTRY
from minitorch.kernels.registry import accelerated

ROWS = ["softmax", "log_softmax"]
kernel = {name: accelerated(name) for row in ROWS for name in (row, f"{row}_backward")}
max_pool2d = accelerated("max_pool2d_with_indices")


def softmax(x, dim):
    powers = np.exp(x - x.max(dim, keepdims=True))
    return powers / powers.sum(dim, keepdims=True)


def log_softmax(x, dim):
    shifted = x - x.max(dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(dim, keepdims=True))


REFERENCE = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmax_backward": lambda g, y, dim: y * (g - (g * y).sum(dim, keepdims=True)),
    "log_softmax_backward": lambda g, y, dim: g - np.exp(y) * g.sum(dim, keepdims=True),
}


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(ROWS), shape=st.lists(st.integers(0, 40), min_size=1, max_size=3), dim=st.integers(-3, 2),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_softmax_and_its_gradient(name, shape, dim, scale, dtype, layout, seed):
    dim %= len(shape)
    x = laid_out(draw(seed, shape, dtype) * np.asarray(scale, dtype), layout)
    g = draw(seed + 1, shape, dtype, layout)
    y = kernel[name](x, dim=dim)
    back = kernel[f"{name}_backward"](g, y, dim=dim)
    assert y.shape == back.shape == x.shape and y.dtype == back.dtype == x.dtype
    if x.size:
        eps = 8 * np.finfo(dtype).eps
        truth = REFERENCE[name](x.astype(np.float64), dim)
        assert np.allclose(y, truth, rtol=eps, atol=eps * max(1, abs(truth).max() if name == "log_softmax" else 0))
        truth = REFERENCE[f"{name}_backward"](g.astype(np.float64), y.astype(np.float64), dim)
        assert np.allclose(back, truth, rtol=eps, atol=eps * abs(g).sum(dim, keepdims=True).max())


@pytest.mark.parametrize("name", kernel)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [10, 1000, 50_000])
def test_no_less_accurate_than_torch(name, dtype, width):
    torch = pytest.importorskip("torch")
    high = np.longdouble if dtype == "float64" else np.float64
    x, g = draw(0, (200_000 // width, width), dtype), draw(1, (200_000 // width, width), dtype)
    if "backward" in name:
        y = getattr(torch, name.removesuffix("_backward"))(torch.tensor(x), 1)
        theirs = getattr(torch.ops.aten, f"_{name}_data")(torch.tensor(g), y, 1, y.dtype).numpy()
        ours = kernel[name](g, y.numpy(), dim=1)
        truth = REFERENCE[name](g.astype(high), y.numpy().astype(high), 1)
    else:
        theirs = getattr(torch, name)(torch.tensor(x), 1).numpy()
        ours, truth = kernel[name](x, dim=1), REFERENCE[name](x.astype(high), 1)
    assert rms(ours - truth) <= 2 * rms(theirs - truth)


@pytest.mark.parametrize("name", ROWS)
def test_softmax_of_infinities_and_nan(name):
    inf, nan = np.inf, np.nan
    rows = np.array(
        [[1, nan, 2], [-inf, -inf, -inf], [inf, 0, 1], [-inf, 0, -inf], [nan] * 3, [-800, 0, 800]], "float32"
    )
    with np.errstate(all="ignore"):
        truth = REFERENCE[name](rows, 1)
    assert np.array_equal(kernel[name](rows, dim=1), truth, equal_nan=True)


@pytest.mark.parametrize("name", kernel)
def test_softmax_of_a_scalar_and_of_threads(name):
    scalar = np.array(3.0, "float32")
    arguments = [scalar] * (2 if "backward" in name else 1)
    assert kernel[name](*arguments, dim=0).shape == ()
    arguments = [draw(i, (300, 200), "float32") for i in range(len(arguments))]
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            results.append(kernel[name](*arguments, dim=1))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


# Max pooling.


def pool_reference(x, kernel_size, stride, padding, dilation, ceil_mode):
    torch = pytest.importorskip("torch")
    values, indices = torch.nn.functional.max_pool2d(
        torch.tensor(x), kernel_size, stride, padding, dilation, ceil_mode, return_indices=True
    )
    return values.numpy(), indices.numpy()


@settings(deadline=None, max_examples=50)
@given(
    planes=st.lists(st.integers(1, 3), max_size=2), kernel_size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    half=st.tuples(st.booleans(), st.booleans()), extra=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    ceil_mode=st.booleans(), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), rare=st.sampled_from(
        ["ties", "nan", "-inf"]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_max_pool(planes, kernel_size, stride, dilation, half, extra, ceil_mode, dtype, layout, rare, seed):
    padding = tuple(k // 2 if h else 0 for k, h in zip(kernel_size, half, strict=True))
    size = [max(1, d * (k - 1) + 1 - 2 * p) + e for k, d, p, e in
            zip(kernel_size, dilation, padding, extra, strict=True)]  # fmt: skip
    random = np.random.default_rng(seed)
    x = random.integers(-3, 4, (*planes, 1, *size)).astype(dtype)
    if rare != "ties":
        x[random.random(x.shape) < (0.1 if rare == "nan" else 0.7)] = float(rare)
    values, indices = pool_reference(x.reshape(-1, 1, *size), kernel_size, stride, padding, dilation, ceil_mode)
    found = max_pool2d(
        laid_out(x, layout),
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )
    assert found[0].dtype == x.dtype and found[1].dtype == np.int64
    assert np.array_equal(found[0].reshape(values.shape), values, equal_nan=True)
    assert np.array_equal(found[1].reshape(indices.shape), indices)


def test_max_pool_of_nothing_and_of_threads():
    two = dict(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False)
    values, indices = max_pool2d(np.zeros((0, 3, 8, 8), "float32"), **two)
    assert values.shape == indices.shape == (0, 3, 4, 4)
    x = draw(0, (4, 16, 31, 29), "float32")
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            results.append(max_pool2d(x, **two))
    for other in results[1:]:
        assert np.array_equal(results[0][0], other[0]) and np.array_equal(results[0][1], other[1])


@settings(deadline=None, max_examples=30)
@given(
    planes=st.lists(st.integers(0, 4), max_size=2), count=st.integers(0, 30), size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_scatter_planes(planes, count, size, dtype, layout, seed):
    z = draw(seed, (*planes, count, 1), dtype, layout)
    indices = laid_out(np.random.default_rng(seed).integers(0, size[0] * size[1], z.shape), layout)
    truth = np.zeros((int(np.prod(planes)), size[0] * size[1]))
    np.add.at(truth, (np.arange(len(truth))[:, None], indices.reshape(len(truth), count)), z.reshape(len(truth), count))
    found = accelerated("scatter_planes")(z, indices, size=(*planes, *size), n=2)
    assert found.shape == (*planes, *size) and found.dtype == z.dtype
    assert np.allclose(found.reshape(truth.shape), truth, rtol=0, atol=1e-5 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("index", [-1, 6])
def test_scatter_planes_outside(index):
    with exactly(2), pytest.raises(IndexError, match="scatter_planes"):
        accelerated("scatter_planes")(np.ones((2, 1, 1)), np.full((2, 1, 1), index), size=(2, 2, 3), n=2)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), batch=st.lists(st.integers(0, 3), max_size=2), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS),
       seed=st.integers(0, 2**31), ceil=st.booleans(), counted=st.booleans(), override=st.sampled_from([None, None, 7]))  # fmt: skip
def test_avg_pool(data, batch, dtype, layout, seed, ceil, counted, override):
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    size = tuple(data.draw(st.integers(k, 11)) for k in kernel)
    params = dict(
        kernel_size=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil,
        count_include_pad=counted,
        divisor_override=override,
    )
    x = draw(seed, (*batch, *size), dtype, layout)
    truth = REGISTRY["avg_pool2d"].reference(x, **params)
    g = draw(seed + 1, truth.shape, dtype, layout)
    truth_backward = REGISTRY["avg_pool2d_backward"].reference(g, size=x.shape, **params)
    for count in (1, 2):
        with exactly(count):
            found = accelerated("avg_pool2d")(x, **params)
            backward = accelerated("avg_pool2d_backward")(g, size=x.shape, **params)
        assert found.dtype == backward.dtype == x.dtype and found.shape == truth.shape and backward.shape == x.shape
        assert np.allclose(found, truth, 1e-5, 1e-5) and np.allclose(backward, truth_backward, 1e-5, 1e-5)


# exp.


@pytest.mark.parametrize(("dtype", "least"), [("float32", -87.0), ("float64", -708.0)])
def test_exp(dtype, least):
    from minitorch.kernels.elementary import exp
    from minitorch.kernels.jit import njit

    @njit
    def each(x, y):
        for i in range(len(x)):
            y[i] = exp(x[i])

    x = np.concatenate([np.linspace(least, 88, 20_001), [0, least, np.nan, -np.inf, 2 * least]]).astype(dtype)
    y = np.empty_like(x)
    each(x, y)
    truth = np.exp(x.astype(np.longdouble))
    finite = np.isfinite(x) & (x >= np.asarray(least, dtype))
    assert (abs(y[finite] - truth[finite]) <= 1.5 * np.finfo(dtype).eps / 2 * 1.5 * truth[finite]).all()
    assert y[-5] == 1 and np.isnan(y[-3]) and y[-2] == y[-1] == 0


# Losses of pairs.

LOSSES = {"mse": {}, "huber": dict(delta=0.8), "smooth_l1": dict(beta=0.6), "bce_with_logits": {}}


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from([*LOSSES]), shape=st.lists(st.integers(0, 20), max_size=3), reduction=st.sampled_from(["mean", "sum", "none"]),
    scale=st.sampled_from([0.01, 1.0, 50.0]), dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_losses_of_pairs(name, shape, reduction, scale, dtype, layout, seed):
    x, y = (laid_out(draw(seed + i, shape, dtype) * np.asarray(scale, dtype), layout) for i in (0, 1))
    params = dict(reduction=reduction, **LOSSES[name])
    with np.errstate(all="ignore"):
        found = accelerated(name)(x, y, **params)
        truth = REGISTRY[name].reference(x.astype(np.float64), y.astype(np.float64), **params)
    assert found.shape == truth.shape and found.dtype == dtype
    assert np.allclose(
        found, truth, rtol=100 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps * scale, equal_nan=True
    )


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_as_accurate_as_torchs_whatever_the_threads(name):
    torch = pytest.importorskip("torch")
    theirs = {"mse": "mse_loss", "huber": "huber_loss", "smooth_l1": "smooth_l1_loss"}
    function = getattr(torch.nn.functional, theirs.get(name, "binary_cross_entropy_with_logits"))
    errors = []
    for seed in range(8):
        x, y = (draw(2 * seed + i, (30_011,), "float32") for i in (0, 1))
        truth = REGISTRY[name].reference(x.astype(np.float64), y.astype(np.float64), reduction="mean", **LOSSES[name])
        results = []
        for count in (1, 2, 3):
            with exactly(count):
                results.append(accelerated(name)(x, y, reduction="mean", **LOSSES[name]))
        assert results[0] == results[1] == results[2]
        errors.append([results[0] - truth, function(torch.tensor(x), torch.tensor(y), **LOSSES[name]).item() - truth])
    ours, torchs = np.transpose(errors)
    assert rms(ours) <= 2 * rms(torchs) + 1e-8


@pytest.mark.parametrize("x", [np.inf, -np.inf, 200.0, -200.0, np.nan])
def test_cross_entropy_of_far_logits(x):
    for y in (0.0, 1.0):
        arrays = np.full(9, x, np.float32), np.full(9, y, np.float32)
        with np.errstate(all="ignore"):
            truth = REGISTRY["bce_with_logits"].reference(*arrays, reduction="sum")
        assert np.array_equal(accelerated("bce_with_logits")(*arrays, reduction="sum"), truth, equal_nan=True)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(1, 40), classes=st.integers(1, 70), scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]),
    reduction=st.sampled_from(["mean", "sum", "none"]), weighted=st.booleans(), ignored=st.sampled_from([-100, 0, 1]),
    dtype=st.sampled_from(DTYPES), layout=st.sampled_from(LAYOUTS), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_cross_entropy_of_classes(count, classes, scale, reduction, weighted, ignored, dtype, layout, seed):
    x = laid_out(draw(seed, (count, classes), dtype) * np.asarray(scale, dtype), layout)
    rng = np.random.default_rng(seed)
    target, weight = rng.integers(0, classes, count), rng.random(classes).astype(dtype) if weighted else None
    grad = draw(seed + 1, (count,) if reduction == "none" else (), dtype)
    options = dict(ignore_index=ignored, reduction=reduction)
    wide = x.astype(np.float64), target, None if weight is None else weight.astype(np.float64)
    eps = 16 * np.finfo(dtype).eps
    with np.errstate(all="ignore"):
        pairs = [
            (
                accelerated("cross_entropy_of_classes")(x, target, weight, **options),
                REGISTRY["cross_entropy_of_classes"].reference(*wide, **options),
            ),
            (
                accelerated("cross_entropy_backward")(grad, x, target, weight, **options),
                REGISTRY["cross_entropy_backward"].reference(grad.astype(np.float64), *wide, **options),
            ),
        ]
    for found, truth in pairs:
        assert found.dtype == dtype and np.shape(found) == np.shape(truth)
        assert np.allclose(
            found, truth, rtol=eps, atol=eps * np.max(abs(truth), initial=1, where=np.isfinite(truth)), equal_nan=True
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_its_definition(reduction):
    x = mt.tensor(draw(0, (30, 7), "float64"), requires_grad=True)
    target = mt.tensor(np.random.default_rng(0).integers(0, 7, 30))
    fused, parts = (
        F.cross_entropy(x, target, reduction=reduction),
        F.nll_loss(F.log_softmax(x, 1), target, reduction=reduction),
    )
    assert fused.grad_fn.op is REGISTRY["cross_entropy_of_classes"] and mt.allclose(fused, parts, atol=1e-14)
    assert mt.autograd.gradgradcheck(lambda x: F.cross_entropy(x, target, reduction=reduction), [x])
    for wrong in (-1, 7):
        with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds for 7 classes"):
            F.cross_entropy(x, mt.tensor([3] * 29 + [wrong]), reduction=reduction)
