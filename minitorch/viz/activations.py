"""Activation functions (激活函数) compared: curves, slopes, and what these mean for training, in figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import Tensor, linspace
from ..nn import functional as F
from .style import BLUE, ORANGE, subplots

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish": F.hardswish,
}

REACH = 6.0  # curves are looked at from -REACH to REACH
FLAT = 0.05  # a slope below this passes on less than a twentieth of the gradient
NORMAL_POINTS = 20_001  # of which the integrals over the normal distribution are made
ELEMENTS, ROUNDS = 65_536, 9  # for the cost


@dataclass(frozen=True)
class Activation:
    """What a function f does to inputs and gradients."""

    name: str
    x: np.ndarray  # from -REACH to REACH
    value: np.ndarray  # f(x)
    slope: np.ndarray  # f'(x), by backward()
    saturated: float  # the share of [-REACH, REACH] where |f'| < FLAT (saturation, 饱和)
    mean: float  # E f(X) for X ~ N(0, 1): 0 if centred on zero (零中心)
    dead: float  # P(f'(X) = 0): such a unit learns nothing from this input
    seconds: float  # a forward and a backward pass over ELEMENTS numbers


def values_and_slopes(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """f(x) and f'(x), elementwise."""
    x = x.detach().requires_grad_()
    z = function(x)
    z.sum().backward()
    assert x.grad is not None
    return z.detach().numpy(), x.grad.numpy()


def study(name: str, function: Callable[[Tensor], Tensor]) -> Activation:
    """Everything about one elementwise function."""
    x = linspace(-REACH, REACH, 1201)
    value, slope = values_and_slopes(function, x)
    wide = linspace(-8, 8, NORMAL_POINTS)
    f, df = values_and_slopes(function, wide)
    density = np.exp(-(wide.numpy() ** 2) / 2)
    weight = density / density.sum()
    return Activation(
        name, x.numpy(), value, slope,
        saturated=float((np.abs(slope) < FLAT).mean()),
        mean=float((weight * f).sum()),
        dead=float(weight[df == 0].sum()),
        seconds=cost(function),
    )  # fmt: skip


def cost(function: Callable[[Tensor], Tensor]) -> float:
    """The median time of a forward and a backward pass over ELEMENTS numbers, in seconds."""
    x = linspace(-REACH, REACH, ELEMENTS)
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        values_and_slopes(function, x)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))  # the first call may compile a kernel


def study_all(functions: Mapping[str, Callable[[Tensor], Tensor]] = ACTIVATIONS) -> list[Activation]:
    return [study(name, function) for name, function in functions.items()]


def table(activations: list[Activation]) -> str:
    """The figures as lines of text; the cost relative to the cheapest."""
    cheapest = min(a.seconds for a in activations)
    lines = [f"{'':12}{'saturated':>10}{'mean':>8}{'zero slope':>12}{'largest slope':>15}{'cost':>7}"]
    lines += [
        f"{a.name:12}{a.saturated:10.0%}{a.mean:8.2f}{a.dead:12.0%}{a.slope.max():15.2f}{a.seconds / cheapest:7.1f}"
        for a in activations
    ]
    return "\n".join(lines)


def draw(activations: list[Activation], columns: int = 3) -> Any:
    """A figure with one picture for each: the curve, its slope, and grey where the slope is next to nothing."""
    rows = -(-len(activations) // columns)
    figure, axes = subplots(rows, columns, height=1.7, sharex=True, sharey=True, squeeze=False)
    for ax, a in zip(axes.flat, activations, strict=False):
        flat = np.abs(a.slope) < FLAT
        ax.fill_between(a.x, -2, 4, where=flat, color="0.92", linewidth=0)
        ax.plot(a.x, a.value, color=BLUE, label="f(x)")
        ax.plot(a.x, a.slope, color=ORANGE, linestyle="--", label="f'(x)")
        ax.set(title=a.name, ylim=(-1.3, 3), xlim=(-REACH, REACH))
    for ax in axes.flat[len(activations) :]:
        ax.set_axis_off()
    axes.flat[0].legend(loc="upper left")
    return figure
