"""Optimizer steps by kernels: bit for bit what the rules give, parameter by parameter."""

import numpy as np
import pytest
from kernel_cases import draw, exactly

import minitorch as mt
from minitorch import kernels
from minitorch.kernels import steps

CASES = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, weight_decay=0.01)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.1, momentum=0.9, maximize=True)),  # by the rule
    ("Adam", dict(lr=0.01, weight_decay=0.1)),
    ("Adam", dict(lr=0.01, betas=(0.3, 0.9), eps=1e-3)),
    ("Adam", dict(amsgrad=True)),  # by the rule
    ("AdamW", dict(lr=0.01, weight_decay=0.1)),
]
SHAPES = [(3, 4), (), (0,), (steps.PIECE + 7,), (5, 2)]


def trained(selection, name, options, dtype):
    """Parameters and state after three steps; one parameter is not contiguous, one joins at the second step."""
    with kernels.use(selection):
        params = [mt.tensor(draw(i, shape, dtype), requires_grad=True) for i, shape in enumerate(SHAPES)]
        params[4] = mt.tensor(draw(9, (5, 2), dtype)).t().detach().requires_grad_()
        optimizer = getattr(mt.optim, name)(params, **options)
        for step in range(3):
            for i, p in enumerate(params):
                gradient = mt.tensor(draw(100 * step + i, p.shape, dtype))
                p.grad = None if i == 0 and step == 0 else gradient
            optimizer.step()
        state = [v.numpy() for p in params for v in optimizer.state[p].values() if isinstance(v, mt.Tensor)]
        return [p.detach().numpy() for p in params] + state, [p._version for p in params]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_every_bit_is_that_of_the_rule(name, options):
    expected, versions = trained("numpy", name, options, "float32")
    for count in (1, 2):
        with exactly(count):
            found, counted = trained("numba", name, options, "float32")
        assert counted == versions and len(found) == len(expected)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    expected, found = [trained(kind, name, options, "float64")[0] for kind in ("numpy", "numba")]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_parameter_given_twice_moves_twice():
    results = []
    for selection in ("numpy", "numba"):
        with kernels.use(selection), pytest.warns(UserWarning, match="duplicate"):
            p = mt.ones(3, requires_grad=True)
            optimizer = mt.optim.SGD([p, p], lr=0.5)
            p.grad = mt.ones(3)
            optimizer.step()
            results.append(p.detach().numpy())
    assert np.array_equal(*results) and results[0][0] == 0
