"""utils.checkpoint: the same gradients with less memory, against the plain run and against torch."""

import gc
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest
import torch
import torch.utils.checkpoint

import minitorch
from minitorch.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

ways = pytest.mark.parametrize("use_reentrant", [True, False])


def block(seed=0, dropout=0.3):
    minitorch.manual_seed(seed)
    nn = minitorch.nn
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(dropout), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 5))


def gradients(net, x, run):
    x = x.detach().requires_grad_()
    net.zero_grad()
    minitorch.manual_seed(7)
    z = run(net, x)
    (z * z.detach().cos()).sum().backward()
    after = minitorch.rand(1)  # the stream goes on from the same place
    return [z.detach(), x.grad, after, *[p.grad for p in net.parameters()]]


def equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@ways
def test_gradients_and_dropout_masks_are_those_of_the_plain_run(use_reentrant):
    net, x = block(), minitorch.randn(4, 5)
    plain = gradients(net, x, lambda net, x: net(x) + x)
    equal(gradients(net, x, lambda net, x: checkpoint(net, x, use_reentrant=use_reentrant) + x), plain)


@ways
def test_chains_and_nesting(use_reentrant):
    net, x = minitorch.nn.Sequential(*[block(i) for i in range(5)]), minitorch.randn(3, 5)
    plain = gradients(net, x, lambda net, x: net(x))
    equal(gradients(net, x, lambda net, x: checkpoint_sequential(net, 3, x, use_reentrant=use_reentrant)), plain)

    def nested(net, x):
        def outer(x):
            return net[2](checkpoint(lambda y: net[1](net[0](y)), x, use_reentrant=use_reentrant))

        return net[4](net[3](checkpoint(outer, x, use_reentrant=use_reentrant)))

    equal(gradients(net, x, nested), plain)


def test_not_reentrant_takes_any_arguments_and_any_derivative():
    net, x = block(dropout=0.0), minitorch.randn(4, 5).requires_grad_()

    def run(pair, *, scale):
        return {"z": (net(pair[0]) * scale).tanh(), "n": 3}

    def derivatives(call):
        z = call((x, None), scale=minitorch.tensor(2.0))["z"]
        (first,) = minitorch.autograd.grad((z * z).sum(), x, create_graph=True)
        return [first, *minitorch.autograd.grad(first.sin().sum(), [x, *net.parameters()], allow_unused=True)]

    ours = derivatives(lambda *args, **kwargs: checkpoint(run, *args, use_reentrant=False, **kwargs))
    plain = derivatives(run)
    assert [g is None for g in ours] == [g is None for g in plain]
    equal([g.detach() for g in ours if g is not None], [g.detach() for g in plain if g is not None])
    # No input needs to require grad: the parameters are found.
    z = checkpoint(net, minitorch.ones(2, 5), use_reentrant=False)
    assert all(g is not None for g in minitorch.autograd.grad(z.sum(), list(net.parameters())))


@ways
def test_what_lies_between_is_let_go(use_reentrant):
    seen = []

    def run(x):
        y = x.exp()
        seen.append(weakref.ref(y))
        return y.sin()

    x = minitorch.ones(3, requires_grad=True)
    z = checkpoint(run, x, use_reentrant=use_reentrant)
    gc.collect()
    assert seen[0]() is None
    z.sum().backward()
    assert len(seen) == 2
    np.testing.assert_allclose(x.grad.numpy(), np.exp(1) * np.cos(np.exp(1)) * np.ones(3), rtol=1e-6)


@ways
def test_memory(use_reentrant):
    layers = [lambda x: (x.exp() + 1).log() * 0.5] * 16
    x = minitorch.ones(50_000, requires_grad=True)

    def held(run):
        tracemalloc.start()
        z = run()
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        z.sum().backward()
        return used

    def plain():
        z = x
        for layer in layers:
            z = layer(z)
        return z

    plain().sum().backward()  # what is loaded on first use is not held by the graph
    assert held(lambda: checkpoint_sequential(layers, 4, x, use_reentrant=use_reentrant)) < 0.5 * held(plain)


def test_contexts_and_second_use():
    entered = []

    class Entering:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *error):
            pass

    x = minitorch.ones(3, requires_grad=True)
    z = checkpoint(
        lambda x: x.exp().sin(), x, use_reentrant=False, context_fn=lambda: (Entering("first"), Entering("second"))
    ).sum()
    z.backward(retain_graph=True)
    once = x.grad.clone()
    z.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once.numpy())
    assert entered == ["first", "second"]
    with pytest.raises(RuntimeError, match="a second time"):
        z.backward()


LIBRARIES = (
    (minitorch, minitorch.utils.checkpoint),
    (torch, torch.utils.checkpoint),
)


def test_errors_and_warnings_are_torchs():
    def changing(T, how):
        calls = []

        def run(x):
            calls.append(1)
            return how(x, len(calls))

        return run

    programs = [
        lambda T, C, x: C.checkpoint(T.sin, x),
        lambda T, C, x: C.checkpoint(T.sin, x.detach(), use_reentrant=True),
        lambda T, C, x: C.checkpoint(T.sin, x, use_reentrant=True, other=1),
        lambda T, C, x: C.checkpoint(T.sin, x, use_reentrant=True, context_fn=lambda: 1),
        lambda T, C, x: C.checkpoint(T.sin, x, use_reentrant=False, determinism_check="some"),
        lambda T, C, x: T.autograd.grad(C.checkpoint(T.sin, x, use_reentrant=True).sum(), x),
        lambda T, C, x: C.checkpoint(lambda a: a.detach().sin(), x, use_reentrant=True).sum().backward(),
        lambda T, C, x: C.checkpoint_sequential([T.sin, T.cos], 3, x, use_reentrant=False),
        lambda T, C, x: C.checkpoint_sequential([T.sin, T.cos], 2, x),
        lambda T, C, x: (
            C.checkpoint(changing(T, lambda a, n: a.sin().exp() if n == 1 else a.sin()), x, use_reentrant=False)
            .sum()
            .backward()
        ),
        lambda T, C, x: (
            C.checkpoint(changing(T, lambda a, n: (a if n == 1 else a[:2]).sin().exp()), x, use_reentrant=False)
            .sum()
            .backward()
        ),
    ]
    for i, program in enumerate(programs):
        found = []
        for library, module in LIBRARIES:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    program(library, module, library.ones(3, requires_grad=True))
                    error = None
                except Exception as raised:
                    error = type(raised).__name__
            found.append((error, [str(w.message)[:60] for w in caught]))
        assert found[0] == found[1], i
    assert issubclass(CheckpointError, RuntimeError)
