"""A model against its copy in torch: names, then outputs and gradients in float64 under the same random weights."""

from __future__ import annotations

import numpy as np
import torch
from nn_against_torch import assert_same_call, to_ours

import minitorch

TOLERANCE = 1e-9


def same_weights(mine, true, seed: int = 0) -> None:
    """Random weights and statistics for both, in float64: the torch state_dict loads with names, order and shapes."""
    torch.manual_seed(seed)
    true.double()
    for name, value in true.state_dict().items():
        if value.is_floating_point():
            positive = name.endswith(("running_var", "norm.weight"))
            fresh = (
                torch.rand_like(value) + 0.5 if positive else torch.randn_like(value) / max(value[0].numel(), 1) ** 0.5
            )
            value.copy_(fresh)
    mine.to(minitorch.float64)
    assert list(mine.state_dict()) == list(true.state_dict())
    mine.load_state_dict(to_ours(dict(true.state_dict())))


def assert_same_model(mine, true, *inputs, seed: int = 0) -> None:
    """The whole of it for the modes that both models are in; the inputs get gradients where they are floats."""
    same_weights(mine, true, seed)
    inputs = [v.requires_grad_(v.is_floating_point()) if isinstance(v, torch.Tensor) else v for v in inputs]
    assert_same_call(mine, true, *inputs, tolerance=TOLERANCE, where=type(mine).__name__)


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))
