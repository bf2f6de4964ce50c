"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_quotient, average, descent_direction, scratch
from .optimizer import PerParameter, check_betas, check_lr, check_not_negative, count_step, scalar, zeros_of


def adamax(param, grad, exp_avg, exp_inf, *, lr, beta1, beta2, eps, weight_decay, maximize, step):
    """m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + eps);  p -= lr / (1 - beta1^step) m / u."""
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    average(exp_avg, g, 1 - beta1, temporary)
    np.multiply(exp_inf, beta2, out=exp_inf)
    np.abs(g, out=temporary)
    np.add(temporary, eps, out=temporary)
    np.maximum(exp_inf, temporary, out=exp_inf)
    add_quotient(param, exp_avg, exp_inf, -(lr / (1 - beta1**step)), temporary)


class Adamax(PerParameter):
    """Adam with the infinity norm; the formula stands at `adamax`. Kingma, Ba (2014), section 7.1."""

    rule = staticmethod(adamax)

    def __init__(
        self,
        params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), exp_avg=zeros_of(p), exp_inf=zeros_of(p))
        beta1, beta2 = group["betas"]
        self._run(
            p,
            state["exp_avg"],
            state["exp_inf"],
            lr=float(group["lr"]),
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
            step=count_step(state),
        )
