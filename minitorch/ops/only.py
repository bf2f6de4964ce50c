"""What a gradient needs where an operation is constant: nothing of it, whatever it is (0 * inf would be NaN)."""

from __future__ import annotations

import numpy as np

from ..core.op import ELEMENTWISE, KEEP, op
from ..strided import arranged

_BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}
SMALL = 256


@op(
    ELEMENTWISE,
    dtype=KEEP,
    numbers=(),
    vjp=dict(input=lambda g, mask, inverted: only(mask, g, inverted=inverted)),
    backward_name="WhereBackward0",
)
def only(mask, input, *, inverted=False):
    """z = input where the bool mask holds (inverted: where it does not), 0 elsewhere"""
    bits = _BITS.get(input.dtype)
    if bits is None or input.size < SMALL:
        zero = input.dtype.type(0)
        return arranged(np.where(mask, zero, input) if inverted else np.where(mask, input, zero), [mask, input])
    # np.where decides element by element. -1 has all bits set and 0 none, so `&` does the same for whole vectors.
    ones = mask.astype(bits)
    kept = (ones - 1 if inverted else -ones) & input.view(bits)
    return arranged(kept.view(input.dtype), [mask, input])
