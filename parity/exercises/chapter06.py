"""Chapter 06: activation functions and their slopes."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, sizes, tensors, vectors

large = st.sampled_from([0.0, 1.0, -1.0, 100.0, -100.0, 0.5])


@exercise(
    x=vectors(),
    slope=st.sampled_from([0.0, 0.25, 0.5]),
    mistake=lambda x, slope: torch.where(x > 0, x, slope),
)
def leaky_relu(x, slope):
    r"""The leaky ReLU: `x` where it is positive, `slope` times `x` elsewhere."""
    return torch.where(x > 0, x, slope * x)


@exercise(
    x=vectors(numbers=large),
    mistake=lambda x: x.exp() / (1 + x.exp()),
)
def stable_sigmoid(x):
    r"""The sigmoid $1 / (1 + e^{-x})$, also for $x = \pm 100$, where $e^{100}$ is too large for float32. Do not use
    `torch.sigmoid`: $\sigma(x) = e^{x} / (1 + e^{x})$ too, and one of the two forms is always harmless."""
    e = (-x.abs()).exp()
    return torch.where(x >= 0, 1 / (1 + e), e / (1 + e))


@exercise(
    x=vectors(),
    mistake=lambda x: torch.sigmoid(x) * (1 - torch.sigmoid(x)),
)
def silu_slope(x):
    r"""The derivative of SiLU, $x\, \sigma(x)$, as a formula, without `backward()`."""
    s = torch.sigmoid(x)
    return s + x * s * (1 - s)


@exercise(
    st.tuples(sizes, sizes, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries(
            {"w1": tensors(s[1], s[0]), "b1": tensors(s[1]), "w2": tensors(s[2], s[1]), "b2": tensors(s[2])}
        )
    ),
    mistake=lambda w1, b1, w2, b2: (w2 @ w1, b1.sum() + b2),
)
def merge(w1, b1, w2, b2):
    r"""Two linear layers without activation in between, $W_2 (W_1 x + b_1) + b_2$, as one: the pair $(W, b)$."""
    return w2 @ w1, w2 @ b1 + b2


@exercise(
    st.tuples(sizes, sizes).flatmap(lambda s: st.fixed_dictionaries({"before": tensors(*s, numbers=halves)})),
    mistake=lambda before: int((before <= 0).any(0).sum()),
)
def count_dead(before):
    r"""`before` (examples, units) holds what goes into a ReLU. How many units are dead, that is, have slope 0 for every
    example? (The slope of ReLU at 0 is 0.) An integer."""
    return int((before <= 0).all(0).sum())
