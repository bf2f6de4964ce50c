"""Chapter 07: convolution, pooling, and what stands behind the last layer."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import matrices, tensors


@exercise(
    st.fixed_dictionaries(
        {
            "n": st.integers(1, 20),
            "kernel": st.integers(1, 5),
            "stride": st.integers(1, 3),
            "padding": st.integers(0, 2),
        }
    ).filter(lambda drawn: drawn["n"] + 2 * drawn["padding"] >= drawn["kernel"]),
    mistake=lambda n, kernel, stride, padding: (n + 2 * padding - kernel + 1) // stride,
)
def output_size(n, kernel, stride, padding):
    """At how many places a kernel (卷积核) of `kernel` elements fits on an axis of `n` pixels, with `padding`
    zeros on both sides, if it moves by `stride`. All are whole numbers, and so is the answer."""
    return (n + 2 * padding - kernel) // stride + 1


@exercise(
    st.tuples(*[st.integers(1, 2)] * 2, *[st.integers(1, 4)] * 2, *[st.integers(1, 3)] * 2)
    .filter(lambda s: s[2] >= s[4] and s[3] >= s[5])
    .flatmap(
        lambda s: st.fixed_dictionaries({"x": tensors(s[0], s[2], s[3]), "weight": tensors(s[1], s[0], s[4], s[5])})
    ),
    mistake=lambda x, weight: torch.nn.functional.conv2d(x[None], weight.flip(2, 3))[0],
)
def conv2d(x, weight):
    """The convolution (卷积) of one image `x` (C, H, W) with `weight` (O, C, K, L), stride 1, no padding, no
    bias: a tensor (O, H - K + 1, W - L + 1). Write it with loops over the output's places; do not call
    `torch.nn.functional.conv2d`. Mind the direction: element (0, 0) of the kernel meets the upper left pixel of
    the patch."""
    out_channels, _, height, width = weight.shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    out = torch.zeros(out_channels, rows, columns)
    for i in range(rows):
        for j in range(columns):
            patch = x[:, i : i + height, j : j + width]
            out[:, i, j] = (weight * patch).sum((1, 2, 3))
    return out


@exercise(
    st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(2, 5)).flatmap(
        lambda shape: st.fixed_dictionaries({"x": tensors(*shape)})
    ),
    mistake=lambda x: torch.nn.functional.avg_pool2d(x, 2),
)
def max_pool2d(x):
    """Max pooling (最大汇聚) of (C, H, W) with windows of 2x2 that do not overlap: (C, H // 2, W // 2). A last row
    or column without a partner is left out. Slices such as `x[:, 0::2]` are enough; do not call
    `torch.nn.functional.max_pool2d`."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :height, :width]
    rows = torch.maximum(x[:, 0::2], x[:, 1::2])
    return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


@exercise(
    logits=matrices(),
    mistake=lambda logits: torch.zeros_like(logits),
)
def least_probability(logits):
    """What a ReLU after the last layer does: the probabilities softmax(relu(`logits`)) of (N, classes), along
    the classes. Compare them with softmax(`logits`) for a row such as (4, -4, -4)."""
    return logits.relu().softmax(1)
