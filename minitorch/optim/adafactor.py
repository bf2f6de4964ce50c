"""Adafactor: second moments of a matrix from their row and column means."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, wrap
from ..dtypes import finfo
from .arithmetic import average
from .optimizer import PerParameter, count_step, scalar


def _norm(array: np.ndarray) -> float:
    return float(np.sqrt(np.sum(np.square(array, dtype=np.result_type(array, np.float32)))))


def adafactor(param, grad, row_var, col_var, variance, *, lr, beta2_decay, eps1, eps2, d, weight_decay, maximize, step):
    """R, C (V for vectors): running means of g^2 over columns and rows (of its elements), of weight t^beta2_decay.

    v = R C / mean(R);  u = g / sqrt(v);  p -= alpha u / max(1, rms(u) / d),
    alpha = max(eps2, rms(p)) min(lr, 1 / sqrt(t)).
    """
    g = -grad if maximize else grad
    weight = step**beta2_decay
    alpha = max(eps2, _norm(param) / (param.size**0.5)) * min(lr, 1 / (step**0.5))
    if weight_decay != 0:
        np.multiply(param, 1 - lr * weight_decay, out=param)
    if variance is None:
        for mean, axis in ((row_var, -1), (col_var, -2)):
            average(mean, np.mean(np.square(g), axis=axis, keepdims=True), weight, np.empty_like(mean))
        v = row_var @ col_var
        np.divide(v, np.maximum(row_var.mean(axis=-2, keepdims=True), eps1), out=v)
    else:
        average(variance, g * g, weight, np.empty_like(variance))
        v = variance.copy()
    np.maximum(v, eps1 * eps1, out=v)
    update = g / np.sqrt(v)
    limit = max(1.0, _norm(update) / ((update.size**0.5) * d))
    np.add(param, update * (-alpha / limit), out=param)


class Adafactor(PerParameter):
    """Adam's second moments in the memory of a row and a column; the formula stands at `adafactor`.

    Shazeer, Stern (2018); d clips the size of updates, eps = (eps1, eps2).
    """

    rule = staticmethod(adafactor)

    def __init__(
        self,
        params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def _update(self, p: Tensor, group: dict) -> None:
        state, shape = self.state[p], p.array.shape
        if not state:
            state["step"] = scalar(0.0)
            if p.array.ndim > 1:
                state["row_var"] = wrap(np.zeros((*shape[:-1], 1), p.array.dtype))
                state["col_var"] = wrap(np.zeros((*shape[:-2], 1, shape[-1]), p.array.dtype))
            else:
                state["variance"] = wrap(np.zeros_like(p.array))
        eps1, eps2 = group["eps"]
        self._run(
            p,
            state.get("row_var"),
            state.get("col_var"),
            state.get("variance"),
            lr=float(group["lr"]),
            beta2_decay=group["beta2_decay"],
            eps1=finfo(p.dtype).eps if eps1 is None else eps1,
            eps2=eps2,
            d=group["d"],
            weight_decay=group["weight_decay"],
            maximize=group["maximize"],
            step=count_step(state),
        )
