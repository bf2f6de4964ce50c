"""Regression and the support vector machine: convex problems, so the optimum is known and must be met."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

import minitorch
from minitorch import Tensor, float64, no_grad, tensor
from minitorch.models import SVM, LinearRegression, LogisticRegression, SoftmaxRegression
from minitorch.models.linear import converge, descend, least_squares, penalty
from minitorch.models.svm import dual, kernel
from minitorch.models.table import TableEncoder
from minitorch.vision.datasets import Digits

from .system import Reached, system


def difference(found: Any, true: Any) -> float:
    """The largest |found - true|, in units of the largest |true|."""
    found, true = np.asarray(found, float), np.asarray(true, float)
    return float(abs(found - true).max() / abs(true).max())


def sklearn_installed() -> bool:
    return importlib.util.find_spec("sklearn") is not None


def houses(count: int, seed: int) -> tuple[dict[str, list], Tensor]:
    """A table as the notes have it: rooms, with some missing, the alley, mostly missing, the area; and the prices."""
    random = np.random.RandomState(seed)
    rooms, square_metres = random.randint(1, 8, count).astype(float), random.uniform(30, 200, count)
    alley = [(None, "Pave", "Grvl")[k] for k in random.choice(3, count, p=(0.6, 0.25, 0.15))]
    price = 20 * rooms + 3 * square_metres + np.array([{None: 0, "Pave": 40, "Grvl": -15}[a] for a in alley])
    rooms[random.rand(count) < 0.2] = np.nan
    return {"NumRooms": list(rooms), "Alley": alley, "Area": list(square_metres)}, tensor(
        price + 10 * random.randn(count), dtype=float64
    )


@system(
    metric="largest difference of gradient descent's weights from the least-squares solution, relative",
    at_most=1e-6,
    baseline="test error (root mean square) of predicting the mean price",
)
def linear_regression(seed: int = 0, rows: int = 400, steps: int = 3000, lr: float = 0.3) -> Reached:
    """Linear regression on a table with missing values and categories."""
    table, price = houses(rows, seed)
    test_table, test_price = houses(rows, seed + 1)
    encoder = TableEncoder.fit(table)
    # The columns of a category add up to 1, which the bias can say already: without the last, the optimum is one point.
    x, test_x = (encoder(t).double()[:, :-1] for t in (table, test_table))
    minitorch.manual_seed(seed)
    model = LinearRegression(x.shape[1]).double()
    losses = descend(model, lambda: model.loss(x, price), steps, lr)
    weight, bias = least_squares(x, price)
    found = [*model.linear.weight[0].tolist(), model.linear.bias.item()]
    details = {"loss": losses[:: steps // 50], "columns": encoder.columns[:-1]}
    with no_grad():
        details["test error"] = float((model(test_x) - test_price).square().mean().sqrt())
    if sklearn_installed():
        from sklearn.linear_model import LinearRegression as Theirs

        theirs = Theirs().fit(x.numpy(), price.numpy())
        details["difference from scikit-learn"] = difference(found, [*theirs.coef_, theirs.intercept_])
    mean_error = float((test_price - price.mean()).square().mean().sqrt())
    return Reached(difference(found, [*weight.tolist(), bias.item()]), mean_error, details)


def pixels(train: bool, classes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The digits `classes` at 7x7: float64 (N, 49) in [0, 1], labels (N,) into `classes`."""
    data = Digits(train=train)
    labels = data.targets.numpy()
    chosen = np.isin(labels, classes)
    images = data.data.numpy()[chosen].reshape(-1, 7, 4, 7, 4).mean((2, 4)) / 255
    return tensor(images.reshape(-1, 49)), tensor(np.searchsorted(classes, labels[chosen]))


def penalised(model: Any, x: Tensor, y: Tensor, weight_decay: float) -> Tensor:
    return model.loss(x, y) + penalty(model, weight_decay)


@system(
    metric="largest entry of the gradient at the minimum that was found",
    at_most=1e-8,
    baseline="test accuracy of always naming the more frequent class",
)
def logistic_regression(seed: int = 0, weight_decay: float = 0.01) -> Reached:
    """Logistic regression: the digits 3 and 8."""
    (x, y), (test_x, test_y) = (pixels(train, (3, 8)) for train in (True, False))
    minitorch.manual_seed(seed)
    model = LogisticRegression(49).double()
    loss = converge(model, lambda: penalised(model, x, y.double(), weight_decay))
    details: dict[str, Any] = {"loss": loss}
    with no_grad():
        details["test accuracy"] = float(((model(test_x) > 0) == (test_y == 1)).double().mean())
    if sklearn_installed():
        theirs = theirs_at(x, y, weight_decay)
        found = [*model.linear.weight[0].tolist(), model.linear.bias.item()]
        details["difference from scikit-learn"] = difference(found, [*theirs.coef_[0], *theirs.intercept_])
    return Reached(steepest(model), float((test_y == y.mode().values).double().mean()), details)


