"""Convex models: the optimum is reached, held against formulas, optimality conditions and the dual."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import minitorch
from minitorch import tensor
from minitorch.models.linear import (
    LinearRegression,
    LogisticRegression,
    SoftmaxRegression,
    converge,
    descend,
    least_squares,
    penalty,
)
from minitorch.models.svm import SVM, decision, dual, kernel
from minitorch.models.table import TableEncoder


def data(seed=0, count=40, features=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, features))
    return rng, x, x @ rng.standard_normal(features) + 0.7


def parameters(model):
    return [p.detach().numpy() for p in model.parameters()]


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_linear_regression_reaches_the_normal_equations(decay):
    rng, x, y = data()
    y = y + 0.1 * rng.standard_normal(len(y))
    w, b = least_squares(tensor(x), tensor(y), decay)
    if decay == 0:
        expected = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)[0]
        np.testing.assert_allclose([*w.tolist(), b.item()], expected, rtol=1e-10)
    model = LinearRegression(3).double()

    def loss():
        return model.loss(tensor(x), tensor(y)) + penalty(model, decay)

    losses = descend(model, loss, 150, 0.5)
    assert all(after <= before + 1e-15 for before, after in itertools.pairwise(losses))
    weight, bias = parameters(model)
    np.testing.assert_allclose(weight[0], w.numpy(), rtol=1e-6)
    np.testing.assert_allclose(bias, [b.item()], rtol=1e-6)


def newton(x, y, decay):
    """The logistic optimum by Newton's method in NumPy: (w, b)."""
    design, theta = np.c_[x, np.ones(len(x))], np.zeros(x.shape[1] + 1)
    penalised = decay * np.diag([*[1.0] * x.shape[1], 0.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (p - y) / len(y) + penalised @ theta
        hessian = design.T @ (design * (p * (1 - p))[:, None]) / len(y) + penalised
        theta = theta - np.linalg.solve(hessian, gradient)
    return theta


def test_logistic_regression_reaches_newtons_optimum():
    rng, x, score = data(1)
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-score))).astype(float)
    model = LogisticRegression(3).double()
    converge(model, lambda: model.loss(tensor(x), tensor(y)) + penalty(model, 0.01), tolerance=1e-11)
    weight, bias = parameters(model)
    np.testing.assert_allclose([*weight[0], *bias], newton(x, y, 0.01), rtol=1e-7)


def test_the_loss_of_logits_stays_finite():
    """-log sigmoid(-1000) is 1000, where sigmoid itself is 0."""
    model = LogisticRegression(1).double()
    minitorch.nn.init.constant_(model.linear.weight, 1.0)
    minitorch.nn.init.zeros_(model.linear.bias)
    x, y = tensor([[-1000.0], [1000.0], [0.5]]).double(), tensor([1.0, 1.0, 0.0]).double()
    assert model.loss(x, y).item() == pytest.approx((1000 + 0 + math.log1p(math.exp(0.5))) / 3)


