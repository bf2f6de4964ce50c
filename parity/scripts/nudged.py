"""The control: the same program, started one unit in the last place away.

Some programs carry a rounding of 1e-7 to 1e-3 within twenty steps: deep networks with batch norms, and environments
that follow what a policy does. How far torch's own run moves then says how far another library's may be off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def nudged(torch, number: int) -> Iterator[None]:
    """Every parameter that is given to an optimizer starts one unit in the last place off, up or down at random; one
    that is 0, by the unit of 1: as far off as the sums that follow are rounded. `number` seeds the signs.
    """
    original = torch.optim.Optimizer.add_param_group
    generator = np.random.default_rng(number)

    def add_param_group(self, group):
        original(self, group)
        with torch.no_grad():
            for parameter in self.param_groups[-1]["params"]:
                signs = torch.from_numpy(generator.choice([-1.0, 1.0], tuple(parameter.shape))).to(parameter.dtype)
                off = torch.nextafter(parameter, signs * torch.inf)
                parameter.copy_(torch.where(parameter == 0, signs * torch.finfo(parameter.dtype).eps, off))

    torch.optim.Optimizer.add_param_group = add_param_group
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = original
