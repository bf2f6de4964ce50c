"""The support vector machine (支持向量机): the line that separates two classes with the widest margin.

Cortes, Vapnik, "Support-vector networks", Machine Learning 20 (1995). The points' distances from the plane w x + b = 0
are y (w x + b) / |w|; of all planes that separate, the one whose smallest distance is largest. Scaled so that this
point has y (w x + b) = 1, the margin is 1 / |w|, and the task is to make |w| small:

    min 1/2 |w|^2 + C sum xi_i    with y_i (w x_i + b) >= 1 - xi_i,  xi_i >= 0,     y_i = -1 or 1

where slack xi lets points stand inside the margin, at the price C.
"""

from __future__ import annotations

import numpy as np

from .. import Tensor, nn, no_grad, optim, tensor

# dual() works in NumPy: each of its steps looks at two numbers.


class SVM(nn.Module):
    """w x + b: (N, in_features) -> scores (N,); the sign is the class."""

    def __init__(self, in_features: int):
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).squeeze(1)

    def loss(self, x: Tensor, y: Tensor, c: float = 1.0) -> Tensor:
        """The primal: 1/2 |w|^2 + C sum max(0, 1 - y (w x + b)), y: -1 or 1, (N,).

        At the optimum xi is as small as it may be, which makes it the hinge loss max(0, 1 - y score).
        """
        return self.linear.weight.square().sum() / 2 + c * (1 - y * self(x)).clamp(min=0).sum()

    def fit(self, x: Tensor, y: Tensor, c: float = 1.0, steps: int = 1000) -> float:
        """Subgradient descent on the primal with lr_t = 1 / t (Shalev-Shwartz et al., "Pegasos", 2011) and the mean of
        the iterates of the second half; the loss that is reached, which nears the optimum as C^2 / steps: `dual` is quicker
        for a large C."""
        optimizer = optim.SGD(self.parameters(), lr=1.0)
        means = [p.detach() * 0 for p in self.parameters()]
        half = steps // 2
        for step in range(1, steps + 1):
            optimizer.param_groups[0]["lr"] = 1 / (step + c * len(x))
            optimizer.zero_grad()
            self.loss(x, y, c).backward()
            optimizer.step()
            if step > half:
                means = [m + (p.detach() - m) / (step - half) for m, p in zip(means, self.parameters(), strict=True)]
        with no_grad():
            for parameter, mean in zip(self.parameters(), means, strict=True):
                parameter.copy_(mean)
        return self.loss(x, y, c).item()


@no_grad()
def kernel(x: Tensor, other: Tensor, gamma: float | None = None) -> Tensor:
    """k(x, x') = x x', or with gamma exp(-gamma |x - x'|^2), a scalar product in a space of infinitely many features:
    (N, D), (M, D) -> (N, M)."""
    product = x @ other.t()
    if gamma is None:
        return product
    square = x.square().sum(1)[:, None] + other.square().sum(1) - 2 * product
    return (-gamma * square).exp()


def dual(
    gram: Tensor, y: Tensor, c: float = 1.0, tolerance: float = 1e-6, steps: int = 100_000
) -> tuple[Tensor, float]:
    """The dual problem: (alpha (N,), b) for the kernel matrix `gram` (N, N) and labels y (N,), -1 or 1.

        max sum alpha_i - 1/2 sum alpha_i alpha_j y_i y_j k(x_i, x_j)   with 0 <= alpha_i <= C,  sum alpha_i y_i = 0

    The Lagrangian's derivatives make w = sum alpha_i y_i x_i, so only scalar products of the points are left, and any
    kernel can take their place. alpha is 0 outside the margin: the others are the support vectors.

    Sequential minimal optimisation (Platt 1998; working pair by Keerthi et al. 2001): the two points that contradict the
    conditions of the optimum most change their alpha, along the line on which the sum stays 0. With the gradient
    G = 1 - y (K (alpha y)), i can go up where y_i alpha_i may grow, j down where y_j alpha_j may shrink; the optimum is
    reached when max y_i G_i over the first does not exceed min y_j G_j over the second by more than `tolerance`.
    RuntimeError after `steps` without that.
    """
    k, sign = gram.numpy().astype(float), y.numpy().astype(float)
    alpha, gradient = np.zeros(len(sign)), np.ones(len(sign))
    for _ in range(steps):
        slope = sign * gradient
        up = np.where(sign > 0, alpha < c, alpha > 0)
        down = np.where(sign > 0, alpha > 0, alpha < c)
        i = int(np.where(up, slope, -np.inf).argmax())
        j = int(np.where(down, slope, np.inf).argmin())
        if not up.any() or not down.any() or slope[i] - slope[j] <= tolerance:
            b = (slope[i] + slope[j]) / 2
            return tensor(alpha), float(b)
        curvature = max(k[i, i] + k[j, j] - 2 * k[i, j], 1e-12)
        room_i = c - alpha[i] if sign[i] > 0 else alpha[i]
        room_j = alpha[j] if sign[j] > 0 else c - alpha[j]
        step = min((slope[i] - slope[j]) / curvature, room_i, room_j)
        alpha[i] = _bounded(alpha[i] + sign[i] * step, c)
        alpha[j] = _bounded(alpha[j] - sign[j] * step, c)
        gradient -= step * sign * (k[:, i] - k[:, j])
    raise RuntimeError(f"dual: no optimum within {tolerance} after {steps} steps")


def _bounded(alpha: float, c: float) -> float:
    """Rounding must not leave a point just beside a bound, where it would be chosen forever."""
    return 0.0 if alpha < 1e-12 * c else c if alpha > (1 - 1e-12) * c else alpha


def decision(gram: Tensor, alpha: Tensor, y: Tensor, b: float) -> Tensor:
    """sum_i alpha_i y_i k(x_i, x) + b for new points: gram (N, M) between the old and the new -> (M,)."""
    return (alpha * y) @ gram + b