@system(
    metric="largest entry of the gradient at the minimum that was found",
    at_most=1e-8,
    baseline="test accuracy of guessing",
)
def softmax_regression(seed: int = 0, weight_decay: float = 0.01) -> Reached:
    """Softmax regression: the ten digits."""
    (x, y), (test_x, test_y) = (pixels(train, tuple(range(10))) for train in (True, False))
    minitorch.manual_seed(seed)
    model = SoftmaxRegression(49, 10).double()
    loss = converge(model, lambda: penalised(model, x, y, weight_decay), steps=1000)
    details: dict[str, Any] = {"loss": loss}
    with no_grad():
        details["test accuracy"] = float((model(test_x).argmax(1) == test_y).double().mean())
    if sklearn_installed():
        # The same number added to all biases changes nothing: those of both sides are compared about their means.
        theirs, bias = theirs_at(x, y, weight_decay), model.linear.bias.detach().numpy()
        found = np.append(model.linear.weight.detach().numpy().ravel(), bias - bias.mean())
        true = np.append(theirs.coef_.ravel(), theirs.intercept_ - theirs.intercept_.mean())
        details["difference from scikit-learn"] = difference(found, true)
    return Reached(steepest(model), 0.1, details)


def steepest(model: Any) -> float:
    """The largest |entry| of the gradient that the last evaluation left."""
    return max(float(p.grad.abs().max()) for p in model.parameters())


def theirs_at(x: Tensor, y: Tensor, weight_decay: float) -> Any:
    """scikit-learn's optimum of the same problem: its loss is the sum, so C = 1 / (N weight_decay)."""
    from sklearn.linear_model import LogisticRegression as Theirs

    return Theirs(C=1 / (len(x) * weight_decay), tol=1e-12, max_iter=10_000).fit(x.numpy(), y.numpy())


@system(
    metric="difference of the primal's margin from the dual's, relative",
    at_most=0.01,
    baseline="the same difference for the line halfway between the classes' means",
)
def svm(seed: int = 0, points: int = 40, c: float = 10.0, steps: int = 8_000) -> Reached:
    """Support vector machine: the widest margin, by hinge loss and by the dual."""
    random = np.random.RandomState(seed)
    y = np.repeat([-1.0, 1.0], points // 2)
    x = random.randn(points, 2) * 0.5 + np.where(y > 0, 1.4, -1.4)[:, None]
    inputs, labels = tensor(x), tensor(y)
    alpha, bias = dual(kernel(inputs, inputs), labels, c)
    weight = (alpha * labels) @ inputs
    minitorch.manual_seed(seed)
    model = SVM(2).double()
    model.fit(inputs, labels, c, steps)
    widest, found = margin(x, y, weight.numpy(), bias), margin(x, y, *map(np.asarray, plane(model)))
    between = x[y > 0].mean(0) - x[y < 0].mean(0)
    halfway = margin(x, y, between, -between @ (x[y > 0].mean(0) + x[y < 0].mean(0)) / 2)
    details = {"margin": widest, "1 / |w| of the dual": float(1 / weight.norm()), "margin of the primal": found}
    details |= {"points": x.tolist(), "labels": y.tolist(), "alpha": alpha.tolist(), "w": weight.tolist(), "b": bias}
    if sklearn_installed():
        from sklearn.svm import SVC

        theirs = SVC(C=c, kernel="linear", tol=1e-8).fit(x, y)
        details["difference from scikit-learn"] = difference(
            [*weight.tolist(), bias], [*theirs.coef_[0], *theirs.intercept_]
        )
    return Reached(abs(found - widest) / widest, abs(halfway - widest) / widest, details)


def plane(model: SVM) -> tuple[list[float], float]:
    return model.linear.weight[0].tolist(), model.linear.bias.item()


def margin(x: np.ndarray, y: np.ndarray, weight: np.ndarray, bias: float) -> float:
    """The smallest distance y (w x + b) / |w| of a point from the plane."""
    return float((y * (x @ weight + bias)).min() / np.linalg.norm(weight))
