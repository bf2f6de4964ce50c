"""A line search for the strong Wolfe conditions, by bracketing and cubic interpolation.

Nocedal, Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6, with the safeguards of Schmidt's minFunc.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..core.tensor import Tensor


def cubic_minimum(x1, f1, g1, x2, f2, g2, bounds: tuple | None = None):
    """Where the cubic with values f and slopes g at x1 and x2 is smallest, within bounds (by default between them)."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    if x1 <= x2:
        minimum = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        minimum = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(minimum, low), high)


class _Point:
    """A step t with the loss f there, its gradient g, and the slope along the direction."""

    __slots__ = ("t", "f", "g", "slope")

    def __init__(self, t, f, g, slope):
        self.t, self.f, self.g, self.slope = t, f, g, slope


def strong_wolfe(
    at: Callable[[float], tuple[float, Tensor]],
    t: float,
    direction: Tensor,
    f: float,
    g: Tensor,
    slope: Tensor,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_steps: int = 25,
) -> tuple[float, Tensor, float, int]:
    """A step t with f(t) <= f + c1 t slope and |slope(t)| <= c2 |slope|.

    at(t): loss and gradient; f, g, slope: those at 0. Returns (loss, gradient, t, number of evaluations).
    """
    slope_at_start = float(slope)
    largest = float(direction.abs().max())
    start = _Point(0, f, g, slope_at_start)

    def evaluate(step: float) -> _Point:
        value, gradient = at(step)
        return _Point(step, value, gradient, float(gradient.dot(direction)))

    def too_high(point: _Point) -> bool:
        return point.f > f + c1 * point.t * slope_at_start

    def flat_enough(point: _Point) -> bool:
        return abs(point.slope) <= -c2 * slope_at_start

    # Go on until the minimum is bracketed.
    previous, point = start, evaluate(t)
    evaluations, steps, done = 1, 0, False
    bracket = None
    while steps < max_steps:
        if too_high(point) or (steps > 1 and point.f >= previous.f):
            bracket = [previous, point]
            break
        if flat_enough(point):
            bracket, done = [point], True
            break
        if point.slope >= 0:
            bracket = [previous, point]
            break
        bounds = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        step = cubic_minimum(previous.t, previous.f, previous.slope, point.t, point.f, point.slope, bounds)
        previous, point = point, evaluate(step)
        evaluations += 1
        steps += 1
    if bracket is None:
        bracket = [start, point]

    # Shrink the bracket; `low` is the end with the smaller loss.
    insufficient = False
    low, high = (0, -1) if bracket[0].f <= bracket[-1].f else (-1, 0)
    while not done and steps < max_steps:
        a, b = bracket
        if abs(b.t - a.t) * largest < tolerance_change:
            break
        step = cubic_minimum(a.t, a.f, a.slope, b.t, b.f, b.slope)
        left, right = min(a.t, b.t), max(a.t, b.t)
        # Too near to an end twice in a row, or outside: move away from it by a tenth.
        margin = 0.1 * (right - left)
        if min(right - step, step - left) < margin:
            if insufficient or step >= right or step <= left:
                step = right - margin if abs(step - right) < abs(step - left) else left + margin
                insufficient = False
            else:
                insufficient = True
        else:
            insufficient = False
        point = evaluate(step)
        evaluations += 1
        steps += 1
        if too_high(point) or point.f >= bracket[low].f:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
        else:
            if flat_enough(point):
                done = True
            elif point.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = point
    best = bracket[low]
    return best.f, best.g, best.t, evaluations
