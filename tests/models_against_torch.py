"""A model against its copy in torch: names, then outputs and gradients in float64 under the same random weights."""

from __future__ import annotations

import functools

import numpy as np
import torch
from nn_against_torch import flat, to_ours

import minitorch
from parity.harness import assert_same

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
    """Outputs, gradients of parameters and floating inputs, and buffers afterwards, in the mode that both are in."""
    same_weights(mine, true, seed)
    theirs = [v.clone().requires_grad_(v.is_floating_point()) if isinstance(v, torch.Tensor) else v for v in inputs]
    ours = to_ours(theirs)
    expected, output = flat(true(*theirs)), flat(mine(*ours))
    close = functools.partial(assert_same, rtol=TOLERANCE, atol=TOLERANCE)
    for i, (a, b) in enumerate(zip(output, expected, strict=True)):
        close(a, b, where=f"output {i}")
    rng = np.random.default_rng(seed)
    starts = [rng.standard_normal(tuple(b.shape)) for b in expected]
    torch.autograd.backward(expected, [torch.from_numpy(s) for s in starts])
    minitorch.autograd.backward(output, [minitorch.from_numpy(s) for s in starts])
    leaves = [(f"input {i}", a, b) for i, (a, b) in enumerate(zip(flat(ours), flat(theirs), strict=True))]
    named = zip(mine.named_parameters(), true.named_parameters(), strict=True)
    leaves += [(name, a, b) for (name, a), (_, b) in named]
    for name, a, b in leaves:
        if b.requires_grad:
            close(a.grad, b.grad, where=f"gradient of {name}")
    for (name, a), b in zip(mine.named_buffers(), true.buffers(), strict=True):
        close(a, b, where=name)


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))
