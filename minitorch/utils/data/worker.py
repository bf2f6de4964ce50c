"""A worker process of a DataLoader: takes tasks out of a pipe, fetches the batches, sends them back.

A task is (epoch, number, index); the answer is (epoch, number, batch), where instead of the batch there may be a
`Failure` or `StreamEnded`. None is the sign to finish.
"""

from __future__ import annotations

import functools
import os
import pickle
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ...generator import default_generator
from ...kernels.threads import set_num_threads
from . import parcel
from .dataset import Dataset, IterableDataset
from .fetch import make_fetch


@dataclass(frozen=True)
class StreamEnded:
    """Sent in place of a batch when the worker's stream has no more."""


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows about itself: its number, how many there are, its seed and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Dataset


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` of the worker process that this is, None in the main process."""
    return _info


@dataclass(frozen=True)
class Failure:
    """An exception of a worker, as its class and its text with the traceback."""

    kind: type[BaseException]
    text: str

    @classmethod
    def of(cls, error: BaseException, where: str) -> Failure:
        text = f"Caught {type(error).__name__} {where}.\nOriginal " + "".join(traceback.format_exception(error))
        # A class that another process cannot find by its name is replaced by the nearest one above it.
        return cls(next(kind for kind in type(error).__mro__ if _can_travel(kind)), text)

    def reraise(self) -> None:
        """Raise an exception of the class with the worker's traceback as its text; RuntimeError if it takes no text."""
        try:
            error = self.kind(_Verbatim(self.text) if issubclass(self.kind, KeyError) else self.text)
        except Exception:
            raise RuntimeError(self.text) from None
        raise error


class _Verbatim(str):
    """A text that stays readable in a KeyError, which shows the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _can_travel(kind: type) -> bool:
    try:
        return pickle.loads(pickle.dumps(kind)) is kind
    except Exception:
        return False


@dataclass(frozen=True)
class Setup:
    """What all workers of one loader are told."""

    dataset: Dataset
    batched: bool
    collate_fn: Callable
    drop_last: bool
    init_fn: Callable[[int], None] | None
    base_seed: int
    num_workers: int


def run_worker(
    worker_id: int, connection: Connection, setup: parcel.Parcel | Setup, inherited: list[Connection]
) -> None:
    """The life of worker number `worker_id`. `inherited`: the parent's ends of pipes."""
    for theirs in inherited:
        theirs.close()
    _leave_interrupts_to_the_parent()
    tasks: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(connection, tasks), daemon=True).start()
    where = f"in DataLoader worker process {worker_id}"
    answer = functools.partial(_answer, connection, where)
    try:
        try:
            known = _begin(worker_id, setup)
        except Exception as error:
            failure = Failure.of(error, where)
            while (task := tasks.get()) is not None:
                epoch, number, _ = task
                answer(epoch, number, failure)
        else:
            _work(known, tasks, answer, where)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent has closed its end: it wants no more


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C goes to all processes of a terminal; the parent ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by the parent until here


def _read_tasks(connection: Connection, tasks: queue.SimpleQueue) -> None:
    """Move tasks from the pipe to the queue, so that the parent never waits to send one.

    When the pipe ends without a None, the parent has died, and so does this process, whatever it is doing.
    """
    try:
        while (task := connection.recv()) is not None:
            tasks.put(task)
    except (EOFError, OSError):
        os._exit(1)
    tasks.put(None)


def _answer(connection: Connection, where: str, epoch: int, number: int, value: Any) -> None:
    try:
        packed = parcel.Parcel.of((epoch, number, value))
    except Exception as error:  # the batch cannot be pickled
        packed = parcel.Parcel.of((epoch, number, Failure.of(error, where)))
    try:
        packed.send(connection)
    finally:
        packed.close()


def _begin(worker_id: int, given: parcel.Parcel | Setup) -> Setup:
    """Seed everything as torch does, and let the user's `worker_init_fn` have its say."""
    global _info
    if isinstance(given, parcel.Parcel):
        setup: Setup = given.open(private=True)
        given.close()
    else:
        setup = given
    set_num_threads(1)
    seed = setup.base_seed + worker_id
    random.seed(seed)
    default_generator.manual_seed(seed)
    # NumPy gets another seed: its generator is the same Mersenne Twister, which would repeat our stream.
    words = [worker_id, setup.base_seed & 0xFFFFFFFF, setup.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))
    _info = WorkerInfo(worker_id, setup.num_workers, seed, setup.dataset)
    if setup.init_fn is not None:
        setup.init_fn(worker_id)
    return setup


def _work(setup: Setup, tasks: queue.SimpleQueue, answer: Callable, where: str) -> None:
    is_stream = isinstance(setup.dataset, IterableDataset)
    current, fetch = None, None  # the epoch, and what fetches in it (None: its stream has ended)
    while (task := tasks.get()) is not None:
        epoch, number, index = task
        try:
            if epoch != current:
                fetch = make_fetch(setup.dataset, setup.batched, setup.collate_fn, setup.drop_last)
                current = epoch
            if fetch is None:
                continue
            value = fetch(index)
        except Exception as error:
            if is_stream and isinstance(error, StopIteration):
                value, fetch = StreamEnded(), None
            else:
                value = Failure.of(error, where)
        answer(epoch, number, value)
        del value  # before the next batch is made, not after
