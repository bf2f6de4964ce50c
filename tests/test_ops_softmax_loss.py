"""Softmax and the losses made of it: values, gradients and second gradients as in torch; fused equals composite."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minitorch  # noqa: E402
from minitorch.core.op import REGISTRY  # noqa: E402
from minitorch.core.tensor import wrap  # noqa: E402
from parity.harness import assert_same  # noqa: E402
from tests.against_torch import LAYOUTS, hold, same_error  # noqa: E402

rng = np.random.default_rng(0)
REDUCTIONS = ["none", "mean", "sum"]


def normal(*shape):
    return rng.standard_normal(shape)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "nn.functional.softmin"])
def test_softmax(name, layout):
    for dim in (0, 1, -1):
        hold(name, normal(3, 4, 2), dim=dim, layout=layout)
    hold(name, np.array(2.0), dim=0)
    hold(name, normal(0, 3), dim=1)
    hold(name, normal(3, 1), dim=1)
    same_error(name, normal(2, 3), dim=2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_large_values(name):
    hold(name, np.array([[1e4, 1e4 - 1, -1e4], [-np.inf, 0.0, 1.0], [700.0, -700.0, 0.0]]), dim=1, order=1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_backward_kernel_is_its_composite(name, dim):
    op = REGISTRY[f"{name}_backward"]
    z = REGISTRY[name].call(wrap(normal(3, 4, 5)), dim=dim).array
    for array in (z, np.asfortranarray(z), z[::-1]):
        g = wrap(normal(*array.shape))
        with minitorch.no_grad():
            fused, composite = op.call(g, wrap(array), dim=dim), op.composite(g, wrap(array), dim=dim)
        assert_same(fused, composite, rtol=1e-13, atol=1e-14)


def batch(shape):
    """Logits (N, C, ...), class indices (N, ...) with one that is ignored, and probabilities (N, C, ...)."""
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    target.flat[0] = 1
    raw = np.exp(normal(*shape))
    return normal(*shape), target, raw / raw.sum(1, keepdims=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 2, 2)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(shape, reduction, smoothing):
    x, target, probabilities = batch(shape)
    weight = np.array([0.5, 2.0, 1.25])
    options = {"reduction": reduction, "label_smoothing": smoothing}
    name = "nn.functional.cross_entropy"
    for layout in ("contiguous", "permuted"):
        hold(name, x, target, layout=layout, **options)
    hold(name, x, target, ignore_index=1, **options)
    hold(name, x, probabilities, **options)
    pair = (minitorch.tensor(weight), torch.from_numpy(weight))
    for goal in (target, probabilities):
        for ignored in (-100, 1) if goal is target else (-100,):
            weighted(name, x, goal, pair, ignore_index=ignored, **options)


def weighted(name, x, target, weight, parameter="weight", **options):
    """As `hold`, with weights (ours, torch's), which get no gradient."""
    results = []
    for library, make, w in ((minitorch, wrap, weight[0]), (torch, torch.from_numpy, weight[1])):
        a = make(x.copy()).requires_grad_()
        loss = getattr(library.nn.functional, name.rpartition(".")[2])
        z = loss(a, make(target.copy()), **{parameter: w}, **options)
        u = make(np.asarray(np.random.default_rng(1).standard_normal(tuple(z.shape)))).requires_grad_()
        (g,) = library.autograd.grad(z, a, u, create_graph=True)
        v = make(np.random.default_rng(2).standard_normal(x.shape))
        second = library.autograd.grad(g, [a, u], v, allow_unused=True)
        results.append([z, g, *(np.zeros(()) if s is None else s.detach().numpy() for s in second)])
    for where, mine, true in zip(("value", "gradient", "second", "cotangent"), *results, strict=True):
        if isinstance(mine, np.ndarray):
            np.testing.assert_allclose(*np.broadcast_arrays(mine, true), rtol=1e-9, atol=1e-12, err_msg=where)
        else:
            assert_same(mine, true, where=where)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5)])
def test_nll(shape, reduction):
    x, target, _ = batch(shape)
    weight = np.array([0.5, 2.0, 1.25])
    pair = (minitorch.tensor(weight), torch.from_numpy(weight))
    for ignored in (-100, 1):
        hold("nn.functional.nll_loss", x, target, ignore_index=ignored, reduction=reduction)
        weighted("nll_loss", x, target, pair, ignore_index=ignored, reduction=reduction)


def test_refused_targets():
    x = normal(4, 3)
    for name in ("nn.functional.cross_entropy", "nn.functional.nll_loss"):
        same_error(name, x, np.array([0, 1, 2, 3]))
        same_error(name, x, np.array([0, 1, 2]))
        same_error(name, x, np.array([0, 1, 2, 0]), reduction="average")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mse_and_bce_with_logits(reduction, layout):
    x, y = normal(3, 4), rng.random((3, 4))
    hold("nn.functional.mse_loss", x, y, reduction=reduction, layout=layout)
    name = "nn.functional.binary_cross_entropy_with_logits"
    hold(name, x, y, reduction=reduction, layout=layout)
    hold(name, x * 500, y, reduction=reduction, layout=layout)
    same_error(name, x, y[:2])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_bce_with_logits_weights(reduction):
    x, y = normal(3, 4), rng.random((3, 4))
    for parameter in ("weight", "pos_weight"):
        w = rng.random(4) + 0.1
        pair = (minitorch.tensor(w), torch.from_numpy(w))
        weighted("binary_cross_entropy_with_logits", x, y, pair, parameter, reduction=reduction)
