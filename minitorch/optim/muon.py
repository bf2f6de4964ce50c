"""Muon: momentum, orthogonalised."""

from __future__ import annotations

import math

import numpy as np

from ..core.tensor import Tensor
from .arithmetic import average
from .optimizer import PerParameter, zeros_of

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def to_bfloat16(array: np.ndarray) -> np.ndarray:
    """float32 numbers rounded to bfloat16 (the upper half of a float32), to the nearest, ties to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def orthogonalize(matrix: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float) -> np.ndarray:
    """Roughly U V^T for matrix = U S V^T: a Newton-Schulz iteration, in bfloat16.

    X = matrix / ||matrix||, then `steps` times X = a X + (b A + c A^2) X, A = X X^T, which drives all singular values
    towards 1. Jordan et al., "Muon" (2024).
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if matrix.ndim != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = to_bfloat16(matrix.T if tall else matrix)
    norm = to_bfloat16(np.sqrt(np.sum(np.square(x)))[None])
    x = to_bfloat16(x / np.maximum(norm, to_bfloat16(np.array([eps]))))
    for _ in range(steps):
        gram = to_bfloat16(x @ x.T)
        polynomial = to_bfloat16(b * gram + c * (gram @ gram))
        x = to_bfloat16(a * x + polynomial @ x)
    return x.T if tall else x


def muon(param, grad, momentum_buffer, *, lr, adjusted_lr, weight_decay, momentum, nesterov, coefficients, eps, steps):
    """m = momentum m + (1 - momentum) g;  p = (1 - lr weight_decay) p - lr' orthogonalize(m).

    nesterov: (1 - momentum) g + momentum m instead of m. lr': lr times a factor for the shape of p.
    """
    average(momentum_buffer, grad, 1 - momentum, np.empty_like(grad))
    update = momentum_buffer
    if nesterov:
        update = grad.copy()
        average(update, momentum_buffer, momentum, np.empty_like(grad))
    update = orthogonalize(update, coefficients, steps, eps)
    np.multiply(param, 1 - lr * weight_decay, out=param)
    np.add(param, update.astype(param.dtype) * -adjusted_lr, out=param)


def _adjusted(lr: float, how: str | None, shape: tuple[int, int]) -> float:
    rows, columns = shape
    if how == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1, rows / columns))


class Muon(PerParameter):
    """Momentum, orthogonalised, for matrices; the formula stands at `muon`. Jordan et al. (2024).

    adjust_lr_fn: "original" (None), lr sqrt(max(1, rows / columns)), or "match_rms_adamw", 0.2 lr sqrt(max(rows,
    columns)) (Liu et al., 2025).
    """

    rule = staticmethod(muon)
    _tensor_step = False

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def _update(self, p: Tensor, group: dict) -> None:
        state, lr = self.state[p], float(group["lr"])
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros_of(p)
        self._run(
            p,
            state["momentum_buffer"],
            lr=lr,
            adjusted_lr=_adjusted(lr, group["adjust_lr_fn"], p.array.shape),
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            coefficients=group["ns_coefficients"],
            eps=group["eps"],
            steps=group["ns_steps"],
        )
