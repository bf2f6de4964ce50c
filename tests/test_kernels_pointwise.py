"""The activation kernels and the functions inside them, against float64, torch's accuracy, and awkward memory."""

import math
from functools import partial

import numpy as np
import pytest
from kernel_cases import LAYOUTS, draw, exactly, rms

from minitorch.core.op import REGISTRY
from minitorch.kernels import elementary, pointwise
from minitorch.kernels.jit import njit
from minitorch.kernels.registry import accelerated

TORCH = {  # how torch computes it
    "exp": lambda torch, x: x.exp(), "tanh": lambda torch, x: x.tanh(), "relu": lambda torch, x: x.relu(),
    "sigmoid": lambda torch, x: x.sigmoid(), "silu_kernel": lambda torch, x: torch.nn.functional.silu(x),
    "gelu_exact": lambda torch, x: torch.nn.functional.gelu(x),
    "gelu_tanh": lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"),
    "leaky": lambda torch, x: torch.nn.functional.leaky_relu(x, 0.2),
    "hardswish_kernel": lambda torch, x: torch.nn.functional.hardswish(x),
    "exponential_linear": lambda torch, x: torch.nn.functional.elu(x, 0.7),
    "softplus_kernel": lambda torch, x: torch.nn.functional.softplus(x, 1.5, 15),
    "mish_kernel": lambda torch, x: torch.nn.functional.mish(x),
}  # fmt: skip
PARAMS = {
    "leaky": dict(slope=0.2), "exponential_linear": dict(negative=0.7, scale=1.0, rate=1.0),
    "softplus_kernel": dict(beta=1.5, threshold=15.0),
}  # fmt: skip
KEEP_OUTPUT = ("relu", "sigmoid", "tanh")  # whose gradient is computed from it


def backward_of(name):
    return f"{name.removesuffix('_kernel')}_backward"


PARAMS |= {backward_of(name): params for name, params in PARAMS.items()}


@pytest.mark.parametrize("name", TORCH)
def test_no_less_accurate_than_torch(name):
    torch = pytest.importorskip("torch")
    x, g = draw(0, (50_000,), "float32") * 3, draw(1, (50_000,), "float32")
    results = {}
    for dtype in (torch.float32, torch.float64):
        t = torch.tensor(x, dtype=dtype, requires_grad=True)
        z = TORCH[name](torch, t)
        results[dtype] = [z.detach().numpy(), torch.autograd.grad(z, t, torch.tensor(g, dtype=dtype))[0].numpy()]
    ours = [accelerated(name)(x, **PARAMS.get(name, {}))]
    backward = backward_of(name)
    if backward in pointwise.OF_TWO:
        kept = results[torch.float32][0] if name in KEEP_OUTPUT else x
        pair = (kept, g) if name == "relu" else (g, kept)
        ours.append(accelerated(backward)(*pair, **PARAMS.get(name, {})))
    for a, b, truth in zip(ours, results[torch.float32], results[torch.float64], strict=False):
        assert rms(a - truth) <= 2 * rms(b - truth)


@pytest.mark.parametrize("name", [*pointwise.OF_ONE, *pointwise.OF_TWO])
def test_awkward_memory_and_special_values(name):
    arguments, params = 1 if name in pointwise.OF_ONE else 2, PARAMS.get(name, {})
    kernel, reference = partial(accelerated(name), **params), partial(REGISTRY[name].reference, **params)
    for layout in LAYOUTS:
        arrays = [draw(i, (3, 4, 5), "float32", layout) for i in range(arguments)]
        truth = reference(*[a.astype(np.float64) for a in arrays])
        found = kernel(*arrays)
        assert found.shape == (3, 4, 5) and found.dtype == np.float32
        assert np.allclose(found, truth, rtol=1e-5, atol=1e-6)
    if arguments == 2:  # a gradient that is one number, repeated
        grad = np.broadcast_to(np.float32(0.5), (3, 4, 5))
        truth = reference(grad, arrays[1])
        assert np.allclose(kernel(grad, arrays[1]), truth, rtol=1e-5, atol=1e-6)
    else:
        special = np.array([np.nan, np.inf, 0, 200, -200, 80, -80], np.float32)
        with np.errstate(all="ignore"):
            truth = reference(special.astype(np.float64)).astype(np.float32)
        assert np.allclose(kernel(special), truth, rtol=2e-6, atol=1e-30, equal_nan=True)
    for shape in ((), (0,), (2, 0, 3)):
        assert kernel(*[np.ones(shape, np.float32)] * arguments).shape == shape


def test_threads_change_nothing():
    x = draw(0, (3 * pointwise.TASK + 5,), "float32")
    results = []
    for count in (1, 2, 3):
        with exactly(count):
            results.append([accelerated("gelu_exact")(x), accelerated("relu_backward")(x, x)])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


# The functions inside, in units in the last place: what their text promises.


@njit
def each(x, exp, expm1, tanh, tail, log1p, cumulative):
    for i in range(len(x)):
        cumulative[i] = elementary.cumulative(x[i])
        log1p[i] = elementary.log1p(min(abs(x[i]), x.dtype.type(1)))
        exp[i], expm1[i], tanh[i] = elementary.exp(x[i]), elementary.expm1(x[i]), elementary.tanh(x[i])
        tail[i] = elementary.normal(x[i])[0]


@pytest.mark.parametrize(("dtype", "least", "most"), [("float32", -103.0, 88.7), ("float64", -745.0, 709.7)])
def test_errors_in_ulp(dtype, least, most):
    x = np.concatenate([np.linspace(least, most, 20_001), np.linspace(-3, 3, 20_001), draw(0, 5000, "float64") / 1000])
    x = x.astype(dtype)
    found = np.empty((6, x.size), dtype)
    each(x, *found)
    wide = x.astype(np.longdouble)
    smallest = np.finfo(dtype).tiny
    for name, ours, bound in zip(("exp", "expm1", "tanh"), found, (1.1, 3, 3), strict=False):
        truth = getattr(np, name)(wide)
        ulp = np.spacing(np.maximum(abs(truth).astype(dtype), smallest))
        inside = slice(None) if name != "expm1" else x < 80
        assert (abs(ours - truth) <= bound * ulp)[inside].all(), name
    truth = np.log1p(np.minimum(abs(wide), 1))
    assert (abs(found[4] - truth) <= 3 * np.spacing(np.maximum(truth.astype(dtype), smallest))).all()
    # Phi: an absolute error of half an ulp of 1 or so, and a relative one that grows with x^2 far below 0.
    truth = np.array([0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x.astype(np.float64)])
    near = abs(x) < 9
    assert (abs(found[3] - truth)[near] <= 2 * np.finfo(dtype).eps * np.minimum(1, truth * (4 + wide**2))[near]).all()
    assert (abs(found[5] - truth) <= 2 * np.finfo(dtype).eps).all()
