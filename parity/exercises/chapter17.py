"""Chapter 17: layers in a row, their parameters, and how far they see."""

from __future__ import annotations

from hypothesis import strategies as st

from .exercise import exercise
from .strategies import vectors

FUNCTIONS = st.lists(
    st.sampled_from([("plus one", lambda x: x + 1), ("twice", lambda x: 2 * x), ("positive part", lambda x: x.relu())]),
    max_size=3,
)


def composed(layers, x):
    for _, layer in reversed(layers):
        x = layer(x)
    return x


@exercise(layers=FUNCTIONS, x=vectors(), mistake=composed)
def sequential(layers, x):
    """What `nn.Sequential` (顺序容器) computes: `x` through all `layers`, the first one first. `layers` is a list of
    pairs (name, function), where the name is only for you to read; without layers the answer is `x`."""
    for _, layer in layers:
        x = layer(x)
    return x


@exercise(
    in_channels=st.integers(1, 8),
    out_channels=st.integers(1, 8),
    kernel=st.integers(1, 5),
    bias=st.booleans(),
    mistake=lambda in_channels, out_channels, kernel, bias: out_channels * (kernel**2 + bias),
)
def conv_parameters(in_channels, out_channels, kernel, bias):
    """How many parameters (参数) a convolution with `kernel` x `kernel` weights for each pair of channels has; `bias`
    says whether it has biases."""
    return out_channels * in_channels * kernel**2 + (out_channels if bias else 0)


@exercise(
    layers=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=4),
    mistake=lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
)
def receptive_field(layers):
    """How many pixels wide the receptive field (感受野) is behind a row of convolutions and poolings. `layers` is a
    list of pairs (kernel, stride), from the image on; without layers a number sees one pixel, itself."""
    width, distance = 1, 1
    for kernel, stride in layers:
        width, distance = width + (kernel - 1) * distance, distance * stride
    return width