def test_softmax_regression_meets_its_optimality_conditions():
    """At the optimum of the unpenalised biases each class is predicted as often as it occurs, and for the weights
    1/N sum (p_k - [y = k]) x + decay w_k = 0."""
    rng, x, _ = data(2, 60)
    y = rng.integers(0, 3, 60)
    model = SoftmaxRegression(3, 3).double()
    converge(model, lambda: model.loss(tensor(x), tensor(y)) + penalty(model, 0.1), tolerance=1e-10)
    weight, bias = parameters(model)
    scores = x @ weight.T + bias
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    miss = p - np.eye(3)[y]
    np.testing.assert_allclose(miss.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose(miss.T @ x / 60 + 0.1 * weight, 0, atol=1e-8)


def test_softmax_of_two_classes_is_logistic():
    rng, x, _ = data(3)
    y = rng.integers(0, 2, len(x))
    two, one = SoftmaxRegression(3, 2).double(), LogisticRegression(3).double()
    with minitorch.no_grad():
        one.linear.weight.copy_(two.linear.weight[1:] - two.linear.weight[:1])
        one.linear.bias.copy_(two.linear.bias[1:] - two.linear.bias[:1])
    assert two.loss(tensor(x), tensor(y)).item() == pytest.approx(
        one.loss(tensor(x), tensor(y).double()).item(), rel=1e-13
    )


def test_weight_decay_tames_overfitting():
    """A polynomial of degree 9 through 10 points: no error where it was fitted, a large one beside; decay mends that."""
    rng = np.random.default_rng(4)
    powers = np.arange(1, 10)
    t, between = np.linspace(-1, 1, 10)[:, None], np.linspace(-0.95, 0.95, 50)[:, None]
    y = np.sin(3 * t[:, 0]) + 0.3 * rng.standard_normal(10)
    errors = {}
    for decay in (0.0, 0.003):
        w, b = least_squares(tensor(t**powers), tensor(y), decay)
        fitted = t**powers @ w.numpy() + b.item()
        beside = between**powers @ w.numpy() + b.item()
        errors[decay] = np.square(fitted - y).mean(), np.square(beside - np.sin(3 * between[:, 0])).mean()
    assert errors[0.0][0] < 1e-12 < errors[0.003][0]
    assert errors[0.003][1] < errors[0.0][1] / 2


# The support vector machine


def two_groups(seed, gap, count=30):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(count) % 2, 1.0, -1.0)
    return rng.standard_normal((count, 2)) + gap * y[:, None], y


@pytest.mark.parametrize(("gap", "c"), [(3.0, 10.0), (3.0, 0.1), (0.5, 1.0)])
def test_the_dual_is_the_primal_optimum(gap, c):
    """The gap between primal and dual closes (strong duality), and the Karush-Kuhn-Tucker conditions hold."""
    x, y = two_groups(0, gap)
    alpha, b = dual(kernel(tensor(x), tensor(x)), tensor(y), c, 1e-9)
    a = alpha.numpy()
    assert (a >= 0).all() and (a <= c).all() and a @ y == pytest.approx(0, abs=1e-9)
    w = (a * y) @ x
    score = x @ w + b
    primal = w @ w / 2 + c * np.maximum(0, 1 - y * score).sum()
    assert primal == pytest.approx(a.sum() - w @ w / 2, rel=1e-7)
    np.testing.assert_allclose(
        decision(kernel(tensor(x), tensor(x)), alpha, tensor(y), b).numpy(), score, rtol=1e-10, atol=1e-12
    )
    assert (y * score >= 1 - 1e-6)[a == 0].all() and (y * score <= 1 + 1e-6)[a == c].all()
    np.testing.assert_allclose((y * score)[(a > 0) & (a < c)], 1, atol=1e-6)
    if c <= 1:  # beyond, the steps of the subgradient are many
        model = SVM(2).double()
        for parameter in model.parameters():
            minitorch.nn.init.zeros_(parameter)
        reached = model.fit(tensor(x), tensor(y), c, 1000)
        assert primal * (1 - 1e-7) <= reached <= 1.03 * primal


def test_the_margin_is_the_widest():
    """Separable points, C large: no plane of a thousand directions has its nearest point further away."""
    x, y = two_groups(1, 3.0)
    alpha, b = dual(kernel(tensor(x), tensor(x)), tensor(y), 1e6, 1e-7)
    w = (alpha.numpy() * y) @ x
    margin = (y * (x @ w + b)).min() / np.linalg.norm(w)
    assert margin == pytest.approx(1 / np.linalg.norm(w), rel=1e-5)
    for angle in np.linspace(0, 2 * np.pi, 1000):
        along = x @ [np.cos(angle), np.sin(angle)]
        assert (along[y > 0].min() - along[y < 0].max()) / 2 <= margin * (1 + 1e-9)


def test_a_kernel_separates_what_no_line_can():
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (60, 2))
    y = np.where(np.square(x).sum(1) < 0.5, 1.0, -1.0)
    gram = kernel(tensor(x), tensor(x), gamma=3.0)
    squares = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.testing.assert_allclose(gram.numpy(), np.exp(-3 * squares), rtol=1e-12)
    alpha, b = dual(gram, tensor(y), 1000.0)
    assert (np.sign(decision(gram, alpha, tensor(y), b).numpy()) == y).all()
    with pytest.raises(RuntimeError, match="after 2 steps"):
        dual(gram, tensor(y), steps=2)


