"""Adam and AdamW."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_quotient, average, average_square, descent_direction, scratch
from .optimizer import (
    PerParameter,
    check_betas,
    check_fused,
    check_lr,
    check_not_negative,
    count_step,
    scalar,
    zeros_of,
)


def adam(
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq, *, lr, beta1, beta2, eps, weight_decay, decoupled, maximize, step
):
    """m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  p -= lr m' / (sqrt(v') + eps).

    m' = m / (1 - beta1^step), v' = v / (1 - beta2^step), since both averages start from zero.
    g = grad + weight_decay p, or, decoupled, p shrinks by lr weight_decay p and g = grad.
    With max_exp_avg_sq (amsgrad), v' uses the largest v so far.
    """
    temporary = scratch(param, 2)
    if weight_decay != 0 and decoupled:
        np.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0
    g = descent_direction(param, grad, weight_decay, maximize)
    average(exp_avg, g, 1 - beta1, temporary)
    average_square(exp_avg_sq, g, beta2, temporary)
    if max_exp_avg_sq is not None:
        exp_avg_sq = np.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    denominator = np.sqrt(exp_avg_sq, out=scratch(param, 0))
    np.divide(denominator, (1 - beta2**step) ** 0.5, out=denominator)
    np.add(denominator, eps, out=denominator)
    add_quotient(param, exp_avg, denominator, -(lr / (1 - beta1**step)), temporary)


class Adam(PerParameter):
    """Adaptive moment estimation; the formula stands at `adam`. Kingma, Ba (2014); amsgrad: Reddi et al. (2018)."""

    rule = staticmethod(adam)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_lr(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        if isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor):
                if not capturable and foreach:
                    raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
                if beta.numel() != 1:
                    raise ValueError(f"Tensor betas[{i}] must be 1-element")
        check_fused(fused, foreach, differentiable)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
                fused=fused,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), exp_avg=zeros_of(p), exp_avg_sq=zeros_of(p))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_of(p)
        beta1, beta2 = group["betas"]
        self._run(
            p,
            state["exp_avg"],
            state["exp_avg_sq"],
            state["max_exp_avg_sq"] if group["amsgrad"] else None,
            lr=float(group["lr"]),
            beta1=float(beta1),
            beta2=float(beta2),
            eps=group["eps"],
            weight_decay=float(group["weight_decay"]),
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            step=count_step(state),
        )


class AdamW(Adam):
    """Adam with decoupled weight decay. Loshchilov, Hutter (2017)."""

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        betas: tuple = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
