"""Threads for the kernels: how many there are, and the small pool that runs them.

A kernel is compiled for one thread and releases the GIL. Its work is cut into tasks by the shapes alone, and every
element of the result is computed within one task; the threads take tasks from a shared counter until none is left. So the
number of threads decides who does what and when, and never changes a bit of the result.

The workers are Python threads that sleep on a lock: waking one takes about 15 us, which a kernel weighs by asking
`threads_for(work)`. A sleeping worker costs nothing. A pool that spins while it waits, as OpenMP's do, wakes faster but
takes the cores from BLAS, which has a pool of its own.
"""

from __future__ import annotations

import os
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
    """How many threads so many multiply-adds are worth: each one gets at least two million (some 40 us)."""
    return max(1, min(count, int(work * 5e-7)))


class Worker:
    """A sleeping thread that runs one call at a time."""

    job: Any  # (kernel, arguments), None while asleep
    error: BaseException | None

    def __init__(self) -> None:
        self.wake, self.done = allocate_lock(), allocate_lock()
        self.wake.acquire()
        self.done.acquire()
        self.error = None
        Thread(target=self.loop, name="minitorch-kernels", daemon=True).start()

    def loop(self) -> None:
        while True:
            self.wake.acquire()
            kernel, arguments = self.job
            try:
                kernel(*arguments)
            except BaseException as error:  # handed to the thread that waits
                self.error = error
            self.job = kernel = arguments = None  # hold on to no array while asleep
            self.done.release()

    def start(self, *job) -> None:
        self.job = job
        self.wake.release()

    def wait(self):
        self.done.acquire()
        error, self.error = self.error, None
        return error


idle: list[Worker] = []  # appending to and popping from a list are atomic


def run(kernel, threads: int, *arguments) -> None:
    """Call kernel(counter, *arguments) in so many threads at once, this one among them; counter is int64 [0]."""
    if threads == 1:
        kernel(np.zeros(1, np.int64), *arguments)
        return
    arguments = (np.zeros(1, np.int64), *arguments)
    workers = []
    for _ in range(threads - 1):
        try:
            worker = idle.pop()
        except IndexError:
            worker = Worker()
        worker.start(kernel, arguments)
        workers.append(worker)
    try:
        kernel(*arguments)
    finally:
        errors = [worker.wait() for worker in workers]
        idle.extend(workers)
    for error in errors:
        if error is not None:
            raise error


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
