"""minitorch.distributions against torch.distributions: values, gradients, samples, divergences, errors."""

import warnings

import numpy as np
import pytest

import minitorch
from minitorch import distributions as ours

torch = pytest.importorskip("torch")
theirs = torch.distributions

LIBRARIES = ((torch, theirs), (minitorch, ours))
RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((2, 3))
OTHER = RNG.standard_normal(3)
POSITIVE = np.exp(RNG.standard_normal((2, 3)))
POSITIVE_ROW = np.exp(RNG.standard_normal(3))
UNIT = RNG.uniform(0.05, 0.95, (2, 3))
SIMPLEX = RNG.dirichlet([1.0, 2.0, 3.0], 2)

# name: (how to make one from parameters, the parameters, values of the support). `t` is the library's tensor function.
CASES = {
    "Normal": (lambda d, a, b: d.Normal(a, b), (REAL, POSITIVE_ROW), REAL + 0.3),
    "LogNormal": (lambda d, a, b: d.LogNormal(a, b), (REAL, POSITIVE_ROW), POSITIVE),
    "HalfNormal": (lambda d, a: d.HalfNormal(a), (POSITIVE,), POSITIVE_ROW),
    "Laplace": (lambda d, a, b: d.Laplace(a, b), (REAL, POSITIVE_ROW), REAL + 0.3),
    "Cauchy": (lambda d, a, b: d.Cauchy(a, b), (REAL, POSITIVE_ROW), REAL + 0.3),
    "HalfCauchy": (lambda d, a: d.HalfCauchy(a), (POSITIVE,), POSITIVE_ROW),
    "Gumbel": (lambda d, a, b: d.Gumbel(a, b), (REAL, POSITIVE), REAL + 0.3),
    "StudentT": (lambda d, a, b, c: d.StudentT(a, b, c), (POSITIVE * 4, OTHER, POSITIVE_ROW), REAL),
    "Uniform": (lambda d, a, b: d.Uniform(a, a + b), (REAL, POSITIVE_ROW), REAL + 0.4 * POSITIVE_ROW),
    "Exponential": (lambda d, a: d.Exponential(a), (POSITIVE,), POSITIVE_ROW),
    "Gamma": (lambda d, a, b: d.Gamma(a, b), (POSITIVE, POSITIVE_ROW), POSITIVE + 0.1),
    "Chi2": (lambda d, a: d.Chi2(a), (POSITIVE * 3,), POSITIVE_ROW),
    "Beta": (lambda d, a, b: d.Beta(a, b), (POSITIVE, POSITIVE_ROW), UNIT),
    "Dirichlet": (lambda d, a: d.Dirichlet(a), (POSITIVE + 0.5,), SIMPLEX),
    "Bernoulli": (lambda d, a: d.Bernoulli(a), (UNIT,), (REAL > 0) * 1.0),
    "Bernoulli logits": (lambda d, a: d.Bernoulli(logits=a), (REAL,), (REAL > 0) * 1.0),
    "Geometric": (lambda d, a: d.Geometric(a), (UNIT,), np.floor(POSITIVE * 3)),
    "Geometric logits": (lambda d, a: d.Geometric(logits=a), (REAL,), np.floor(POSITIVE * 3)),
    "Binomial": (lambda d, a: d.Binomial(5, a), (UNIT,), np.array([0.0, 3, 5])),
    "Binomial logits": (lambda d, a: d.Binomial(5, logits=a), (REAL,), np.array([0.0, 3, 5])),
    "Poisson": (lambda d, a: d.Poisson(a), (POSITIVE * 6,), np.array([0.0, 3, 15])),
    "Categorical": (lambda d, a: d.Categorical(a), (POSITIVE,), np.array([0.0, 2])),
    "Categorical logits": (lambda d, a: d.Categorical(logits=a), (REAL,), np.array([2.0, 1])),
    "OneHotCategorical": (lambda d, a: d.OneHotCategorical(a), (POSITIVE,), np.eye(3)[[0, 2]]),
    "OneHotCategoricalStraightThrough": (
        lambda d, a: d.OneHotCategoricalStraightThrough(logits=a), (REAL,), np.eye(3)[[0, 2]],
    ),
    "Multinomial": (lambda d, a: d.Multinomial(6, a), (POSITIVE,), np.array([[1.0, 2, 3], [6, 0, 0]])),
    "RelaxedBernoulli": (lambda d, a, t: d.RelaxedBernoulli(t, a), (UNIT, np.array(0.7)), UNIT[::-1]),
    "RelaxedOneHotCategorical": (
        lambda d, a, t: d.RelaxedOneHotCategorical(t, logits=a), (REAL, np.array(0.7)), SIMPLEX,
    ),
    "MultivariateNormal": (
        lambda d, m, a: d.MultivariateNormal(m, scale_tril=a.tril(-1) + a.diagonal(dim1=-2, dim2=-1).exp().diag_embed()),
        (REAL, OTHER[:, None] * OTHER + REAL[0]), REAL + 0.3,
    ),
    "MultivariateNormal covariance": (
        lambda d, m, a: d.MultivariateNormal(m, a @ a.mT), (REAL, np.eye(3) + 0.1 * OTHER), REAL + 0.3,
    ),
    "MultivariateNormal precision": (
        lambda d, m, a: d.MultivariateNormal(m, precision_matrix=a @ a.mT), (REAL, np.eye(3) + 0.1 * OTHER), REAL + 0.3,
    ),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), (REAL, POSITIVE_ROW), REAL + 0.3),
    "Transformed": (
        lambda d, a, b: d.TransformedDistribution(
            d.Laplace(a, b), [d.TanhTransform(), d.AffineTransform(0.5, -2.0), d.SigmoidTransform()]
        ),
        (REAL, POSITIVE_ROW), UNIT * 0.3 + 0.4,
    ),
    "Transformed vectors": (
        lambda d, a, b: d.TransformedDistribution(d.Normal(a, b), [d.StickBreakingTransform()]),
        (REAL[:, :2], POSITIVE_ROW[:2]), SIMPLEX,
    ),
    "Mixture": (
        lambda d, w, a, b: d.MixtureSameFamily(d.Categorical(w), d.Normal(a, b)),
        (POSITIVE_ROW, REAL, POSITIVE), REAL[:, 0],
    ),
    "Mixture of batches": (
        lambda d, w, a, b: d.MixtureSameFamily(d.Categorical(w), d.Normal(a, b)),
        (UNIT, REAL, POSITIVE), REAL[:, 0],
    ),
    "Mixture of vectors": (
        lambda d, w, a, b: d.MixtureSameFamily(d.Categorical(logits=w), d.Independent(d.Normal(a, b), 1)),
        (OTHER, REAL.T, POSITIVE.T), REAL[0, :2],
    ),
}  # fmt: skip


