"""Chapter 12: residual connections."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import sizes, tensors, vectors

few = st.integers(1, 3)


@exercise(
    st.tuples(few, few, few).flatmap(
        lambda s: st.fixed_dictionaries(
            {"x": tensors(s[0], s[1]), "W1": tensors(s[1], s[2]), "W2": tensors(s[2], s[1])}
        )
    ),
    mistake=lambda x, W1, W2: ((x @ W1).relu() @ W2).relu() + x,
)
def residual_block(x, W1, W2):
    r"""A residual block (残差块) of two linear layers: $\mathrm{relu}(F(x) + x)$ with $F(x) = \mathrm{relu}(x W_1)
    W_2$, for each row of `x` (N, d). Mind where the last ReLU stands: after the sum."""
    return ((x @ W1).relu() @ W2 + x).relu()


@exercise(
    st.tuples(few, few, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries({"x": tensors(s[0], s[2], s[3]), "weight": tensors(s[1], s[0])})
    ),
    mistake=lambda x, weight: torch.einsum("oc,chw->ohw", weight, x[:, 1::2, 1::2]),
)
def projection(x, weight):
    """The shortcut's 1x1 convolution with stride 2, without batch norm: `x` (C, H, W) and `weight` (O, C) give
    every second pixel of every second row, beginning with the first, each multiplied by the matrix `weight`. Do
    not call `torch.nn.functional.conv2d`."""
    return torch.einsum("oc,chw->ohw", weight, x[:, ::2, ::2])


@exercise(
    weights=vectors(),
    shortcut=st.booleans(),
    mistake=lambda weights, shortcut: weights.prod() + shortcut,
)
def gradient_through(weights, shortcut):
    r"""How much of the gradient of the end arrives at the beginning, in the smallest deep network: $x_{k+1} =
    w_k x_k$, or, with `shortcut`, $x_{k+1} = x_k + w_k x_k$, for the numbers $w_k$ in `weights` (K,), one block
    after the other. The result, $\partial x_K / \partial x_0$, has no dimension. Try 50 weights of 0.1."""
    return (weights + 1).prod() if shortcut else weights.prod()


@exercise(
    blocks=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    bottleneck=st.booleans(),
    mistake=lambda blocks, bottleneck: sum(blocks) * (3 if bottleneck else 2),
)
def layers(blocks, bottleneck):
    """The number in a ResNet's name: its first convolution, those of F in all blocks (two in a basic block,
    three in a `bottleneck`), and the linear layer at the end. `blocks` lists how many blocks each stage has.
    Projections do not count."""
    return 1 + sum(blocks) * (3 if bottleneck else 2) + 1
