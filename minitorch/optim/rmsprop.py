"""RMSprop."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import add_product, add_quotient, add_scaled, average, average_square, descent_direction, scratch
from .optimizer import PerParameter, check_lr, check_not_negative, count_step, scalar, zeros_of


def rmsprop(param, grad, square_avg, buffer, grad_avg, *, lr, alpha, eps, weight_decay, momentum, maximize):
    """v = alpha v + (1 - alpha) g^2;  p -= lr g / (sqrt(v) + eps).

    g = grad + weight_decay p. grad_avg (centered): m = alpha m + (1 - alpha) g, and sqrt(v - m^2) divides.
    buffer (momentum): b = momentum b + g / (sqrt(v) + eps), p -= lr b.
    """
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    average_square(square_avg, g, alpha, temporary)
    denominator = scratch(param, 3)
    if grad_avg is not None:
        average(grad_avg, g, 1 - alpha, temporary)
        np.copyto(denominator, square_avg)
        add_product(denominator, grad_avg, grad_avg, -1.0, temporary)
        np.sqrt(denominator, out=denominator)
    else:
        np.sqrt(square_avg, out=denominator)
    np.add(denominator, eps, out=denominator)
    if buffer is not None:
        np.multiply(buffer, momentum, out=buffer)
        add_quotient(buffer, g, denominator, 1.0, temporary)
        add_scaled(param, buffer, -lr, temporary)
    else:
        add_quotient(param, g, denominator, -lr, temporary)


class RMSprop(PerParameter):
    """Steps divided by a running average of their size; the formula stands at `rmsprop`.

    Hinton's lecture 6e of "Neural Networks for Machine Learning" (2012); centered: Graves (2013).
    """

    rule = staticmethod(rmsprop)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative(momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                capturable=capturable,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state = self.state[p]
        if not state:
            state.update(step=scalar(0.0), square_avg=zeros_of(p))
            if group["momentum"] > 0:
                state["momentum_buffer"] = zeros_of(p)
            if group["centered"]:
                state["grad_avg"] = zeros_of(p)
        count_step(state)
        self._run(
            p,
            state["square_avg"],
            state["momentum_buffer"] if group["momentum"] > 0 else None,
            state["grad_avg"] if group["centered"] else None,
            lr=float(group["lr"]),
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            maximize=group["maximize"],
        )
