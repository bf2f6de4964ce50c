"""An exhibit on its way: waiting, being trained, ready, failed."""

from __future__ import annotations

import threading
import time
from typing import Any

from .exhibit import Exhibit
from .kept import keep, restore

# Models and their random stream are shared by all threads: one computes at a time.
COMPUTING = threading.Lock()


class Stopped(Exception):
    """The demo ends while a model is being trained."""


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

        self.state, self.words = "training", "the first step (kernels are compiled where they have not been)"
        try:
            with COMPUTING:
                if not (self.exhibit.prepare() or restore(self.exhibit)):
                    self.exhibit.train(report)
                    keep(self.exhibit)
                self.words = self.exhibit.describe()
            self.state, self.done = "ready", 1.0
        except Stopped:
            self.state = "waiting"
        except Exception as error:
            self.state, self.words = "failed", f"{type(error).__name__}: {error}"
