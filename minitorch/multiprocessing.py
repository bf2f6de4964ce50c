"""torch.multiprocessing: Python's `multiprocessing`, and `spawn`. Tensors are sent as copies, not as shared memory."""

from __future__ import annotations

import multiprocessing as _python
import traceback
from collections.abc import Callable
from typing import Any

__all__ = [
    *_python.__all__, "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

globals().update({name: getattr(_python, name) for name in _python.__all__})


class ProcessException(Exception):
    """A process that `spawn` started failed."""

    def __init__(self, msg: str, error_index: int, pid: int | None) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """It raised; the message has its traceback."""


class ProcessExitedException(ProcessException):
    """It was killed, or ended with an exit code."""

    def __init__(self, msg: str, error_index: int, pid: int | None, exit_code: int | None) -> None:
        super().__init__(msg, error_index, pid)
        self.exit_code = exit_code


def _run(function: Callable, i: int, args: tuple, failures: Any) -> None:
    try:
        function(i, *args)
    except KeyboardInterrupt:
        pass
    except BaseException:
        failures.put(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """The processes that `spawn(..., join=False)` started."""

    def __init__(self, processes: list, failures: list) -> None:
        self.processes, self.failures = processes, failures

    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for them. True when all have ended well; the first that failed ends the others and raises."""
        sentinels = {process.sentinel: i for i, process in enumerate(self.processes) if process.exitcode is None}
        ready = [sentinels[s] for s in _python.connection.wait(list(sentinels), timeout)] if sentinels else []
        for i in ready:
            self.processes[i].join()
        failed = next((i for i, p in enumerate(self.processes) if p.exitcode not in (None, 0)), None)
        if failed is None:
            return all(process.exitcode == 0 for process in self.processes)
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join()
        process, failure = self.processes[failed], self.failures[failed]
        if not failure.empty():
            text = f"\n\n-- Process {failed} terminated with the following error:\n{failure.get()}"
            raise ProcessRaisedException(text, failed, process.pid)
        text = f"process {failed} terminated with exit code {process.exitcode}"
        raise ProcessExitedException(text, failed, process.pid, process.exitcode)


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call fn(i, *args) in `nprocs` processes, i = 0, 1, ...; wait for them (join), or return their context."""
    context: Any = _python.get_context(start_method)
    processes, failures = [], []
    for i in range(nprocs):
        failure = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, failure), daemon=daemon)
        process.start()
        processes.append(process)
        failures.append(failure)
    started = ProcessContext(processes, failures)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Call fn(i, *args) in `nprocs` new processes. One that raises ends the others: ProcessRaisedException."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set[str]:
    """{"file_system"}: nothing is shared."""
    return {"file_system"}


def get_sharing_strategy() -> str:
    """ "file_system"."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Nothing is shared: accepted without effect."""
