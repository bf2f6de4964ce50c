"""The randomized leaky rectifier, whose slope below zero is drawn anew for every element."""

from __future__ import annotations

import numpy as np

from ..core.inplace import apply_in_place
from ..core.op import function
from ..core.tensor import Tensor, wrap
from ..generator import default_generator
from ..samplers import uniform
from .activation import leaky


@function(torch=("nn.functional.rrelu", "rrelu"))
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """z = x for x > 0, a x otherwise; a is drawn from U(lower, upper) in training, else their mean (Xu et al. 2015)."""

    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")

    def rectified(x: Tensor) -> Tensor:
        if not training:
            return leaky(x, slope=(lower + upper) / 2)
        slopes = np.ones(x.array.shape, x.array.dtype)
        below = x.array <= 0
        # One draw for each element that needs a slope, in row-major order, as torch's loop makes them.
        unit = uniform(default_generator, int(below.sum()), np.dtype(np.float64))
        slopes[below] = unit * (upper - lower) + lower
        return x * wrap(slopes)

    return apply_in_place("rrelu_", rectified, input) if inplace else rectified(input)
