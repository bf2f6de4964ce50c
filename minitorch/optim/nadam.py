"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_quotient, average, average_square, descent_direction, scratch
from .optimizer import PerParameter, check_betas, check_lr, check_not_negative, count_step, scalar, zeros_of


def nadam(
    param, grad, exp_avg, exp_avg_sq, *,
    lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step, mu, mu_next, mu_product,
):  # fmt: skip
    """p -= lr ((1 - mu_t) g / (1 - prod mu_t) + mu_{t+1} m / (1 - prod mu_{t+1})) / (sqrt(v') + eps).

    m, v and v' are Adam's. mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) grows towards beta1; mu_product is the
    product of all up to mu_t.
    """
    temporary = scratch(param, 2)
    if weight_decay != 0 and decoupled:
        np.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0
    g = descent_direction(param, grad, weight_decay, maximize)
    average(exp_avg, g, 1 - beta1, temporary)
    average_square(exp_avg_sq, g, beta2, temporary)
    denominator = np.divide(exp_avg_sq, 1 - beta2**step, out=scratch(param, 3))
    np.sqrt(denominator, out=denominator)
    np.add(denominator, eps, out=denominator)
    add_quotient(param, g, denominator, -lr * (1.0 - mu) / (1.0 - mu_product), temporary)
    add_quotient(param, exp_avg, denominator, -lr * mu_next / (1.0 - mu_product * mu_next), temporary)


class NAdam(PerParameter):
    """Adam with Nesterov momentum; the formula stands at `nadam`. Dozat (2016)."""

    rule = staticmethod(nadam)

    def __init__(
        self,
        params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                momentum_decay=momentum_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
            ),
        )

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for values in self.state.values():
            if isinstance(values.get("mu_product"), float):
                values["mu_product"] = scalar(values["mu_product"])

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), mu_product=scalar(1.0), exp_avg=zeros_of(p), exp_avg_sq=zeros_of(p))
        beta1, beta2 = group["betas"]
        step, decay = count_step(state), group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (step * decay)))
        mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((step + 1) * decay)))
        product = state["mu_product"].array
        np.multiply(product, mu, out=product)
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
            step=step,
            mu=mu,
            mu_next=mu_next,
            mu_product=float(product),
        )
