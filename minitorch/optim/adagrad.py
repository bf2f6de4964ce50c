"""Adagrad."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, wrap
from .arithmetic import add_product, add_quotient, descent_direction, scratch
from .optimizer import PerParameter, check_fused, check_lr, check_not_negative, count_step, scalar


def adagrad(param, grad, sum, *, lr, lr_decay, eps, weight_decay, maximize, step):
    """s = s + g^2;  p -= lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps), g = grad + weight_decay p."""
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    add_product(sum, g, g, 1.0, temporary)
    denominator = np.sqrt(sum, out=scratch(param, 3))
    np.add(denominator, eps, out=denominator)
    add_quotient(param, g, denominator, -(lr / (1 + (step - 1) * lr_decay)), temporary)


class Adagrad(PerParameter):
    """Steps divided by the size of all gradients so far; the formula stands at `adagrad`. Duchi et al. (2011)."""

    rule = staticmethod(adagrad)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value
        )
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_fused(fused, foreach, differentiable)
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        for group in self.param_groups:
            for p in group["params"]:
                self._start(p)

    def _start(self, p: Tensor) -> None:
        start = self.defaults["initial_accumulator_value"]
        self.state[p].update(step=scalar(0.0), sum=wrap(np.full_like(p.array, start)))

    def share_memory(self) -> None:
        """Accepted for programs that share the state between processes; nothing moves."""

    def _update(self, p: Tensor, group: dict) -> None:
        if not self.state[p]:
            self._start(p)
        state = self.state[p]
        self._run(
            p,
            state["sum"],
            lr=float(group["lr"]),
            lr_decay=group["lr_decay"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
            step=count_step(state),
        )
