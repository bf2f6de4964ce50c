"""The control: the same program, started one unit in the last place away.

Some programs carry a rounding of 1e-7 to 1e-3 within twenty steps: deep networks with batch norms, and environments
that follow what a policy does. How far torch's own run moves then says how far another library's may be off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def nudged(torch) -> Iterator[None]:
    """Every parameter that is given to an optimizer starts one unit in the last place off, up or down by turns; one that
    is 0, by the unit of 1: as far off as the sums that follow are rounded.
    """
    original = torch.optim.Optimizer.add_param_group

    def add_param_group(self, group):
        original(self, group)
        with torch.no_grad():
            for parameter in self.param_groups[-1]["params"]:
                flat = parameter.view(-1)
                for part, end in ((flat[::2], torch.inf), (flat[1::2], -torch.inf)):
                    off = torch.nextafter(part, torch.full_like(part, end))
                    unit = torch.full_like(part, torch.finfo(part.dtype).eps).copysign(torch.tensor(end))
                    part.copy_(torch.where(part == 0, unit, off))

    torch.optim.Optimizer.add_param_group = add_param_group
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = original
