"""Chapter 22: counting operations, pruning, and whole numbers for floats."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, matrices, tensors, vectors


@exercise(
    in_channels=st.integers(1, 8),
    out_channels=st.integers(1, 8),
    kernel=st.integers(1, 5),
    height=st.integers(1, 8),
    width=st.integers(1, 8),
    mistake=lambda in_channels, out_channels, kernel, height, width: (
        2 * out_channels * in_channels * kernel**2 + height * width
    ),
)
def conv_flops(in_channels, out_channels, kernel, height, width):
    """The FLOPs (浮点运算次数) of a convolution with `kernel` x `kernel` weights whose *output* has `height` x `width`
    places: one multiplication and one addition for each product, biases left out."""
    return 2 * out_channels * in_channels * kernel**2 * height * width


@exercise(
    weight=matrices(),
    threshold=halves.map(abs),
    mistake=lambda weight, threshold: weight * (weight > threshold),
)
def pruned(weight, threshold):
    """`weight` after pruning (剪枝): 0 wherever its absolute value is not larger than `threshold`."""
    return weight * (weight.abs() > threshold)


@exercise(
    x=vectors(),
    scale=st.sampled_from([0.25, 0.5, 0.0625]),
    zero=st.integers(-128, 127),
    mistake=lambda x, scale, zero: (x / scale).round() + zero,
)
def quantise(x, scale, zero):
    """The codes of the numbers `x` (N,) in 8 bits (量化): whole numbers from -128 to 127, as a tensor of any type. `scale`
    is S, a number, `zero` is Z, a whole number."""
    return ((x / scale).round() + zero).clamp(-128, 127)


whole = st.integers(-8, 8)


@exercise(
    st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "q_x": tensors(shape[0], numbers=whole, dtype=torch.int32),
                "q_w": tensors(shape[1], shape[0], numbers=whole, dtype=torch.int32),
                "scale_x": st.sampled_from([0.5, 0.25]),
                "zero_x": whole,
                "scale_w": st.sampled_from([0.5, 0.125]),
            }
        )
    ),
    mistake=lambda q_x, q_w, scale_x, zero_x, scale_w: scale_x * scale_w * ((q_w @ q_x) - zero_x).float(),
)
def integer_linear(q_x, q_w, scale_x, zero_x, scale_w):
    """The layer y = W x, a tensor (O,), from the codes `q_x` (C,) of x and `q_w` (O, C) of W: x is
    `scale_x` * (`q_x` - `zero_x`), W is `scale_w` * `q_w`. Add up in whole numbers, and scale at the end."""
    total = q_w @ q_x - zero_x * q_w.sum(1)
    return scale_x * scale_w * total.float()
