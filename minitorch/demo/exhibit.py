"""What a part of the demo is: a model that is trained when the demo is first started, and that answers requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .. import nn


class BadRequest(ValueError):
    """A request that cannot be answered; the message says why."""


class Exhibit:
    """Abstract. `prepare` makes its data and the `model`, `train` teaches it, and `answer` turns a request into an answer,
    both JSON."""

    name: ClassVar[str]
    model: nn.Module

    def settings(self) -> dict[str, Any]:
        """What the weights depend on, beside the code; plain data."""
        raise NotImplementedError

    def prepare(self) -> bool:
        """Makes the data and `model`. True where the model has learnt before (it was given), False where it is as it begins."""
        raise NotImplementedError

    def train(self, report: Callable[[float, str], None]) -> None:
        """report(share done, in words), often: it raises `stage.Stopped` when the demo ends."""
        raise NotImplementedError

    def describe(self) -> str:
        """What the trained model can do, in words."""
        raise NotImplementedError

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises `BadRequest`."""
        raise NotImplementedError


def number(request: dict[str, Any], name: str, low: float, high: float) -> float:
    """request[name], a number from `low` to `high`. BadRequest."""
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadRequest(f"{name} must be a number, not {value!r}")
    if not low <= value <= high:
        raise BadRequest(f"{name} must lie between {low:g} and {high:g}, not at {str(value)[:20]}")
    return value


def whole(request: dict[str, Any], name: str, low: int, high: int) -> int:
    """request[name], a whole number from `low` to `high`. BadRequest."""
    value = number(request, name, low, high)
    if value != int(value):
        raise BadRequest(f"{name} must be a whole number, not {value:g}")
    return int(value)
