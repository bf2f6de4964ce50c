"""Chapter 04: derivatives by rule, by difference, by backward()."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import alike, halves, matrices, sizes, tensors, vectors


@exercise(
    x=vectors(),
    mistake=lambda x: 2 * x,
)
def gradient_of_the_notes(x):
    r"""The gradient of $y = 2\, x^T x$ at the vector `x`, by `backward()`. (The vector that you get does not require
    grad.)"""
    x.requires_grad_()
    (2 * torch.dot(x, x)).backward()
    return x.grad


@exercise(
    alike("a", "b", "g"),
    mistake=lambda a, b, g: (g / b, g * a / b**2),
    within=1e-4,
)
def product_rule(a, b, g):
    r"""The rules of the elementwise product $z = a \cdot b$: given `g`, the gradient of the loss with respect to $z$, the
    pair of its gradients with respect to `a` and `b`. By formula, without `backward()`."""
    return g * b, g * a


@exercise(
    st.tuples(sizes, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries({"a": tensors(s[0], s[1]), "b": tensors(s[1], s[2]), "g": tensors(s[0], s[2])})
    ),
    mistake=lambda a, b, g: (g @ b.t(), (g.t() @ a)),
)
def matmul_rule(a, b, g):
    r"""The rules of the matrix product $Z = A B$: the pair of the gradients with respect to `a` (n, k) and `b` (k, m),
    from `g` (n, m). By formula, without `backward()`. (Compare the shapes: there is only one way that fits.)"""
    return g @ b.t(), a.t() @ g


@exercise(
    x=vectors(),
    mistake=lambda x: torch.tensor([((v + 1e-3) ** 3 - v**3) / 1e-3 for v in x.double().tolist()]),
)
def by_differences(x):
    r"""The derivative of $x^3$ at every entry of `x`, by the central difference
    $(f(x + \epsilon) - f(x - \epsilon)) / 2 \epsilon$ with $\epsilon = 10^{-3}$, computed in float64."""
    x, eps = x.double(), 1e-3
    return ((x + eps) ** 3 - (x - eps) ** 3) / (2 * eps)


@exercise(
    x=matrices(numbers=halves),
    pieces=st.integers(1, 3),
    mistake=lambda x, pieces: 2 * x.chunk(pieces)[-1],
)
def accumulated(x, pieces):
    r"""The gradient of $\sum_{ij} x_{ij}^2$ with respect to `x`, by one `backward()` for each of the pieces that
    `x.chunk(pieces)` gives, which accumulate in `x.grad`."""
    x.requires_grad_()
    for piece in x.chunk(pieces):
        piece.square().sum().backward()
    return x.grad
