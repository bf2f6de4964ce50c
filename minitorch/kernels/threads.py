"""Threads for the kernels: how many there are, and the small pool that runs them.

A kernel is compiled for one thread and releases the GIL. Its work is cut into tasks by the shapes alone, and every
element of the result is computed within one task; the threads take tasks by a shared counter until none is left, the caller from the
first on, its helper from the last on. So the number of threads decides who does what and when, and never changes a bit of the result.

The helpers are Python threads. Between two jobs a helper watches the counter of the next one for a while (spin.py), then sleeps
on a lock; in the same way the caller waits for its helpers at the end. A helper goes on when the first task has been taken: then the
caller is inside of the kernel, and no longer holds the interpreter, which the helper needs to begin.

    caller   | job, permit | kernel: tasks 0, 1, 2, 3 ...            | until(finished)  |
    helper   rest(counter)       | kernel: tasks 9, 8, 7 ...       | rest: finished, counter of the next job ...

Handing a job over and waiting for it takes about 12 us, and 50 us if the helper has gone to sleep. A kernel weighs that by asking
`threads_for(work)`. A helper spins for a tenth of a millisecond at most, so that it soon leaves its core to others.
"""

from __future__ import annotations

import importlib
import os
import sys
from _thread import allocate_lock
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

__all__ = ["each", "get_num_threads", "physical_cores", "run", "set_num_threads", "threads_for"]


def cpu_quota() -> float:
    """The CPU time that the container may use, in CPUs (infinite if not limited)."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError):  # not Linux, another cgroup version, or "max"
        return float("inf")


def physical_cores() -> int:
    """The number of physical cores this process may run on.

    Two hardware threads of one core share its multiply-add units; a second one gains nothing here.
    """
    try:
        cpus = os.sched_getaffinity(0)
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
    cores = set()
    for cpu in cpus:
        try:
            siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
        except OSError:
            siblings = str(cpu)
        cores.add(siblings)
    return max(1, int(min(len(cores), cpu_quota())))


def default_threads() -> int:
    """OMP_NUM_THREADS if it is set, as for torch and BLAS, else one thread per physical core."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    except (KeyError, ValueError):
        return physical_cores()


FRONT, BACK = 3, 4  # words of a counter that a thread is shown: that says from which end it takes its tasks
ROUNDS = 3000  # of looking at a word, before a thread that waits goes to sleep: 0.1 ms
WORTH = 700_000  # multiply-adds that are worth a thread: 30 us
count = default_threads()


def get_num_threads() -> int:
    """The number of threads that kernels use."""
    return count


def set_num_threads(threads: int) -> None:
    """Use this many threads in kernels, and in the BLAS below linear algebra if threadpoolctl is installed."""
    global count
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(threads).__name__}")
    if threads < 1:
        raise RuntimeError(f"set_num_threads expects a positive integer, but got {threads}")
    count = threads
    try:
        import threadpoolctl
    except ImportError:
        return
    threadpoolctl.threadpool_limits(limits=threads, user_api="blas")


def threads_for(work: float) -> int:
    """How many threads it is worth to do so much work, in multiply-adds of vectorised code (23 in a nanosecond) or what takes
    as long; each thread gets at least WORTH of it."""
    return max(1, min(count, int(work / WORTH)))


def sleep_at_once(*arguments) -> None:
    """In place of spin.py's functions, as long as Numba is not loaded."""


rest = until = sleep_at_once


def learn_to_spin() -> None:
    """Take the functions of spin.py, once a kernel has loaded Numba."""
    global rest, until
    if f"{__package__}.jit" in sys.modules:
        spin = importlib.import_module(".spin", __package__)
        rest, until = spin.rest, spin.until


class Helper:
    """A thread that does its part of one job after another.

    The two locks are what it and its caller truly wait for; the words are looked at first, since that is quicker.
    """

    job: Any  # (turn, kernel, arguments), None in between
    error: BaseException | None

    def __init__(self, counters: tuple[np.ndarray, np.ndarray]) -> None:
        self.counters, self.finished = counters, word()
        self.permit, self.done = allocate_lock(), allocate_lock()
        self.permit.acquire()
        self.done.acquire()
        self.error = None
        Thread(target=self.loop, name="minitorch-kernels", daemon=True).start()

    def loop(self) -> None:
        while True:
            self.permit.acquire()
            turn, kernel, arguments = self.job
            try:
                kernel(*arguments)
            except BaseException as error:  # handed to the thread that waits
                self.error = error
            self.job = kernel = arguments = None  # hold on to no array while asleep
            self.done.release()
            rest(self.finished, turn, self.counters[(turn + 1) % 2], ROUNDS)

    def start(self, *job) -> None:
        self.job = job
        self.permit.release()

    def wait(self, turn: int) -> BaseException | None:
        until(self.finished, turn, ROUNDS)
        self.done.acquire()
        error, self.error = self.error, None
        return error


def word() -> np.ndarray:
    """A number that threads watch, with a cache line of its own."""
    return np.zeros(8, np.int64)


class Team:
    """The helpers of one caller at a time. The jobs' counters are two words in turns: of one, the helpers see the tasks that are
    being taken, while the other is zero again for the next job."""

    def __init__(self) -> None:
        self.counters = word(), word()
        self.turn = 0
        self.helpers: list[Helper] = []

    def run(self, kernel, number: int, arguments: tuple) -> None:
        """Call kernel(counter, *arguments) in this thread and so many helpers."""
        turn = self.turn = self.turn + 1
        counter = self.counters[turn % 2]
        self.counters[(turn + 1) % 2].fill(0)
        while len(self.helpers) < number:
            self.helpers.append(Helper(self.counters))
        helpers = self.helpers[:number]
        for i, helper in enumerate(helpers):
            helper.start(turn, kernel, (counter[: FRONT if i % 2 else BACK], *arguments))
        try:
            kernel(counter[:FRONT], *arguments)
        finally:
            errors = [helper.wait(turn) for helper in helpers]
        for error in errors:
            if error is not None:
                raise error


idle: list[Team] = []  # appending to and popping from a list are atomic


def run(kernel, threads: int, *arguments) -> None:
    """Call kernel(counter, *arguments) in so many threads at once, this one among them. counter: what jit.py's `take` reads."""
    if threads == 1:
        kernel(np.zeros(1, np.int64), *arguments)
        return
    if rest is sleep_at_once:
        learn_to_spin()
    try:
        team = idle.pop()
    except IndexError:
        team = Team()
    try:
        team.run(kernel, threads - 1, arguments)
    finally:
        idle.append(team)


def each(function, items, threads: int) -> None:
    """Call function(item) for every item, in so many threads, each of which takes the next one when it is done with its own."""
    if threads == 1 or len(items) == 1:
        for item in items:
            function(item)
        return
    queue = iter(items)  # taking the next one is atomic

    def work(counter) -> None:
        for item in queue:
            function(item)

    run(work, min(threads, len(items)))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=idle.clear)  # threads do not survive a fork
