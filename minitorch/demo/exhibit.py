"""What a part of the demo is: a model that is trained when the demo starts, and that then answers requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

# Models and their random stream are shared by all threads: one computes at a time.
COMPUTING = threading.Lock()


class BadRequest(ValueError):
    """A request that cannot be answered; the message says why."""


class Stopped(Exception):
    """The demo ends while a model is being trained."""


class Exhibit:
    """Abstract. `train` makes the model ready and calls `report` often; `answer` turns a request into an answer, both JSON."""

    name: ClassVar[str]

    def train(self, report: Callable[[float, str], None]) -> str:
        """report(share done, in words): raises `Stopped` when the demo ends. Returns what the model can do, in words."""
        raise NotImplementedError

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises `BadRequest`."""
        raise NotImplementedError


class Stage:
    """An exhibit, and how far it has come: `state` is "waiting", "training", "ready" or "failed"."""

    def __init__(self, exhibit: Exhibit):
        self.exhibit = exhibit
        self.state, self.done, self.words = "waiting", 0.0, ""

    def status(self) -> dict[str, Any]:
        return {"state": self.state, "done": round(self.done, 3), "words": self.words}

    def prepare(self, stopping: threading.Event) -> None:
        def report(done: float, words: str) -> None:
            self.done, self.words = done, words
            if stopping.is_set():
                raise Stopped
            COMPUTING.release()  # let an answer come in between
            time.sleep(0.001)
            COMPUTING.acquire()

        self.state = "training"
        try:
            with COMPUTING:
                self.words = self.exhibit.train(report)
            self.state, self.done = "ready", 1.0
        except Stopped:
            self.state = "waiting"
        except Exception as error:
            self.state, self.words = "failed", f"{type(error).__name__}: {error}"


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
