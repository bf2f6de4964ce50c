"""Chapter 15: distances, margin, hinge loss, dual."""

from __future__ import annotations

from hypothesis import strategies as st

from .exercise import exercise
from .strategies import halves, positive, sizes, tensors

signs = st.sampled_from([-1.0, 1.0])
planes = st.tuples(sizes, st.integers(1, 3)).flatmap(
    lambda s: st.fixed_dictionaries(
        {"x": tensors(*s), "y": tensors(s[0], numbers=signs), "w": tensors(s[1], numbers=positive), "b": halves}
    )
)


@exercise(
    planes,
    mistake=lambda x, y, w, b: (y * (x @ w + b)).min(),
)
def margin(x, y, w, b):
    r"""The smallest distance $\min_i\, y_i (w \cdot x_i + b) / |w|$ of the points `x` (N, D) with labels `y` (N,), -1 or 1,
    from the plane `w` (D,), `b` (a number); negative if a point lies on the wrong side."""
    return (y * (x @ w + b)).min() / w.norm()


@exercise(
    planes.flatmap(lambda drawn: st.fixed_dictionaries({**{k: st.just(v) for k, v in drawn.items()}, "c": positive})),
    mistake=lambda x, y, w, b, c: w.square().sum() / 2 + c * (1 - y * (x @ w + b)).clamp(min=0).mean(),
)
def soft_margin_loss(x, y, w, b, c):
    r"""$\frac{1}{2} |w|^2 + C \sum_i \max(0, 1 - y_i (w \cdot x_i + b))$, where $C$ is `c`."""
    return w.square().sum() / 2 + c * (1 - y * (x @ w + b)).clamp(min=0).sum()


@exercise(
    planes,
    mistake=lambda x, y, w, b: w - (y[:, None] * x).sum(0),
)
def hinge_gradient(x, y, w, b):
    r"""The gradient with respect to `w` of $\frac{1}{2} |w|^2 + \sum_i \max(0, 1 - y_i (w \cdot x_i + b))$, by formula. A
    point with $y_i (w \cdot x_i + b) = 1$ exactly counts as beyond the margin."""
    inside = (y * (x @ w + b) < 1).float()
    return w - ((inside * y)[:, None] * x).sum(0)


@exercise(
    sizes.flatmap(
        lambda n: st.fixed_dictionaries(
            {"gram": tensors(n, n), "y": tensors(n, numbers=signs), "alpha": tensors(n, numbers=halves.map(abs))}
        )
    ),
    mistake=lambda gram, y, alpha: alpha.sum() - (alpha @ gram @ alpha) / 2,
)
def dual_objective(gram, y, alpha):
    r"""What the dual maximises, $\sum_i \alpha_i - \frac{1}{2} \sum_{ij} \alpha_i \alpha_j y_i y_j K_{ij}$, from the matrix
    `gram` (N, N) of the scalar products $K_{ij}$."""
    weighted = alpha * y
    return alpha.sum() - (weighted @ gram @ weighted) / 2
