"""Chapter 13: down- and upsampling."""

from __future__ import annotations

import math

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import tensors, vectors

few = st.integers(1, 3)


@exercise(
    st.tuples(few, few, few).flatmap(lambda s: st.fixed_dictionaries({"x": tensors(s[0], 2 * s[1], 2 * s[2])})),
    mistake=lambda x: x[:, ::2, ::2],
)
def half_size(x):
    """Average pooling (平均汇聚) of `x` (C, H, W), H and W even, over blocks of 2x2: (C, H / 2, W / 2). Slices or a
    `reshape` will do; do not call `torch.nn.functional.avg_pool2d`."""
    channels, height, width = x.shape
    return x.reshape(channels, height // 2, 2, width // 2, 2).mean((2, 4))


@exercise(
    st.tuples(few, few, few).flatmap(lambda s: st.fixed_dictionaries({"x": tensors(*s), "factor": st.integers(1, 3)})),
    mistake=lambda x, factor: x.repeat(1, factor, factor),
)
def nearest(x, factor):
    """Nearest interpolation (最近邻插值) of `x` (C, H, W) to (C, factor H, factor W): every pixel becomes a block of
    `factor` x `factor`."""
    return x.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


@exercise(
    x=vectors(sizes=st.integers(1, 5)),
    m=st.integers(1, 8),
    mistake=lambda x, m: torch.nn.functional.interpolate(x[None, None], size=m, mode="linear", align_corners=True)[
        0, 0
    ],
)
def linear_resize(x, m):
    r"""Linear interpolation (线性插值) of `x` (n,) to `m` pixels. With $u = (j + \frac12) \frac{n}{m} - \frac12$
    moved into $[0, n - 1]$, $i = \lfloor u \rfloor$ and $t = u - i$, pixel j is $(1 - t) x_i + t x_{i+1}$."""
    n, pixels = len(x), []
    for j in range(m):
        u = min(max((j + 0.5) * n / m - 0.5, 0), n - 1)
        i = min(math.floor(u), max(n - 2, 0))
        t = u - i
        pixels.append((1 - t) * x[i] + t * x[min(i + 1, n - 1)])
    return torch.stack(pixels)


@exercise(
    x=vectors(),
    weight=vectors(sizes=st.integers(1, 3)),
    stride=st.integers(1, 3),
    mistake=lambda x, weight, stride: torch.nn.functional.conv_transpose1d(
        x[None, None], weight.flip(0)[None, None], stride=stride
    )[0, 0],
)
def paint(x, weight, stride):
    """The transposed convolution (转置卷积) of a signal `x` (n,) with a kernel `weight` (k,): each pixel paints
    `weight`, times its value, `stride` pixels further than the one before it; what overlaps adds up. The result
    has (n - 1) `stride` + k pixels. Do not call `torch.nn.functional.conv_transpose1d`."""
    out = torch.zeros((len(x) - 1) * stride + len(weight))
    for i in range(len(x)):
        out[i * stride : i * stride + len(weight)] += x[i] * weight
    return out
