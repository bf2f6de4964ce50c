"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, wrap
from .arithmetic import add_scaled, descent_direction, scratch
from .optimizer import PerParameter, check_fused, check_lr


def sgd(param, grad, buffer, *, lr, momentum, dampening, weight_decay, nesterov, maximize, first):
    """v = momentum v + (1 - dampening) g (g at first);  p -= lr v, or lr (g + momentum v) with nesterov.

    g = grad + weight_decay p. buffer: v, None without momentum.
    """
    temporary = scratch(param, 2)
    g = descent_direction(param, grad, weight_decay, maximize)
    if buffer is not None:
        if first:
            np.copyto(buffer, g)
        else:
            np.multiply(buffer, momentum, out=buffer)
            add_scaled(buffer, g, 1 - dampening, temporary)
        if nesterov:
            np.multiply(buffer, momentum, out=temporary)
            g = np.add(g, temporary, out=scratch(param, 0))
        else:
            g = buffer
    add_scaled(param, g, -lr, temporary)


class SGD(PerParameter):
    """Stochastic gradient descent; the formula stands at `sgd`.

    Momentum as in Sutskever et al. (2013), with the learning rate outside of the velocity.
    """

    rule = staticmethod(sgd)
    _tensor_step = False

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_fused(fused, foreach, differentiable)
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                foreach=foreach,
                differentiable=differentiable,
                fused=fused,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        buffer, first = None, False
        if group["momentum"] != 0:
            buffer = self.state[p].get("momentum_buffer")
            if buffer is None:
                buffer = self.state[p]["momentum_buffer"] = wrap(np.empty_like(p.array))
                first = True
        self._run(
            p,
            buffer,
            lr=float(group["lr"]),
            momentum=float(group["momentum"]),
            dampening=float(group["dampening"]),
            weight_decay=float(group["weight_decay"]),
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            first=first,
        )