def build(name: str, library, module, dtype="float64"):
    make, parameters, value = CASES[name]
    parameters = [library.tensor(p.astype(dtype), requires_grad=True) for p in parameters]
    return make(module, *parameters), parameters, library.tensor(value.astype(dtype))


def pairs(name: str, dtype="float64"):
    return [build(name, *libraries, dtype) for libraries in LIBRARIES]


def outcome(function, *arguments):
    """What it returns, or the class of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments)
        except Exception as error:
            return type(error)


# torch's trigamma function, the derivative of the digamma function in these, has errors of up to 2e-9.
THROUGH_TRIGAMMA = (
    "entropy",
    "perplexity",
    "KL(Beta",
    "KL(Gamma",
    "KL(Chi2",
    "KL(Dirichlet",
    "KL(Exponential || Gamma",
)


def same(found, expected, parameters=None, tolerance=1e-11, where=""):
    """Equal values, shapes and types, and gradients at the (minitorch's, torch's) parameters with random cotangents."""
    if isinstance(expected, type):
        assert isinstance(found, type) and issubclass(found, expected), (where, found, expected)
        return
    assert not isinstance(found, type), (where, found)
    assert tuple(found.shape) == tuple(expected.shape) and str(found.dtype) == str(expected.dtype), where
    np.testing.assert_allclose(
        found.detach().numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=where
    )
    if parameters is None or not expected.requires_grad:
        return
    assert found.requires_grad, where
    cotangent = np.random.default_rng(1).standard_normal(tuple(expected.shape)).astype(found.detach().numpy().dtype)
    grads = [
        library.autograd.grad(z, p, library.tensor(cotangent), allow_unused=True, retain_graph=True)
        for library, z, p in ((minitorch, found, parameters[0]), (torch, expected, parameters[1]))
    ]
    slack = max(tolerance, 5e-9) if where.startswith(THROUGH_TRIGAMMA) else tolerance
    for mine, true in zip(*grads, strict=True):
        if mine is None or true is None:
            given = mine if true is None else true
            assert given is None or not given.numpy().any(), where
        else:
            np.testing.assert_allclose(
                mine.numpy(), true.numpy(), rtol=slack, atol=slack, err_msg=f"gradient of {where}"
            )


@pytest.mark.parametrize("name", CASES)
def test_moments_and_probabilities(name):
    (true, true_parameters, true_value), (mine, parameters, value) = pairs(name)
    both = (parameters, true_parameters)
    assert mine.batch_shape == tuple(true.batch_shape) and mine.event_shape == tuple(true.event_shape)
    for attribute in ("mean", "mode", "variance", "stddev"):
        found, expected = (outcome(getattr, d, attribute) for d in (mine, true))
        same(found, expected, both, where=attribute)
    for method in ("entropy", "perplexity"):
        same(outcome(getattr(mine, method)), outcome(getattr(true, method)), both, where=method)
    value.requires_grad_()
    true_value.requires_grad_()
    both = ([*parameters, value], [*true_parameters, true_value])
    for method in ("log_prob", "cdf"):
        if method == "cdf" and name in ("Gamma", "Chi2"):  # which have no derivative by the shape parameter
            both = ([value], [true_value])
        found, expected = (
            outcome(getattr(mine, method), value),
            outcome(getattr(true, method), true_value),
        )
        same(found, expected, both, where=method)
    levels = RNG.uniform(0.05, 0.95, true_value.shape)
    found, expected = (
        outcome(lambda: mine.icdf(minitorch.tensor(levels))),
        outcome(lambda: true.icdf(torch.tensor(levels))),
    )
    same(found, expected, (parameters, true_parameters), where="icdf")
    for expand in (True, False):
        found, expected = (outcome(d.enumerate_support, expand) for d in (mine, true))
        same(found, expected, where="enumerate_support")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_samples_are_torchs(name, dtype):
    tolerance = 1e-11 if dtype == "float64" else 2e-5
    for shape in ((), (5,), (3, 11)):
        drawn, both, states = [], [], []
        for library, module in LIBRARIES:
            distribution, parameters, _ = build(name, library, module, dtype)
            library.manual_seed(11)
            drawn.append([outcome(distribution.sample, shape), outcome(distribution.rsample, shape)])
            both.append(parameters)
            states.append(library.get_rng_state().numpy())
        for expected, found in zip(*drawn, strict=True):
            same(found, expected, (both[1], both[0]), tolerance, where=f"{name} {shape}")
        assert isinstance(drawn[1][0], type) or not drawn[1][0].requires_grad
        np.testing.assert_array_equal(*states)


@pytest.mark.parametrize("name", CASES)
def test_expand(name):
    (true, true_parameters, true_value), (mine, parameters, value) = pairs(name)
    larger = (4, *true.batch_shape)
    bigger, expected = mine.expand(larger), true.expand(larger)
    assert bigger.batch_shape == tuple(expected.batch_shape) and bigger.event_shape == tuple(expected.event_shape)
    assert mine.batch_shape == tuple(true.batch_shape)
    assert type(bigger) is type(mine)
    same(bigger.log_prob(value), expected.log_prob(true_value), (parameters, true_parameters))
    torch.manual_seed(2)
    minitorch.manual_seed(2)
    same(outcome(lambda: bigger.sample((2,))), outcome(lambda: expected.sample((2,))))
    assert repr(bigger).replace("torch.Size", "Size") == repr(expected).replace("torch.Size", "Size")


@pytest.mark.parametrize("name", CASES)
def test_texts(name):
    (true, _, _), (mine, _, _) = pairs(name)
    assert repr(mine) == repr(true)
    assert repr(outcome(lambda: mine.support)) == repr(outcome(lambda: true.support)).replace("minitorch", "torch")
    assert mine.has_rsample == true.has_rsample and mine.has_enumerate_support == true.has_enumerate_support


# Divergences.

INF_OR_FORMULA = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "Dirichlet", "Exponential", "Gamma", "Geometric",
    "Gumbel", "HalfNormal", "Independent", "Laplace", "LogNormal", "Normal", "OneHotCategorical", "Poisson",
    "StudentT", "Transformed", "Uniform", "Multinomial", "MultivariateNormal", "MultivariateNormal covariance",
]  # fmt: skip


def second(name, library, module):
    """Another one of that name, of the same shapes."""
    make, parameters, _ = CASES[name]
    shifted = [library.tensor(p[..., ::-1] * 0.9, requires_grad=True) for p in parameters]
    return make(module, *shifted), shifted


@pytest.mark.parametrize("name", INF_OR_FORMULA)
def test_divergence_from_every_other(name):
    known = 0
    for other in INF_OR_FORMULA:
        results, both = [], []
        for library, module in LIBRARIES:
            p, parameters, _ = build(name, library, module)
            q, more = second(other, library, module)
            results.append(outcome(lambda module=module, p=p, q=q: module.kl_divergence(p, q)))
            both.append(parameters + more)
        same(results[1], results[0], (both[1], both[0]), where=f"KL({name} || {other})")
        known += not isinstance(results[0], type)
    assert known >= (name not in ("StudentT", "Transformed", "LogNormal", "Multinomial"))


def test_divergences_of_narrow_ranges():
    """Where p's support lies inside q's, and where a probability is 0 or 1."""
    calls = [
        ("Uniform", (0.2, 0.7), "Beta", (2.0, 3.0)),
        ("Uniform", (0.2, 0.7), "Uniform", (0.0, 1.0)),
        ("Uniform", (0.2, 0.7), "Uniform", (0.3, 1.0)),
        ("Uniform", (0.2, 0.7), "Gamma", (2.0, 3.0)),
        ("Uniform", (0.2, 0.7), "Exponential", (2.0,)),
        ("Beta", (2.0, 3.0), "Uniform", (-1.0, 2.0)),
        ("Bernoulli", (0.0,), "Bernoulli", (0.0,)),
        ("Bernoulli", (0.0,), "Bernoulli", (1.0,)),
        ("Bernoulli", (1.0,), "Bernoulli", (0.3,)),
        ("Binomial", (6, [0.2]), "Binomial", (5, [0.3])),
        ("Binomial", (4, [0.2]), "Binomial", (5, [0.3])),
        ("Categorical", ([0.0, 1.0],), "Categorical", ([0.5, 0.5],)),
        ("Categorical", ([0.5, 0.5],), "Categorical", ([0.0, 1.0],)),
    ]
    for p, p_arguments, q, q_arguments in calls:
        results = []
        for library, module in LIBRARIES:
            made = [
                getattr(module, name)(
                    *[a if isinstance(a, int) else library.tensor(a, dtype=library.float64) for a in arguments]
                )
                for name, arguments in ((p, p_arguments), (q, q_arguments))
            ]
            results.append(outcome(lambda module=module, made=made: module.kl_divergence(*made)))
        same(results[1], results[0], where=f"{p}{p_arguments} {q}{q_arguments}")


def test_register_kl_finds_the_closest_pair():
    class Mine(ours.Normal):
        pass

    p = Mine(0.0, 1.0)
    assert ours.kl_divergence(p, ours.Normal(0.0, 2.0)).item() == ours.kl_divergence(
        ours.Normal(0.0, 1.0), ours.Normal(0.0, 2.0)
    ).item()  # fmt: skip
    try:
        ours.register_kl(Mine, ours.Normal)(lambda p, q: "closer")
        assert ours.kl_divergence(p, ours.Normal(0.0, 2.0)) == "closer"
        ours.register_kl(ours.Normal, Mine)(lambda p, q: "other")
        with pytest.warns(RuntimeWarning, match="Ambiguous"):
            ours.kl_divergence(p, Mine(0.0, 1.0))
    finally:
        ours.kl.REGISTRY.pop((Mine, ours.Normal), None)
        ours.kl.REGISTRY.pop((ours.Normal, Mine), None)
    with pytest.raises(TypeError):
        ours.register_kl(int, ours.Normal)


# Exponential families: their entropy and divergence from the log normalizer alone.


@pytest.mark.parametrize("name", ["Normal", "Bernoulli", "Exponential", "Gamma", "Dirichlet"])
def test_log_normalizer_gives_entropy_and_divergence(name):
    p, _, _ = build(name, minitorch, ours)
    q, _ = second(name, minitorch, ours)
    family = ours.ExponentialFamily
    if name != "Dirichlet":  # whose carrier measure is not given, in torch neither
        np.testing.assert_allclose(family.entropy(p).detach().numpy(), p.entropy().detach().numpy(), rtol=1e-12)
    bregman = ours.kl.REGISTRY[family, family](p, q)
    np.testing.assert_allclose(bregman.detach().numpy(), ours.kl_divergence(p, q).detach().numpy(), rtol=1e-10)


# Numbers for parameters, defaults, errors.

CONSTRUCTIONS = """
d.Normal(0.0, 1.0)
d.Normal(0, 1)
d.Normal(t([0.0, 1.0]), 2)
d.Normal(t(0.0), t([-1.0, 1.0]))
d.Normal(t(nan), 1.0)
d.Normal("a", 1.0)
d.Normal(t([0.0, 1.0]), t([1.0, 2.0, 3.0]))
d.Normal(0.0, -1.0, validate_args=False)
d.Uniform(1.0, 0.0)
d.Uniform(t([0.0, 2.0]), t([1.0, 3.0]))
d.Beta(1.0, 2.0)
d.Beta(0.0, 2.0)
d.Gamma(1.0, t([1.0, 0.0]))
d.Chi2(3)
d.Chi2(t([3.0, -1.0]))
d.Exponential(t([-1.0]))
d.Poisson(-1.0)
d.Poisson(2)
d.StudentT(3.0)
d.StudentT(-3.0)
d.Bernoulli(0.3)
d.Bernoulli(1.3)
d.Bernoulli()
d.Bernoulli(0.3, 0.4)
d.Bernoulli(logits=t([nan]))
d.Geometric(t([0.5, 0.0]))
d.Geometric(0.5)
d.Binomial(3, t([0.5]))
d.Binomial(t([3.5]), t([0.5]))
d.Binomial(t([1.0, 2.0]), t([0.5])).entropy()
d.Binomial(t([1.0, 2.0]), t([0.5])).enumerate_support()
d.Categorical(t(0.5))
d.Categorical(t([0.5, 0.5]), t([0.5, 0.5]))
d.Categorical(t([-0.5, 1.5]))
d.Categorical(t([0.0, 0.0]))
d.Dirichlet(t(1.0))
d.Dirichlet(t([1.0, -1.0]))
d.Multinomial(t([3.0]), t([0.5, 0.5]))
d.Multinomial(3, t([0.5, 0.5])).log_prob(t([2.0, 2.0]))
d.Independent(d.Normal(0.0, 1.0), 1)
d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(t([0.0]), t([1.0])))
d.MixtureSameFamily(d.Categorical(t([0.5, 0.5])), d.Normal(t([0.0, 1.0, 2.0]), 1.0))
d.MixtureSameFamily(d.Categorical(t([0.5, 0.5])), 3)
d.TransformedDistribution(d.Normal(0.0, 1.0), 3)
d.TransformedDistribution(d.Normal(0.0, 1.0), [d.StickBreakingTransform()])
d.Normal(t([0.0, 1.0]), 1.0).log_prob(t([0.0, 1.0, 2.0]))
d.Normal(0.0, 1.0).log_prob(3.0)
d.Normal(0.0, 1.0).log_prob(t(nan))
d.Normal(0.0, 1.0).cdf(t([[nan]]))
d.Exponential(1.0).log_prob(t(-1.0))
d.Uniform(0.0, 1.0).log_prob(t(1.5))
d.Uniform(0.0, 1.0, validate_args=False).log_prob(t([1.5, 0.5]))
d.Bernoulli(0.3).log_prob(t(0.5))
d.Categorical(t([0.5, 0.5])).log_prob(t(2))
d.OneHotCategorical(t([0.5, 0.5])).log_prob(t([1.0, 1.0]))
d.Dirichlet(t([1.0, 2.0])).log_prob(t([0.5, 0.6]))
d.Poisson(1.0).log_prob(t(0.5))
d.Poisson(1.0).entropy()
d.Gamma(1.0, 1.0).icdf(t(0.5))
d.Categorical(t([0.3, 0.7])).cdf(t(0.0))
d.HalfNormal(t([1.0])).log_prob(t([-1.0]))
d.HalfCauchy(-1.0)
d.LogNormal(0.0, t([1.0, 0.0]))
d.RelaxedBernoulli(t(0.5), 0.3)
d.RelaxedOneHotCategorical(t(0.5), t([0.3, 0.7]))
d.kl_divergence(d.Normal(0.0, 1.0), d.Cauchy(0.0, 1.0))
d.ExpTransform(cache_size=2)
d.ReshapeTransform((2, 3), (5,))
d.ReshapeTransform((2,), (2, 1))(t([1.0, 2.0, 3.0]))
d.biject_to(d.constraints.boolean)
d.biject_to(3)
d.constraints.dependent.check(t(1.0))
d.Distribution().mean
d.Distribution(validate_args=False).rsample()
d.Distribution.set_default_validate_args(3)
"""


@pytest.mark.parametrize("expression", CONSTRUCTIONS.strip().split("\n"))
def test_numbers_defaults_and_errors(expression):
    """The same result in words, or an error of the same class and the same message."""
    results = []
    for library, module in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = eval(expression, dict(d=module, t=library.tensor, nan=float("nan")))
                results.append((repr(result), getattr(result, "batch_shape", ())))
            except Exception as error:
                # Elsewhere the messages are minitorch's own.
                said = str(error) if isinstance(error, ValueError) and "size" not in str(error) else ""
                results.append((type(error).__name__, said.replace("minitorch", "torch")))
    assert results[1] == results[0]


def test_validation_can_be_switched_off():
    try:
        ours.Distribution.set_default_validate_args(False)
        assert ours.Normal(0.0, -1.0).scale.item() == -1
    finally:
        ours.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="scale"):
        ours.Normal(0.0, -1.0)


def test_a_distribution_of_ones_own():
    class Triangular(ours.Distribution):
        arg_constraints = {"width": ours.constraints.positive}

        def __init__(self, width, validate_args=None):
            (self.width,) = ours.utils.broadcast_all(width)
            super().__init__(self.width.shape, validate_args=validate_args)

        def rsample(self, sample_shape=()):
            u = minitorch.rand((2, *self._extended_shape(sample_shape)))
            return (u[0] - u[1]) * self.width

    with pytest.raises(ValueError, match="width"):
        Triangular(-1.0)
    wide = Triangular(2.0).expand((3,))
    assert wide.sample((5,)).shape == (5, 3) and abs(wide.sample((1000,)).mean().item()) < 0.2
    with pytest.warns(UserWarning, match="support"):
        wide._validate_sample(minitorch.ones(3))


# Transforms.

TRANSFORMS = {
    "exp": lambda d, t: d.ExpTransform(),
    "power": lambda d, t: d.PowerTransform(t(2.5)),
    "sigmoid": lambda d, t: d.SigmoidTransform(),
    "softplus": lambda d, t: d.SoftplusTransform(),
    "tanh": lambda d, t: d.TanhTransform(),
    "affine": lambda d, t: d.AffineTransform(t([1.0, 2.0, 3.0]), -2.0),
    "affine of vectors": lambda d, t: d.AffineTransform(0.5, t([1.0, -2.0, 3.0]), event_dim=1),
    "compose": lambda d, t: d.ComposeTransform(
        [d.ExpTransform(), d.AffineTransform(0.0, 2.0), d.PowerTransform(t(0.5))]
    ),
    "compose with vectors": lambda d, t: d.ComposeTransform([d.TanhTransform(), d.StickBreakingTransform()]),
    "nothing": lambda d, t: d.identity_transform,
    "independent": lambda d, t: d.IndependentTransform(d.ExpTransform(), 1),
    "reshape": lambda d, t: d.ReshapeTransform((3,), (3, 1)),
    "softmax": lambda d, t: d.SoftmaxTransform(),
    "sticks": lambda d, t: d.StickBreakingTransform(),
    "cat": lambda d, t: d.CatTransform([d.ExpTransform(), d.TanhTransform()], -1, [1, 2]),
    "cat with vectors": lambda d, t: d.CatTransform(
        [d.StickBreakingTransform(), d.IndependentTransform(d.ExpTransform(), 1)], 0, [1, 1]
    ),
    "stack": lambda d, t: d.StackTransform([d.ExpTransform(), d.TanhTransform(), d.identity_transform], -1),
    "cdf": lambda d, t: d.CumulativeDistributionTransform(d.Normal(t([0.1, 0.2, 0.3]), 1.5)),
    "positive": lambda d, t: d.biject_to(d.constraints.positive),
    "above 2": lambda d, t: d.biject_to(d.constraints.greater_than(2)),
    "below 2": lambda d, t: d.transform_to(d.constraints.less_than(2.0)),
    "interval": lambda d, t: d.transform_to(d.constraints.interval(-1.0, 2.0)),
    "unit interval": lambda d, t: d.biject_to(d.constraints.unit_interval),
    "simplex": lambda d, t: d.biject_to(d.constraints.simplex),
    "simplex by softmax": lambda d, t: d.transform_to(d.constraints.simplex),
    "real vectors": lambda d, t: d.biject_to(d.constraints.real_vector),
    "parts": lambda d, t: d.biject_to(
        d.constraints.cat([d.constraints.positive, d.constraints.unit_interval], -1, [1, 2])
    ),
    "slices": lambda d, t: d.transform_to(d.constraints.stack([d.constraints.positive] * 3, -1)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    results, both = [], []
    for library, module in LIBRARIES:
        transform = TRANSFORMS[name](module, lambda v, library=library: library.tensor(v, dtype=library.float64))
        start = POSITIVE if name in ("power",) else REAL
        x = library.tensor(start, requires_grad=True)
        y = outcome(lambda t=transform, x=x: t(x))
        result = [y]
        if not isinstance(y, type):
            result += [
                outcome(lambda t=transform, y=y: t.inv(y)),
                outcome(lambda t=transform, x=x, y=y: t.log_abs_det_jacobian(x, y)),
                outcome(lambda t=transform, x=x, y=y: t.inv.log_abs_det_jacobian(y, x)),
            ]
        results.append(result)
        both.append([x])
        facts = [
            transform.bijective, outcome(lambda t=transform: str(t.sign).replace(", dtype=torch.float64", "")),
            outcome(lambda t=transform: t.domain.event_dim), outcome(lambda t=transform: t.codomain.event_dim),
            outcome(transform.forward_shape, library.zeros(2, 3).shape),
            outcome(transform.inverse_shape, library.zeros(2, 3).shape), repr(transform),
        ]  # fmt: skip
        results[-1] = (results[-1], facts)
    assert results[1][1] == results[0][1]
    for i, (expected, found) in enumerate(zip(results[0][0], results[1][0], strict=True)):
        same(found, expected, (both[1], both[0]), where=f"{name} {i}")


def test_transforms_keep_their_last_pair_when_asked():
    tanh = ours.TanhTransform(cache_size=1)
    x = minitorch.tensor([30.0])
    assert tanh.inv(tanh(x)) is x
    assert tanh.with_cache(1) is tanh and tanh.with_cache(0)._cache_size == 0
    assert ours.ComposeTransform([ours.TanhTransform()]).with_cache().inv(tanh(x)).isinf().all()
    assert ours.ExpTransform() == ours.ExpTransform() != ours.TanhTransform()
    assert ours.AffineTransform(1.0, 2.0) == ours.AffineTransform(1.0, 2.0) != ours.AffineTransform(1.0, 3.0)
    assert ours.ExpTransform().inv.inv == ours.ExpTransform() and ours.ExpTransform().inv == ours.ExpTransform().inv


# Constraints.

REGIONS = """
c.boolean
c.one_hot
c.nonnegative_integer
c.positive_integer
c.integer_interval(-1, 2)
c.real
c.real_vector
c.positive
c.nonnegative
c.greater_than(0.5)
c.greater_than_eq(1)
c.less_than(0.5)
c.multinomial(3)
c.unit_interval
c.interval(-1.0, 0.5)
c.half_open_interval(-1.0, 1.0)
c.simplex
c.lower_triangular
c.lower_cholesky
c.corr_cholesky
c.square
c.symmetric
c.independent(c.positive, 2)
c.independent(c.simplex, 1)
c.independent(c.positive, 4)
c.cat([c.positive, c.real], 0, [1, 1])
c.stack([c.positive, c.real], 0)
c.MixtureSameFamilyConstraint(c.positive)
c.dependent(is_discrete=True, event_dim=1)
c.dependent
c.cat([c.positive], 0, [1, 2])
c.independent(3, 1)
"""
MATRICES = np.array([
    [[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [1.0, 2.0]], [[1.0, 0.0], [0.6, 0.8]], [[np.nan, -1.0], [0.25, 0.75]],
    [[2.0, 1.0], [1.0, -1.0]], [[-0.5, 1.5], [3.0, 0.0]],
])  # fmt: skip


@pytest.mark.parametrize("region", REGIONS.strip().split("\n"))
def test_constraints(region):
    results = []
    for library, module in LIBRARIES:
        constraint = outcome(lambda module=module: eval(region, dict(c=module.constraints)))
        if isinstance(constraint, type):
            results.append(constraint)
            continue
        values = [library.tensor(MATRICES), library.tensor(MATRICES[:, 0]), library.tensor(MATRICES[:2])]
        checks = [outcome(lambda v=v, c=constraint: c.check(v)) for v in values]
        results.append((
            [check if isinstance(check, type) else check.tolist() for check in checks], repr(constraint),
            outcome(lambda c=constraint: c.is_discrete), outcome(lambda c=constraint: c.event_dim),
            module.constraints.is_dependent(constraint),
        ))  # fmt: skip
    assert results[1] == results[0]


def test_all_of_torchs_small_distributions_are_there():
    missing = set(theirs.__all__) - set(dir(ours))
    assert missing <= {
        "ContinuousBernoulli", "FisherSnedecor", "GeneralizedPareto", "InverseGamma", "Kumaraswamy", "LKJCholesky",
        "LogisticNormal", "LowRankMultivariateNormal", "NegativeBinomial", "Pareto", "VonMises",
        "Weibull", "Wishart", "CorrCholeskyTransform", "PositiveDefiniteTransform",
    }, missing  # fmt: skip
