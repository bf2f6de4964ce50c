"""ASGD: averaged stochastic gradient descent."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_scaled, descent_direction, scratch
from .optimizer import PerParameter, check_lr, check_not_negative, count_step, scalar, zeros_of


def asgd(param, grad, ax, *, lambd, weight_decay, maximize, eta, mu):
    """p = p - eta (g + lambd p);  ax += mu (p - ax), the average of p. g = grad + weight_decay p."""
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    np.multiply(param, 1 - lambd * eta, out=param)
    add_scaled(param, g, -eta, temporary)
    if mu == 1:
        np.copyto(ax, param)
    else:
        np.subtract(param, ax, out=temporary)
        np.multiply(temporary, mu, out=temporary)
        np.add(ax, temporary, out=ax)


class ASGD(PerParameter):
    """Averaged SGD; the formula stands at `asgd`. Polyak, Juditsky (1992).

    After step t: eta = lr / (1 + lambd lr t)^alpha, mu = 1 / max(1, t - t0). The average is `state[p]["ax"]`.
    """

    rule = staticmethod(asgd)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state, lr = self.state[p], float(group["lr"])
        if not state:
            state.update(step=scalar(0.0), eta=scalar(lr), mu=scalar(1.0), ax=zeros_of(p))
        step = count_step(state)
        self._run(
            p,
            state["ax"],
            lambd=group["lambd"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
            eta=float(state["eta"].array),
            mu=float(state["mu"].array),
        )
        # By way of the default type, as torch does, also where loading has made these float64.
        state["eta"].array[...] = scalar(lr / (1 + group["lambd"] * lr * step) ** group["alpha"]).array
        state["mu"].array[...] = scalar(1 / max(1, step - group["t0"])).array
