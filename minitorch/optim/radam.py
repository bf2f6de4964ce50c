"""RAdam: Adam with a rectified warm-up."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import average, average_square, descent_direction, scratch
from .optimizer import PerParameter, check_betas, check_lr, check_not_negative, count_step, scalar, zeros_of


def radam(param, grad, exp_avg, exp_avg_sq, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step):
    """p -= lr m' r l where the variance of the adaptive rate is finite (rho_t > 5), else p -= lr m'.

    m' and v are Adam's; l = sqrt(1 - beta2^t) / (sqrt(v) + eps); rho_inf = 2 / (1 - beta2) - 1,
    rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t);
    r = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t)).
    """
    temporary = scratch(param, 2)
    if weight_decay != 0 and decoupled:
        np.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0
    g = descent_direction(param, grad, weight_decay, maximize)
    average(exp_avg, g, 1 - beta1, temporary)
    average_square(exp_avg_sq, g, beta2, temporary)

    bias_correction2 = 1 - beta2**step
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * step * (beta2**step) / bias_correction2
    change = np.divide(exp_avg, 1 - beta1**step, out=scratch(param, 0))
    np.multiply(change, lr, out=change)
    if rho > 5.0:
        rectification = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
        np.sqrt(exp_avg_sq, out=temporary)
        np.add(temporary, eps, out=temporary)
        np.divide(bias_correction2**0.5, temporary, out=temporary)
        np.multiply(change, temporary, out=change)
        np.multiply(change, rectification, out=change)
    np.subtract(param, change, out=param)


class RAdam(PerParameter):
    """Adam with a rectified warm-up; the formula stands at `radam`. Liu et al. (2019)."""

    rule = staticmethod(radam)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), exp_avg=zeros_of(p), exp_avg_sq=zeros_of(p))
        beta1, beta2 = group["betas"]
        self._run(
            p,
            state["exp_avg"],
            state["exp_avg_sq"],
            lr=float(group["lr"]),
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            step=count_step(state),
        )
