"""torch.futures: results that come later. Here they are there when somebody sets them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A result that one thread sets and others wait for."""

    def __init__(self, *, devices: Any = None) -> None:
        self._future: concurrent.futures.Future = concurrent.futures.Future()

    def done(self) -> bool:
        """Whether there is a result, or an exception."""
        return self._future.done()

    def wait(self) -> Any:
        """The result, once it is there; the exception that was set instead is raised."""
        return self._future.result()

    value = wait

    def set_result(self, result: Any) -> None:
        """Give the result."""
        self._future.set_result(result)

    def set_exception(self, result: BaseException) -> None:
        """Give an exception instead."""
        self._future.set_exception(result)

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A future of callback(self), which is called when this one is done."""
        following = Future()

        def run(_: Any) -> None:
            try:
                following.set_result(callback(self))
            except Exception as error:
                following.set_exception(error)

        self._future.add_done_callback(run)
        return following

    def add_done_callback(self, callback: Callable[[Future], Any]) -> None:
        """Call callback(self) when this one is done."""
        self._future.add_done_callback(lambda _: callback(self))


def wait_all(futures: list[Future]) -> list:
    """The results of all, once they are there."""
    return [future.wait() for future in futures]


def collect_all(futures: list[Future]) -> Future:
    """A future of the list of futures, done when all of them are."""
    collected = Future()
    if not futures:
        collected.set_result([])
    for future in futures:
        future.add_done_callback(
            lambda _: None if collected.done() or not all(f.done() for f in futures) else collected.set_result(futures)
        )
    return collected
