"""Pooling and normalisation: values, gradients, second gradients as in torch, and the behaviour at awkward points."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import minitorch  # noqa: E402
import minitorch.nn.functional as F  # noqa: E402
from minitorch.autograd import grad, gradcheck, gradgradcheck  # noqa: E402
from minitorch.core.op import REGISTRY  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.against_torch import LAYOUTS, hold, same_error  # noqa: E402
from tests.both_libraries import agree  # noqa: E402

rng = np.random.default_rng(0)
nan, inf = math.nan, math.inf


def normal(*shape, dtype=np.float64):
    return rng.standard_normal(shape).astype(dtype)


# Pooling.

IMAGES = {1: (2, 3, 9), 2: (2, 3, 7, 6), 3: (2, 2, 5, 6, 4)}
WINDOWS = [
    dict(kernel_size=2),
    dict(kernel_size=3, stride=2, padding=1),
    dict(kernel_size=3, stride=2, ceil_mode=True),
    dict(kernel_size=3, stride=3, padding=1, ceil_mode=True),
    dict(kernel_size=2, stride=1),  # windows overlap
]


@pytest.mark.parametrize("arguments", WINDOWS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_max_pool(n, arguments):
    for extra in ({}, dict(dilation=2), dict(return_indices=True)):
        if "dilation" in extra and n == 3:
            continue
        hold(f"nn.functional.max_pool{n}d", normal(*IMAGES[n]), **arguments, **extra)
    hold(f"nn.functional.max_pool{n}d", normal(*IMAGES[n][1:]), **arguments)


@pytest.mark.parametrize("arguments", WINDOWS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_avg_pool(n, arguments):
    for extra in ({}, dict(count_include_pad=False), dict(divisor_override=5)):
        if "divisor_override" in extra and n == 1:
            continue
        hold(f"nn.functional.avg_pool{n}d", normal(*IMAGES[n]), **arguments, **extra)
    hold(f"nn.functional.avg_pool{n}d", normal(*IMAGES[n][1:]), **arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_layouts_and_pairs(name, layout):
    hold(f"nn.functional.{name}", normal(2, 3, 7, 6), (3, 2), (2, 1), (1, 0), layout=layout)


def test_which_maximum_is_taken():
    for values, window in (
        ([[nan, 1, nan], [2, nan, 0]], (2, 3)),  # nan wins, the last of several
        ([[1, 1, 1], [1, 1, 1]], (2, 3)),  # the first of equals
        ([[-inf, -inf], [-inf, -inf]], 2),
        ([[0.0, -0.0]], (1, 2)),
    ):
        hold("nn.functional.max_pool2d", np.array([values]), window, return_indices=True)
    nothing = np.full((1, 5, 5), -inf)
    for arguments in (dict(stride=1, padding=1), dict(stride=2, padding=1, dilation=2), dict(stride=2, ceil_mode=True)):
        hold("nn.functional.max_pool2d", nothing, 3, **arguments, return_indices=True)


def test_types_of_pooling():
    for dtype in (np.int64, np.int32, np.int8, np.uint8):
        hold("nn.functional.max_pool2d", rng.integers(0, 9, (1, 2, 4, 4)).astype(dtype), 2, padding=1)
    values = rng.integers(-20, 20, (1, 2, 4, 4))
    for divisor in (None, 3, -3):  # rounded towards zero
        hold("nn.functional.avg_pool2d", values, 2, divisor_override=divisor)
    for name in ("max_pool2d", "avg_pool2d"):
        hold(f"nn.functional.{name}", normal(1, 2, 4, 4, dtype=np.float16), 2, order=0)
        same_error(f"nn.functional.{name}", np.ones((1, 4, 4), bool), 2)
    same_error("nn.functional.max_pool1d", np.ones((1, 4), np.int64), 2)
    same_error("nn.functional.avg_pool2d", np.ones((1, 4, 4), np.int32), 2)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_any_window(data):
    n = data.draw(st.integers(1, 3))
    kernel = [data.draw(st.integers(1, 4)) for _ in range(n)]
    arguments = dict(
        kernel_size=kernel,
        stride=[data.draw(st.integers(1, 4)) for _ in range(n)],
        padding=[data.draw(st.integers(0, k // 2)) for k in kernel],
        ceil_mode=data.draw(st.booleans()),
    )
    shape = (2, *[k + data.draw(st.integers(0, 4)) for k in kernel])
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-2, 3, shape).astype(float)  # many ties
    hold(f"nn.functional.max_pool{n}d", values, **arguments, return_indices=True)
    hold(f"nn.functional.avg_pool{n}d", values, **arguments, count_include_pad=data.draw(st.booleans()))


@pytest.mark.parametrize("name", ["avg", "max"])
def test_adaptive(name):
    for n, sizes in ((1, [1, 2, 4, 7, 9, 13]), (2, [1, (2, 3), (None, 4), (7, 9)]), (3, [1, (2, None, 3)])):
        for size in sizes:
            hold(f"nn.functional.adaptive_{name}_pool{n}d", normal(*IMAGES[n]), size)
            hold(f"nn.functional.adaptive_{name}_pool{n}d", normal(*IMAGES[n][1:]), size, layout="permuted")
    hold(f"nn.functional.adaptive_{name}_pool2d", normal(2, 3, 4, 5), (0, 2), order=0)
    if name == "max":
        values = np.array([[[nan, 1, nan], [2, nan, 0], [1, 1, 1]]])
        hold("nn.functional.adaptive_max_pool2d", values, 2, return_indices=True, order=0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpool(n):
    pooled, indices = getattr(torch.nn.functional, f"max_pool{n}d")(
        torch.from_numpy(normal(2, 3, *[6] * n)), 2, return_indices=True
    )
    pooled, indices = pooled.numpy(), indices.numpy()
    hold(f"nn.functional.max_unpool{n}d", pooled, indices, 2)
    hold(f"nn.functional.max_unpool{n}d", pooled[0], indices[0], 2, output_size=(7,) * n, order=1)
    name = f"nn.functional.max_unpool{n}d"
    same_error(name, pooled, indices, 2, output_size=(9,) * n)
    same_error(name, pooled, indices + 1000, 2)
    same_error(name, pooled, indices.astype(np.int32), 2)
    same_error(name, pooled, indices[0], 2)


def test_power_means():
    for n in (1, 2, 3):
        for p in (2, 3.0, inf):
            hold(f"nn.functional.lp_pool{n}d", np.abs(normal(*IMAGES[n])), p, 2, order=1)
    hold("nn.functional.lp_pool2d", np.zeros((1, 4, 4)), 2, 2, order=1)  # gradient 0 where the root's is inf
    hold("nn.functional.lp_pool2d", normal(2, 4, 5), 2, (2, 3), 1, True, order=1)


@pytest.mark.parametrize(
    "shape, arguments",
    [
        ((5,), dict(kernel_size=2)),
        ((2, 3, 5, 5), dict(kernel_size=6)),
        ((2, 3, 5, 5), dict(kernel_size=2, padding=2)),
        ((2, 3, 5, 5), dict(kernel_size=2, padding=-1)),
        ((2, 3, 5, 5), dict(kernel_size=2, stride=0)),
        ((2, 3, 5, 5), dict(kernel_size=0)),
        ((2, 3, 5, 5), dict(kernel_size=(2, 2, 2))),
        ((2, 3, 5, 5), dict(kernel_size=2, stride=(1, 2, 3))),
        ((2, 0, 5, 5), dict(kernel_size=2)),
        ((2, 3, 0, 5), dict(kernel_size=2)),
    ],
    ids=str,
)
def test_bad_pooling(shape, arguments):
    same_error("nn.functional.max_pool2d", normal(*shape), **arguments)
    if len(shape) > 2:
        same_error("nn.functional.avg_pool2d", normal(*shape), **arguments)


def test_more_bad_pooling():
    same_error("nn.functional.max_pool2d", normal(3, 5, 5), 2, dilation=0)
    same_error("nn.functional.avg_pool2d", normal(3, 5, 5), 2, divisor_override=0)
    for name in ("avg", "max"):
        name = f"nn.functional.adaptive_{name}_pool2d"
        same_error(name, normal(5, 5), 2)
        same_error(name, normal(5, 5), (2, 2))
        same_error(name, normal(3, 5, 5), -1)
        same_error(name, normal(3, 0, 5), 2)
        same_error(name, np.ones((3, 5, 5), np.int64), 2)
    hold("nn.functional.max_pool2d", normal(0, 3, 5, 5), 2)
    hold("nn.functional.avg_pool2d", normal(0, 3, 5, 5), 2)


# Normalisation.


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape, affine):
    parameters = [normal(3), normal(3)] if affine else [None, None]
    hold("nn.functional.batch_norm", normal(*shape), None, None, *parameters, True)
    ours = [wrap(normal(3)), wrap(np.abs(normal(3)))]
    running = [t.array.copy() for t in ours]
    both = [torch.from_numpy(a.copy()) for a in running]
    x = normal(*shape)
    for momentum in (0.1, 0.0, 1.0):
        F.batch_norm(wrap(x), *ours, training=True, momentum=momentum)
        torch.nn.functional.batch_norm(torch.from_numpy(x), *both, training=True, momentum=momentum)
        for mine, true in zip(ours, both, strict=True):
            assert_same(mine, true)
    assert ours[0]._version == 3

    def evaluate(lib, *tensors):
        statistics = ours if lib is minitorch else both
        return lib.nn.functional.batch_norm(tensors[0], *statistics, *tensors[1:])

    agree(evaluate, x, *[p for p in parameters if p is not None])
    assert ours[0]._version == 3


@pytest.mark.parametrize("wanted", ["x", "w", "b", "xw", "wb", "xwb"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_norm_with_frozen_statistics(wanted, layout):
    """Any of the gradients alone, and the gradients of those."""
    given = dict(x=normal(4, 3, 5), w=normal(3), b=normal(3))
    mean, var = normal(3), normal(3) ** 2

    def evaluate(lib, *tensors):
        fixed = {name: lib.tensor(values) for name, values in given.items()}
        x, w, b = {**fixed, **dict(zip(wanted, tensors, strict=True))}.values()
        return lib.nn.functional.batch_norm(x, lib.tensor(mean), lib.tensor(var), w, b, eps=0.1)

    agree(evaluate, *[given[name] for name in wanted], layout=layout, order=3 if layout == "contiguous" else 2)


def test_frozen_statistics_without_weight_or_bias():
    for weight, bias in ((None, normal(3)), (normal(3), None), (None, None)):
        for shape in ((4, 3), (2, 3, 4, 2)):
            agree(
                lambda lib, x, *rest, weight=weight: lib.nn.functional.batch_norm(
                    x, lib.zeros(3, dtype=lib.float64), lib.ones(3, dtype=lib.float64),
                    rest[0] if weight is not None else None, rest[-1] if rest and weight is None else None,
                ),
                normal(*shape), *[a for a in (weight, bias) if a is not None],
                order=2 if bias is None else 1,  # torch's own second derivative fails with a bias alone
            )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("wide", [True, False])
def test_half_types_with_frozen_statistics(dtype, wide):
    """The gradients are summed in float32 and rounded once."""
    x, g, *vectors = normal(4, 3, 5), normal(4, 3, 5), normal(3), normal(3), normal(3), normal(3) ** 2
    results = []
    for lib in (minitorch, torch):
        half = getattr(lib, dtype)
        tensors = [lib.tensor(a).to(lib.float32 if wide else half) for a in vectors]
        leaves = [lib.tensor(x).to(half), *tensors[:2]]
        z = lib.nn.functional.batch_norm(
            leaves[0].requires_grad_(), *tensors[2:], *[t.requires_grad_() for t in leaves[1:]]
        )
        results.append([z, *lib.autograd.grad(z, leaves, lib.tensor(g).to(half))])
    for mine, true in zip(*results, strict=True):
        assert_same(mine, true)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_norms(layout):
    hold("nn.functional.batch_norm", normal(3, 4, 5), None, None, normal(4), normal(4), True, layout=layout)
    hold("nn.functional.layer_norm", normal(3, 4, 5), (4, 5), normal(4, 5), normal(4, 5), layout=layout)
    hold("nn.functional.group_norm", normal(3, 4, 5), 2, normal(4), normal(4), layout=layout)
    hold("nn.functional.instance_norm", normal(3, 4, 5), None, None, normal(4), normal(4), layout=layout)
    hold("nn.functional.rms_norm", normal(3, 4, 5), (5,), normal(5), layout=layout)
    hold("nn.functional.local_response_norm", normal(3, 4, 5), 3, layout=layout)


def test_other_norms():
    for affine in (True, False):
        w, b = (normal(6), normal(6)) if affine else (None, None)
        for groups in (1, 2, 3, 6):
            hold("nn.functional.group_norm", normal(2, 6, 3, 2), groups, w, b)
        hold("nn.functional.instance_norm", normal(2, 6, 3, 2), None, None, w, b)
        hold("nn.functional.layer_norm", normal(4, 6), (6,), w, b, 0.1)
        hold("nn.functional.rms_norm", normal(4, 6), (6,), w, 0.1)
    hold("nn.functional.layer_norm", normal(2, 3, 4), (4,), None, normal(4), order=1)
    hold("nn.functional.layer_norm", normal(2, 3, 4), (2, 3, 4))
    for size in (1, 2, 5):
        hold("nn.functional.local_response_norm", normal(2, 4, 3, 2), size, 0.5, 0.6, 2.0)


def test_running_statistics_of_instance_norm():
    x, mean, var = normal(3, 2, 4), normal(2), np.abs(normal(2))
    ours, theirs = [wrap(mean.copy()), wrap(var.copy())], [torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())]
    assert_same(F.instance_norm(wrap(x), *ours), torch.nn.functional.instance_norm(torch.from_numpy(x), *theirs))
    for mine, true in zip(ours, theirs, strict=True):
        assert_same(mine, true)
    mine = F.instance_norm(wrap(x), *ours, use_input_stats=False)
    assert_same(mine, torch.nn.functional.instance_norm(torch.from_numpy(x), *theirs, use_input_stats=False))


def test_third_derivatives():
    """Against the formula in torch's own operations (torch's layer norm has no right third derivative)."""

    def formula(lib, x, w, b):
        if lib is minitorch:
            return F.layer_norm(x, (4,), w, b, 0.1)
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 0.1).sqrt() * w + b

    agree(formula, normal(3, 4), normal(4), normal(4), order=3)


NORMS = [("batch_norm_train", (0, 2), (4, 1)), ("layer_norm", (1, 2), (4, 3)), ("group_norm", (2,), (4, 1))]


@pytest.mark.parametrize("name, dims, weight_shape", NORMS)
def test_all_outputs_have_right_gradients(name, dims, weight_shape):
    """The operation also gives the mean and the variance; their gradients reach the input too."""
    call = REGISTRY[name].call
    inputs = [wrap(normal(2, 4, 3)), wrap(normal(*weight_shape)), wrap(normal(*weight_shape))]
    inputs = [t.requires_grad_() for t in inputs]
    assert gradcheck(lambda x, w, b: call(x, w, b, dims=dims, eps=0.1), inputs)
    assert gradgradcheck(lambda x, w, b: call(x, w, b, dims=dims, eps=0.1), inputs)


@pytest.mark.parametrize("weighted", [True, False])
def test_fused_backward_is_its_composite(weighted):
    dims, eps = (0, 2), 1e-3
    x = normal(3, 4, 5)
    g, g_mean, g_var = normal(3, 4, 5), normal(1, 4, 1), normal(1, 4, 1)
    weight = normal(4, 1) if weighted else None
    _, mean, var = REGISTRY["batch_norm_train"].reference(x, dims=dims, eps=eps)
    np.testing.assert_allclose(mean, x.mean(dims, keepdims=True), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(var, x.var(dims, keepdims=True), rtol=1e-12)
    tensors = [None if a is None else wrap(a) for a in (g, g_mean, g_var, x, mean, var, weight)]
    backward = REGISTRY["norm_backward"]
    fused = backward.reference(g, g_mean, g_var, x, mean, var, weight, dims=dims, eps=eps)
    same(fused, backward.composite(*tensors, dims=dims, eps=eps))
    backward = REGISTRY["rms_norm_backward"]
    weight = normal(5) if weighted else None
    fused = backward.reference(g, x, weight, dims=(2,), eps=eps)
    same(fused, backward.composite(wrap(g), wrap(x), None if weight is None else wrap(weight), dims=(2,), eps=eps))
    backward = REGISTRY["batch_norm_eval_weight"]
    arrays = g, x, *[a.reshape(4, 1) for a in (mean, var)]
    same(backward.reference(*arrays, eps=eps), backward.composite(*map(wrap, arrays), eps=eps))


def same(arrays, tensors):
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_allclose(array, tensor.array, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm"])
def test_float32_is_as_accurate_as_torch_far_from_zero(name):
    """Values around 100 with a spread of 3: the mean has to be right to the last digit for the rest to be."""
    x, w, b = [normal(*s, dtype=np.float32) for s in ((2000, 8), (8,), (8,))]
    x = (x * 3 + 100).reshape(2000, 8) if name in ("batch_norm", "layer_norm") else (x * 3 + 100).reshape(20, 8, 100)
    g = normal(*x.shape, dtype=np.float32)

    def run(lib, real, arrays):
        x, w, b = arrays
        call = getattr(lib.nn.functional, name)
        if name == "batch_norm":
            return call(x, None, None, w, b, True)
        if name == "instance_norm":
            return call(x, None, None, w, b)
        return call(x, (8,), w, b) if name == "layer_norm" else call(x, 2, w, b)

    def torch_results(dtype):
        leaves = [torch.from_numpy(a).to(dtype).requires_grad_() for a in (x, w, b)]
        out = run(torch, dtype, leaves)
        return [t.detach().numpy() for t in (out, *torch.autograd.grad(out, leaves, torch.from_numpy(g).to(dtype)))]

    leaves = [wrap(a.copy()).requires_grad_() for a in (x, w, b)]
    out = run(minitorch, None, leaves)
    ours = [t.array for t in (out, *grad(out, leaves, wrap(g)))]
    for mine, theirs, true in zip(ours, torch_results(torch.float32), torch_results(torch.float64), strict=True):
        assert np.abs(mine - true).max() <= 2 * np.abs(theirs - true).max() + 2e-7 * np.abs(true).max()


def test_halves_are_normalised_in_float32():
    x = normal(4, 3, 5, dtype=np.float16)
    for dtype in (np.float16, np.float32):
        w, b = normal(3, dtype=dtype), normal(3, dtype=dtype)
        z = F.batch_norm(wrap(x), None, None, wrap(w), wrap(b), True)
        wide, *parameters = [wrap(a.astype(np.float64)) for a in (x, w, b)]
        true = F.batch_norm(wide, None, None, *parameters, True)
        assert z.dtype is minitorch.float16
        np.testing.assert_allclose(z.array, true.array, rtol=2**-11, atol=1e-6)  # torch rounds the statistics too
        hold("nn.functional.group_norm", x, 3, w, b, order=0)
        w, b = normal(5, dtype=dtype), normal(5, dtype=dtype)
        hold("nn.functional.layer_norm", x, (5,), w, b, order=0)
        hold("nn.functional.rms_norm", x, (5,), w, order=0)
    running = wrap(np.zeros(3, np.float32)), wrap(np.ones(3, np.float32))
    F.batch_norm(wrap(x), *running, training=True)
    mean = x.astype(np.float64).mean((0, 2))
    np.testing.assert_allclose(running[0].array, 0.1 * mean, rtol=1e-5, atol=1e-7)


def test_eps_of_rms_norm():
    for dtype in (np.float16, np.float32, np.float64):
        hold("nn.functional.rms_norm", np.full((1, 2), 1e-4, dtype), (2,), order=0)
    hold("nn.functional.rms_norm", normal(2, 3), (3,), np.ones(3, np.float32), order=1)  # promotes


def test_empty_norms():
    hold("nn.functional.batch_norm", normal(0, 3), None, None, normal(3), normal(3), True, order=1)
    hold("nn.functional.batch_norm", normal(4, 0), None, None, None, None, True, order=1)
    hold("nn.functional.layer_norm", normal(0, 3), (3,), normal(3), normal(3), order=1)
    hold("nn.functional.layer_norm", normal(2, 0), (0,), order=1)
    hold("nn.functional.group_norm", normal(0, 4, 3), 2, normal(4), normal(4), order=1)
    hold("nn.functional.instance_norm", normal(0, 4, 3), order=1)
    hold("nn.functional.rms_norm", normal(0, 3), (3,), normal(3), order=1)


@pytest.mark.parametrize(
    "name, args",
    [
        ("batch_norm", (normal(4, 3), None, None)),
        ("batch_norm", (normal(4, 3), normal(3), None)),
        ("batch_norm", (normal(4, 3), normal(3), None, None, None, True)),
        ("batch_norm", (normal(4, 3), normal(4), normal(4))),
        ("batch_norm", (normal(4, 3), normal(3), normal(3), normal(4))),
        ("batch_norm", (normal(4, 3), normal(3), normal(3), normal(3), normal(2))),
        ("batch_norm", (normal(4), None, None, None, None, True)),
        ("batch_norm", (normal(1, 3), None, None, None, None, True)),
        ("batch_norm", (normal(1, 3, 1), None, None, None, None, True)),
        ("batch_norm", (normal(4, 3), None, None, None, None, True, 0.1, 0.0)),
        ("batch_norm", (normal(4, 3), normal(3), normal(3), None, None, False, 0.1, -1.0)),
        ("batch_norm", (normal(4, 3), normal(3), normal(3), None, None, True, None)),
        ("batch_norm", (np.ones((4, 3), np.int64), None, None, None, None, True)),
        ("batch_norm", (normal(4, 3), normal(3, dtype=np.float32), normal(3, dtype=np.float32), None, None, True)),
        ("instance_norm", (normal(2, 3, 1),)),
        ("instance_norm", (normal(3, 4),)),
        ("instance_norm", (normal(2, 3, 4), None, None, None, None, False)),
        ("instance_norm", (normal(2, 3, 4), normal(4), normal(4))),
        ("layer_norm", (normal(2, 3, 4), 4)),
        ("layer_norm", (normal(2, 3, 4), ())),
        ("layer_norm", (normal(2, 3, 4), (3,))),
        ("layer_norm", (normal(2, 3, 4), (1, 2, 3, 4))),
        ("layer_norm", (normal(2, 3, 4), (4,), normal(3))),
        ("layer_norm", (normal(2, 3, 4), (4,), normal(4), normal(3))),
        ("layer_norm", (np.ones((2, 3), np.int64), (3,))),
        ("layer_norm", (normal(2, 3), (3,), normal(3, dtype=np.float32))),
        ("group_norm", (normal(2, 4, 3), 3)),
        ("group_norm", (normal(1, 4), 4)),
        ("group_norm", (normal(4), 2)),
        ("group_norm", (normal(2, 4, 3), 0)),
        ("group_norm", (normal(2, 4, 3), -2)),
        ("group_norm", (normal(2, 4, 3), 2, normal(3))),
        ("group_norm", (normal(2, 4, 3), 2, normal(4), normal(2))),
        ("rms_norm", (normal(2, 3, 4), (3,), normal(4))),
        ("rms_norm", (normal(2, 3, 4), ())),
        ("local_response_norm", (normal(2, 3), 2)),
        ("local_response_norm", (normal(2, 3, 4), 0)),
    ],
)
def test_bad_norms(name, args):
    same_error(f"nn.functional.{name}", *args)
