"""A function of a student's tried on an exercise's inputs, and what is said about the outcome."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from minitorch import Tensor

from .exercise import Exercise, checked

# derandomize: the same file always gets the same answer. Shrinking is what makes the counterexample worth reading.
SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Trial:
    """Solved when there is no counterexample."""

    exercise: Exercise
    counterexample: dict[str, Any] | None = None
    expected: Any = None
    outcome: str = ""  # what came back instead, in words

    @property
    def solved(self) -> bool:
        return self.counterexample is None

    def __str__(self) -> str:
        if self.counterexample is None:
            return f"{self.exercise.name}: solved"
        lines = [f"{self.exercise.name}: not yet. The smallest inputs found for which it goes wrong:"]
        lines += [f"    {name} = {shown(value)}" for name, value in self.counterexample.items()]
        return "\n".join([*lines, f"expected: {shown(self.expected)}", self.outcome])


def attempt(exercise: Exercise, function: Callable, examples: int = 200) -> Trial:
    """Try `function` on so many inputs; the counterexample, if there is one, is shrunk."""
    limited = settings(SETTINGS, max_examples=examples)
    try:
        wrong = find(exercise.inputs, lambda inputs: bool(fault(exercise, function, inputs)), settings=limited)
    except NoSuchExample:
        return Trial(exercise)
    expected = exercise.reference(**checked(wrong))
    return Trial(exercise, wrong, expected, fault(exercise, function, wrong))


def fault(exercise: Exercise, function: Callable, inputs: dict[str, Any]) -> str:
    """What is wrong with the function's result for these inputs; "" if nothing."""
    expected = exercise.reference(**checked(inputs))
    try:
        result = function(**checked(inputs))
    except Exception as error:  # whatever a student's code may raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"your function raised {type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"
    return "" if same(result, expected, exercise.within) else f"your function gave: {shown(result)}"


def same(result: Any, expected: Any, within: float) -> bool:
    """Equal shapes, and numbers that differ by no more than `within` (times the number, where that is above 1)."""
    if isinstance(expected, str | bool | None.__class__):
        return bool(type(result) is type(expected) and result == expected)
    if isinstance(expected, dict):
        return (
            isinstance(result, dict)
            and result.keys() == expected.keys()
            and all(same(result[key], expected[key], within) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(result, list | tuple)
            and len(result) == len(expected)
            and all(same(a, b, within) for a, b in zip(result, expected, strict=True))
        )
    try:
        found, wanted = numeric(result), numeric(expected)
    except (TypeError, ValueError):
        return False
    if found.shape != wanted.shape:
        return False
    return bool(np.allclose(found, wanted, rtol=within, atol=within, equal_nan=True))


def numeric(value: Any) -> np.ndarray:
    return np.asarray(value.detach().tolist() if hasattr(value, "detach") else value, dtype=np.float64)


def shown(value: Any) -> str:
    """A value as it would be typed; a tensor's numbers on one line, with its shape where the numbers leave it open."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        left, right = "[]" if isinstance(value, list) else "()"
        return left + ", ".join(map(shown, value)) + right
    if isinstance(value, Tensor):
        suffix = f", of shape {tuple(value.shape)}" if value.numel() == 0 else ""
        return f"tensor({rounded(value.detach().tolist())}{suffix})"
    return repr(value)


def rounded(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(rounded, value)) + "]"
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else str(value)