# Tables


def test_a_table_with_gaps_and_categories():
    """The notes' houses: NumRooms with gaps, Alley with one value and gaps."""
    table = {"NumRooms": [math.nan, 2.0, 4.0, None], "Alley": ["Pave", None, math.nan, None]}
    encoder = TableEncoder.fit(table)
    assert encoder.columns == ["NumRooms", "Alley_Pave", "Alley_nan"]
    assert encoder(table).tolist() == [[0, 1, 0], [-1, 0, 1], [1, 0, 1], [0, 0, 1]]
    assert encoder({"NumRooms": [5], "Alley": ["Grvl"]}).tolist() == [[2, 0, 0]]
    with pytest.raises(ValueError, match="'empty'"):
        TableEncoder.fit({"empty": [None, math.nan]})
    with pytest.raises(KeyError):
        encoder({"NumRooms": [1]})
    constant = TableEncoder.fit({"same": [3, 3]})
    assert constant({"same": [3, 4]}).tolist() == [[0], [1]]


def test_a_pandas_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"rooms": [None, 2, 4], "alley": ["Pave", None, "Grvl"]})
    expected = pandas.get_dummies(frame[["alley"]], dummy_na=True)
    encoder = TableEncoder.fit(frame)
    assert encoder.columns == ["rooms", *expected.columns]
    np.testing.assert_array_equal(encoder(frame).numpy()[:, 1:], expected.to_numpy(float))


# scikit-learn's optimum of the same loss, reached by other algorithms.


def test_logistic_and_softmax_regression_reach_scikit_learns_optimum():
    from sklearn.linear_model import LogisticRegression as Theirs

    rng, x, score = data(5)
    decay, x = 0.02, np.ascontiguousarray(x)
    two = (rng.random(len(x)) < 1 / (1 + np.exp(-score))).astype(float)
    theirs = Theirs(C=1 / (decay * len(x)), tol=1e-12, max_iter=10_000).fit(x, two)
    ours = LogisticRegression(3).double()
    converge(ours, lambda: ours.loss(tensor(x), tensor(two)) + penalty(ours, decay))
    np.testing.assert_allclose(
        np.r_[[p.ravel() for p in parameters(ours)][0], parameters(ours)[1]],
        [*theirs.coef_[0], *theirs.intercept_],
        rtol=1e-5,
    )

    three = rng.integers(0, 3, len(x))
    theirs = Theirs(C=1 / (decay * len(x)), tol=1e-12, max_iter=10_000).fit(x, three)
    many = SoftmaxRegression(3, 3).double()
    converge(many, lambda: many.loss(tensor(x), tensor(three)) + penalty(many, decay))
    weight, bias = parameters(many)
    np.testing.assert_allclose(weight, theirs.coef_, rtol=1e-4, atol=1e-7)
    # A number added to every bias changes no probability.
    np.testing.assert_allclose(bias - bias.mean(), theirs.intercept_ - theirs.intercept_.mean(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("gamma", [None, 0.7])
def test_the_dual_is_scikit_learns(gamma):
    from sklearn.svm import SVC

    rng, x, score = data(6)
    y = np.where(score + 0.8 * rng.standard_normal(len(x)) > 0.7, 1.0, -1.0)
    theirs = SVC(kernel="linear" if gamma is None else "rbf", gamma=gamma or 1.0, C=2.0, tol=1e-10).fit(x, y)
    alpha, b = dual(kernel(tensor(x), tensor(x), gamma), tensor(y), c=2.0, tolerance=1e-10)
    coefficients = np.zeros(len(x))
    coefficients[theirs.support_] = theirs.dual_coef_[0]
    # libsvm, which scikit-learn runs, keeps the rows of the kernel matrix in float32.
    np.testing.assert_allclose(alpha.numpy() * y, coefficients, atol=1e-4)
    np.testing.assert_allclose(b, theirs.intercept_[0], atol=1e-4)
