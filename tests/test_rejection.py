"""Numbers drawn by rejection, their implicit derivatives, and the incomplete gamma functions, against torch."""

import decimal
import math

import numpy as np
import pytest

import minitorch
from minitorch import draws, samplers
from minitorch.generator import Generator
from minitorch.kernels import registry

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
N = 400


def spread(low, high, size=N):
    return np.exp(RNG.uniform(low, high, size))


CASES = {
    "gammas": ("_standard_gamma", [spread(-5, 6)]),
    "poissons": ("poisson", [np.concatenate((spread(-4, 2), spread(2, 12), [0.0, 10.0]))]),
    "binomials": ("binomial", [
        np.floor(np.concatenate((spread(0, 3), spread(3, 10), [0, 5, 5, 0]))), RNG.uniform(0, 1, 2 * N + 4),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_draws_are_torchs(name, dtype, compiled):
    function, parameters = CASES[name]
    parameters = [p.astype(dtype) for p in parameters]
    ours, theirs = Generator().manual_seed(7), torch.Generator().manual_seed(7)
    torch.empty(3, dtype=torch.float64).normal_(generator=theirs)  # leaves a normal number over
    samplers.normal(ours, 3, np.dtype(np.float64))
    expected = getattr(torch, function)(*map(torch.from_numpy, parameters), generator=theirs).numpy()
    draw = registry.accelerated_draw(name) if compiled else draws.DRAWS[name].reference
    wide = [p.astype(np.float64) for p in parameters] if name == "poissons" else parameters
    found = draw(ours, len(parameters[0]), *wide).astype(dtype)
    np.testing.assert_array_equal(np.maximum(found, np.finfo(dtype).tiny) if name == "gammas" else found, expected)
    np.testing.assert_array_equal(ours.state, theirs.get_state().numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_draws_are_torchs(dtype):
    results = []
    alpha = spread(-3, 4, (N, 3)).astype(dtype)
    cotangent = RNG.standard_normal((2, N, 3)).astype(dtype)
    for library in (torch, minitorch):
        library.manual_seed(3)
        x = library.tensor(alpha, requires_grad=True)
        gammas = library._standard_gamma(x)
        # torch gives this derivative to its class only.
        parts = library._sample_dirichlet(x) if library is minitorch else torch.distributions.Dirichlet(x).rsample()
        ((gammas * library.tensor(cotangent[0])).sum() + (parts * library.tensor(cotangent[1])).sum()).backward()
        results.append((gammas.detach().numpy(), parts.detach().numpy(), x.grad.numpy()))
    for theirs, ours in zip(*results, strict=True):
        scale = np.finfo(dtype).eps
        np.testing.assert_allclose(ours, theirs, rtol=3e3 * scale, atol=30 * scale)


def test_implicit_derivatives_of_every_region():
    alpha = spread(-4, 6, 20000)
    x = RNG.gamma(alpha) * np.exp(RNG.normal(0, 0.2, alpha.size)) + 1e-300
    beta = spread(-4, 4, 20000)
    small = spread(-4, 4, 20000)
    part = np.clip(RNG.beta(small, beta), 1e-12, 1 - 1e-12)
    for name, arguments in (("_standard_gamma_grad", (alpha, x)), ("_dirichlet_grad", (part, small, small + beta))):
        expected = getattr(torch, name)(*map(torch.from_numpy, arguments)).numpy()
        found = getattr(minitorch, name)(*map(minitorch.tensor, arguments)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_no_second_derivative_of_a_gamma_number():
    x = minitorch.ones(2, requires_grad=True)
    (g,) = minitorch.autograd.grad(minitorch._standard_gamma(x).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError):
        minitorch.autograd.grad(g.sum(), x)


@pytest.mark.parametrize(
    "call",
    [
        "poisson(-ones(2))",
        "poisson(ones(2) * nan)",
        "poisson(ones(2).long())",
        "binomial(ones(2).long(), ones(2))",
        "binomial(ones(2), ones(2).long())",
        "binomial(ones(2).half(), ones(2).half())",
        "binomial(ones(3), ones(2))",
        "binomial(ones(2), ones(2).double())",
        "_standard_gamma(ones(2).half())",
        "_sample_dirichlet(ones(2).long())",
        "igamma(ones(2, requires_grad=True), ones(2)).sum().backward()",
        "binomial(ones(2, requires_grad=True), ones(2)).sum().backward()",
    ],
)
def test_errors_are_torchs_and_draw_nothing(call):
    raised = []
    for library in (torch, minitorch):
        before = library.get_rng_state()
        with pytest.raises(Exception) as caught:
            eval(call, dict(vars(library)))
        raised.append(caught.type)
        if "binomial(ones(2, req" not in call:
            assert (library.get_rng_state() == before).all()
    assert issubclass(raised[1], raised[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_poisson_types_and_layout(dtype):
    results = []
    for library in (torch, minitorch):
        library.manual_seed(1)
        rate = (library.arange(12).reshape(3, 4) * 1.5).to(getattr(library, dtype)).t().requires_grad_()
        drawn = library.poisson(rate)
        drawn.sum().backward()
        assert not rate.grad.any()
        results.append((repr(drawn.dtype), drawn.stride(), drawn.tolist()))
    assert results[0] == results[1]


# The incomplete gamma functions.


def upper(a: int, x: float) -> float:
    """Q(a, x) = exp(-x) (1 + x + x**2 / 2! + ... + x**(a-1) / (a-1)!) for a whole a, in fifty digits."""
    with decimal.localcontext(prec=50):
        term = total = decimal.Decimal(1)
        for k in range(1, a):
            term *= decimal.Decimal(x) / k
            total += term
        return float((-decimal.Decimal(x)).exp() * total), float(1 - (-decimal.Decimal(x)).exp() * total)


@pytest.mark.parametrize("a", [1, 2, 9, 10, 21, 150, 1000])
@pytest.mark.parametrize("factor", [0.2, 0.7, 0.999, 1.0, 1.001, 1.5, 3.0])
def test_incomplete_gamma_is_exact(a, factor):
    x = a * factor
    shape, value = (minitorch.tensor(float(v), dtype=minitorch.float64) for v in (a, x))
    expected_upper, expected_lower = upper(a, x)
    assert math.isclose(minitorch.igammac(shape, value).item(), expected_upper, rel_tol=1e-12, abs_tol=1e-16)
    assert math.isclose(minitorch.igamma(shape, value).item(), expected_lower, rel_tol=1e-12, abs_tol=1e-16)


def test_incomplete_gamma_at_the_edges_and_its_gradient():
    edges = np.array([0.0, -1.0, 0.5, 1.0, np.inf, np.nan])
    a, x = np.meshgrid(edges, edges)
    for name in ("igamma", "igammac"):
        expected = getattr(torch, name)(torch.from_numpy(a), torch.from_numpy(x)).numpy()
        found = getattr(minitorch, name)(minitorch.tensor(a), minitorch.tensor(x)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    grads = []
    for library in (torch, minitorch):
        x = library.tensor(np.array([0.3, 1.0, 7.0]), requires_grad=True)
        a = library.tensor(np.array([[0.5], [2.0], [15.0]]))
        (library.igamma(a, x) * library.special.gammaincc(a + 1, x)).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(grads[1], grads[0], rtol=1e-12)
