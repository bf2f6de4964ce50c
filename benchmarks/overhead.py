"""What a small operation costs: the price of the framework itself, since the arithmetic is next to nothing.

Every row runs the same expression on both libraries, on 10 x 10 float32 tensors, without and with gradient recording.
"""

from __future__ import annotations

import numpy as np

from .timing import Comparison, compare


def _operations(lib):
    f = lib.nn.functional
    return {
        "mul": lambda t: t.x * t.y,
        "add": lambda t: t.x + t.y,
        "matmul 8x8": lambda t: t.m @ t.m,
        "sum": lambda t: t.x.sum(),
        "mean": lambda t: t.x.mean(),
        "relu": lambda t: lib.relu(t.x),
        "exp": lambda t: t.x.exp(),
        "softmax": lambda t: f.softmax(t.x, -1),
        "view": lambda t: t.x.view(100),
        "transpose": lambda t: t.x.transpose(0, 1),
        "index x[3]": lambda t: t.x[3],
        "index x[1:5]": lambda t: t.x[1:5],
        "cat": lambda t: lib.cat([t.x, t.y]),
    }


class _Tensors:
    def __init__(self, lib, requires_grad: bool):
        draw = np.random.default_rng(0)
        for name, shape in (("x", (10, 10)), ("y", (10, 10)), ("m", (8, 8))):
            tensor = lib.from_numpy(draw.standard_normal(shape).astype(np.float32))
            setattr(self, name, tensor.requires_grad_(requires_grad))


def _five_ops(lib, t):
    """Five operations forward, and their backward pass."""

    def step():
        t.x.grad = t.y.grad = None
        ((t.x * t.y + t.x).relu().exp()).sum().backward()
        return t.x.grad

    return step


def _mlp_step(lib):
    """A training step of a 4-8-1 network on 16 samples: forward, loss, backward, SGD."""
    lib.manual_seed(0)
    model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.ReLU(), lib.nn.Linear(8, 1))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, targets = lib.randn(16, 4), lib.randn(16, 1)

    def step():
        optimizer.zero_grad()
        loss = lib.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _check(name: str, ours, theirs) -> None:
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=f"{name}: the two libraries disagree")


def run(minitorch, torch, rounds: int) -> list[Comparison]:
    """All rows; every pair of results is compared before it is timed."""
    rows = []
    for recorded in (False, True):
        t, u = _Tensors(minitorch, recorded), _Tensors(torch, recorded)
        for name, ours in _operations(minitorch).items():
            theirs = _operations(torch)[name]
            _check(name, ours(t), theirs(u))
            label = f"{name}, recorded" if recorded else name
            rows.append(compare(label, lambda f=ours, t=t: f(t), lambda f=theirs, u=u: f(u), rounds=rounds))
    five = _five_ops(minitorch, t), _five_ops(torch, u)
    _check("five operations", five[0](), five[1]())
    rows.append(compare("five operations forward and backward", *five, rounds=rounds))
    mlp = _mlp_step(minitorch), _mlp_step(torch)
    _check("MLP step", mlp[0](), mlp[1]())
    rows.append(compare("MLP 4-8-1 training step", *mlp, rounds=rounds))
    return rows
