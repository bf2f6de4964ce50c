"""One function of tensors run on both libraries: the same values, gradients and second gradients, or the same error."""

from __future__ import annotations

import numpy as np
import torch

import minitorch
from parity.harness import assert_same
from tests.against_torch import both, derivatives, listed


def agree(function, *args, order: int = 2, layout: str = "contiguous", seed: int = 0) -> None:
    """`function(library, *tensors)` gives the same on minitorch and on torch. Arrays become tensors."""
    pairs = [both(value, layout if np.ndim(value) else "contiguous", order > 0) for value in args]
    mine = listed(function(minitorch, *[a for a, _ in pairs]))
    true = listed(function(torch, *[b for _, b in pairs]))
    assert_same(mine, true)
    leaves = [(a, b) for a, b in pairs if isinstance(b, torch.Tensor) and b.requires_grad]
    outputs = [(a, b) for a, b in zip(mine, true, strict=True) if isinstance(b, torch.Tensor) and b.requires_grad]
    for a, b in outputs:
        assert a.requires_grad, f"minitorch lost the history of an output of shape {tuple(b.shape)}"
    if leaves and outputs:
        derivatives(leaves, outputs, order, np.random.default_rng(seed), "the function", assert_same)


def outcome(function, library, *tensors):
    """What the call gives, or the class of the exception it raises."""
    try:
        return function(library, *tensors)
    except Exception as error:
        return type(error)


def agree_or_both_raise(function, *args, order: int = 2, layout: str = "contiguous") -> None:
    """As `agree`, but where torch raises, minitorch raises the same class."""
    true = outcome(function, torch, *[both(value, layout, False)[1] for value in args])
    if isinstance(true, type):
        mine = outcome(function, minitorch, *[both(value, layout, False)[0] for value in args])
        assert mine is true, f"torch raises {true.__name__}, minitorch gives {mine}"
    else:
        agree(function, *args, order=order, layout=layout)
