"""Linear, logistic and softmax regression (线性回归, 逻辑回归, softmax 回归): one linear map and a convex loss.

Hastie, Tibshirani, Friedman, "The elements of statistical learning" (2nd edition, 2009), sections 3.2, 3.4.1 and 4.4.
Convex: there is one minimum to be found, so gradient descent ends where Newton's method or a formula does.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import Tensor, cat, eye, nn, no_grad, ones, optim, zeros
from ..nn import functional as F
from ..ops.inverse import solve


class OneOutput(nn.Module):
    """x w + b: (N, in_features) -> (N,)."""

    def __init__(self, in_features: int):
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).squeeze(1)


class LinearRegression(OneOutput):
    """y = x w + b: (N, in_features) -> (N,). "How much?" """

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Squared error (平方误差): L = 1 / (2 N) sum (x w + b - y)^2."""
        return (self(x) - y).square().mean() / 2


class LogisticRegression(OneOutput):
    """p(y = 1 | x) = sigmoid(x w + b), sigmoid(z) = 1 / (1 + e^-z): (N, in_features) -> logits (N,). "Which of two?" """

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Binary cross-entropy (二元交叉熵): L = -1/N sum (y log p + (1 - y) log(1 - p)), y: 0 or 1, (N,).

        From the logit z: -y z + log(1 + e^z), which stays finite where p rounds to 0 or 1.
        """
        return F.binary_cross_entropy_with_logits(self(x), y)


class SoftmaxRegression(nn.Module):
    """p(class k | x) = softmax(x W^T + b)_k: (N, in_features) -> logits (N, num_classes). "Which of many?" """

    def __init__(self, in_features: int, num_classes: int):
        super().__init__()
        self.linear = nn.Linear(in_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy: L = -1/N sum log p(class y_i | x_i), y: int64 (N,)."""
        return F.cross_entropy(self(x), y)


def penalty(model: nn.Module, weight_decay: float) -> Tensor:
    """weight_decay / 2 * |w|^2 over the weights, not the biases: an offset is no sign of overfitting (过拟合)."""
    return (
        weight_decay
        / 2
        * sum((p.square().sum() for n, p in model.named_parameters() if n.endswith("weight")), zeros(()))
    )


@no_grad()
def least_squares(x: Tensor, y: Tensor, weight_decay: float = 0.0) -> tuple[Tensor, Tensor]:
    """(w, b) with the smallest LinearRegression.loss + weight_decay / 2 |w|^2, by the normal equations.

    With X = [x 1] and the gradient 1/N X^T (X w - y) + weight_decay w = 0:   (X^T X + N weight_decay I') w = X^T y.
    I' has 0 where the bias stands.
    """
    design = cat([x, ones(len(x), 1, dtype=x.dtype)], 1)
    penalised = eye(x.shape[1] + 1, dtype=x.dtype)
    penalised[-1, -1] = 0
    solution = solve(design.t() @ design + len(x) * weight_decay * penalised, design.t() @ y)
    return solution[:-1], solution[-1]


def descend(model: nn.Module, loss: Callable[[], Tensor], steps: int, lr: float) -> list[float]:
    """Gradient descent on all data at once: theta <- theta - lr * dL/dtheta. Returns the loss before each step."""
    optimizer = optim.SGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def converge(model: nn.Module, loss: Callable[[], Tensor], steps: int = 200, tolerance: float = 1e-12) -> float:
    """The minimum of a smooth convex loss by L-BFGS with line search, until the gradient's entries are below `tolerance`."""
    optimizer = optim.LBFGS(
        model.parameters(), max_iter=steps, tolerance_grad=tolerance, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return loss().item()
