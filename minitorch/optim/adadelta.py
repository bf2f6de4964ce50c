"""Adadelta."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_scaled, average_square, descent_direction, scratch
from .optimizer import PerParameter, check_lr, check_not_negative, count_step, scalar, zeros_of


def adadelta(param, grad, square_avg, acc_delta, *, lr, rho, eps, weight_decay, maximize):
    """v = rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = rho u + (1 - rho) d^2;  p -= lr d."""
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    average_square(square_avg, g, rho, temporary)
    std = np.add(square_avg, eps, out=temporary)
    np.sqrt(std, out=std)
    delta = np.add(acc_delta, eps, out=scratch(param, 3))
    np.sqrt(delta, out=delta)
    np.divide(delta, std, out=delta)
    np.multiply(delta, g, out=delta)
    average_square(acc_delta, delta, rho, temporary)
    add_scaled(param, delta, -lr, temporary)


class Adadelta(PerParameter):
    """Steps in the units of the parameters; the formula stands at `adadelta`. Zeiler (2012)."""

    rule = staticmethod(adadelta)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), square_avg=zeros_of(p), acc_delta=zeros_of(p))
        count_step(state)
        self._run(
            p,
            state["square_avg"],
            state["acc_delta"],
            lr=float(group["lr"]),
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
        )
