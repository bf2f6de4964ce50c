"""Rprop: resilient backpropagation."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, wrap
from .optimizer import PerParameter, check_lr, count_step, scalar, zeros_of


def rprop(param, grad, prev, step_size, *, etaminus, etaplus, smallest, largest, maximize):
    """Each element has a step of its own, which grows while the gradient keeps its sign and shrinks when it changes.

    g prev > 0: s = min(etaplus s, largest);  g prev < 0: s = max(etaminus s, smallest), g = 0 for this time.
    p -= sign(g) s;  prev = g.
    """
    g = -grad if maximize else grad
    agreement = np.sign(g * prev)
    factor = np.where(agreement > 0, etaplus, np.where(agreement < 0, etaminus, np.where(agreement == 0, 1, agreement)))
    np.multiply(step_size, factor.astype(step_size.dtype), out=step_size)
    np.clip(step_size, smallest, largest, out=step_size)
    np.copyto(prev, np.where(agreement < 0, 0, g))
    np.subtract(param, np.sign(prev) * step_size, out=param)


class Rprop(PerParameter):
    """Resilient backpropagation, for full batches; the formula stands at `rprop`. Riedmiller, Braun (1993)."""

    rule = staticmethod(rprop)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            first = wrap(np.full_like(p.array, float(group["lr"])))
            state.update(step=scalar(0.0), prev=zeros_of(p), step_size=first)
        count_step(state)
        etaminus, etaplus = group["etas"]
        smallest, largest = group["step_sizes"]
        self._run(
            p,
            state["prev"],
            state["step_size"],
            etaminus=etaminus,
            etaplus=etaplus,
            smallest=smallest,
            largest=largest,
            maximize=group["maximize"],
        )
