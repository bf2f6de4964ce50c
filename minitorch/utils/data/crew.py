"""The worker processes of a DataLoader, seen from the parent: started, fed, listened to, ended.

Every worker has a pipe of its own. A killed worker closes its end, which the parent sees at once, and no lock is shared
that it could have died with.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import weakref
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from .parcel import Parcel, receive
from .worker import Setup, run_worker

PATIENCE = 2.0  # seconds that a worker gets to finish what it is doing
LOOK_AROUND = 1.0  # seconds between two looks at whether all workers are alive, besides watching their pipes


class Crew:
    """`setup.num_workers` running workers.

    context: a multiprocessing context (None: "spawn", as a fork would inherit locks and threads in any state).
    """

    def __init__(self, setup: Setup, context: Any = None):
        context = context or multiprocessing.get_context("spawn")
        self.processes: list = []
        self.connections: list = []
        self._finish = weakref.finalize(self, _end, self.processes, self.connections, os.getpid())
        packed = setup if context.get_start_method() == "fork" else _packed(setup)
        try:
            with _interrupts_blocked():
                for worker_id in range(setup.num_workers):
                    self._start(context, worker_id, packed)
        except BaseException:
            self.end()
            raise
        finally:
            if isinstance(packed, Parcel):
                packed.close()

    def _start(self, context: Any, worker_id: int, setup: Parcel | Setup) -> None:
        ours, theirs = context.Pipe()
        self.connections.append(ours)
        # A fork has our ends of all pipes too, and must let go of them to see the pipe end when this process dies.
        inherited = list(self.connections) if context.get_start_method() == "fork" else []
        process = context.Process(target=run_worker, args=(worker_id, theirs, setup, inherited), daemon=True)
        try:
            process.start()
        except (AttributeError, TypeError, ValueError) as error:
            error.add_note(
                "Workers are new processes, to which data set, collate_fn and worker_init_fn are sent: define them at "
                'the top level of a module (no lambda), or, on Linux, pass multiprocessing_context="fork".'
            )
            raise
        finally:
            theirs.close()  # the worker has its own; with ours closed, its death ends the pipe
        self.processes.append(process)

    def give(self, worker: int, task: tuple) -> None:
        """Send a task. RuntimeError when the worker has died."""
        try:
            self.connections[worker].send(task)
        except OSError:
            self._fail([worker])

    def take(self, timeout: float) -> Any:
        """The next answer of any worker, waiting at most `timeout` seconds (0: without end).

        RuntimeError, in torch's words, when that time is over or a worker has died.
        """
        end = time.monotonic() + timeout if timeout else float("inf")
        while True:
            left = end - time.monotonic()
            ready: Any = wait(self.connections, max(0, min(LOOK_AROUND, left)))
            for connection in ready:
                try:
                    return receive(connection)
                except (EOFError, ConnectionResetError):
                    self._fail([self.connections.index(connection)])
            # The pipe of a dead worker stays open while a process lives that it started.
            if dead := [worker for worker, process in enumerate(self.processes) if not process.is_alive()]:
                self._fail(dead)
            if left <= LOOK_AROUND and not ready and time.monotonic() >= end:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")

    def _fail(self, workers: list[int]) -> None:
        dead = [self.processes[worker] for worker in workers]
        for process in dead:
            process.join(PATIENCE)
        pids = ", ".join(str(process.pid) for process in dead)
        cause = "\n".join(_cause(process.pid, process.exitcode) for process in dead)
        self.end()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from RuntimeError(cause)

    def end(self) -> None:
        """Tell all workers to finish, and see to it that they do. May be called twice."""
        self._finish()


def _cause(pid: int, exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"DataLoader worker (pid {pid}) is killed by signal: {signal.strsignal(-exitcode)}. "
    return (
        f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {exitcode}. Details are lost due to "
        "multiprocessing. Rerunning with num_workers=0 may give better error trace. (A script that starts workers needs "
        'the guard `if __name__ == "__main__":`, because every worker imports it.)'
    )


def _packed(setup: Setup) -> Parcel | Setup:
    """The setup, made once for all workers, which share the memory of its arrays.

    What can only be pickled while a process is being started (locks, queues) stays as it is, for each worker anew.
    """
    try:
        return Parcel.of(setup)
    except Exception:
        return setup


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Ctrl-C waits: processes that are started inside begin with it blocked, so that none dies of it half started."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it would unblock them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(processes: list, connections: list, owner: int) -> None:
    if os.getpid() != owner:  # a fork of the parent: not its workers
        return
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.send(None)
        connection.close()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.terminate()
            process.join(1)
        if process.is_alive():
            process.kill()
            process.join()
