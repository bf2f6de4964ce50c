"""One pass over a DataLoader: in the calling process, or with workers."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

from .crew import Crew
from .fetch import make_fetch
from .sampler import draw_seed
from .worker import Failure, Setup, StreamEnded


class LoaderIterator(Iterator):
    """What all passes have in common.

    Making one draws one 64-bit number from the loader's generator, the seed of the workers, whether there are any:
    without that draw everything random after it would differ from torch.
    """

    def __init__(self, loader: Any):
        self._loader = loader  # the DataLoader
        self._indices = iter(loader._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._yielded = 0

    def __iter__(self) -> LoaderIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __next__(self) -> Any:
        batch = self._next_batch()
        self._yielded += 1
        told = self._loader._length_told
        if told is not None and self._yielded > told:
            message = (
                f"Length of IterableDataset {self._loader.dataset} was reported to be {told} "
                f"(when accessing len(dataloader)), but {self._yielded} samples have been fetched. "
            )
            if self._loader.num_workers:
                message += (
                    "Every worker has a copy of the stream: let its __iter__ give each its own part "
                    "(see get_worker_info)."
                )
            warnings.warn(message, stacklevel=2)
        return batch

    def _next_batch(self) -> Any:
        raise NotImplementedError

    def skip(self, batches: int) -> None:
        """Pass over `batches` batches: the order goes on as if they had been taken."""
        raise NotImplementedError

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


class SingleProcessIterator(LoaderIterator):
    """Every batch is fetched when it is asked for."""

    def __init__(self, loader: Any):
        super().__init__(loader)
        self._fetch = make_fetch(loader.dataset, loader._batched, loader.collate_fn, loader.drop_last)

    def _next_batch(self) -> Any:
        return self._fetch(next(self._indices))

    def skip(self, batches: int) -> None:
        for _ in range(batches):
            next(self._indices)


class WorkersIterator(LoaderIterator):
    """`num_workers` processes fetch up to `prefetch_factor` batches each ahead.

    Task number n goes to the next worker in turn that has data left; the batches are handed out in the order of their
    numbers (unless `in_order=False`: as they come).
    """

    def __init__(self, loader: Any):
        super().__init__(loader)
        self._crew = Crew(
            Setup(
                loader.dataset, loader._batched, loader.collate_fn, loader.drop_last, loader.worker_init_fn,
                self._base_seed, loader.num_workers,
            ),
            loader.multiprocessing_context,
        )  # fmt: skip
        self._epoch = 0
        self.restart()

    def restart(self) -> None:
        """Begin another epoch with the same workers. What they still do for the last one is thrown away."""
        # As in torch, the sampler is asked for an iterator once more even in the first epoch.
        self._indices = iter(self._loader._index_sampler)
        self._yielded = 0
        self._epoch += 1
        self._sent = self._next = 0  # the numbers of the next task and of the next batch to hand out
        self._worker_of: dict[int, int] = {}  # tasks that are not handed out
        self._arrived: dict[int, Any] = {}  # batches that came before their turn
        self._active = set(range(self._loader.num_workers))  # workers whose stream has not ended
        self._turns = itertools.cycle(range(self._loader.num_workers))
        for _ in range(self._loader.prefetch_factor * self._loader.num_workers):
            self._send_task()

    def _send_task(self) -> None:
        try:
            index = next(self._indices)
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is not None:
            self._worker_of[self._sent] = worker
            self._crew.give(worker, (self._epoch, self._sent, index))
            self._sent += 1

    def _next_worker(self) -> int | None:
        limit = self._loader.prefetch_factor * self._loader.num_workers // max(len(self._active), 1)
        for worker in itertools.islice(self._turns, self._loader.num_workers):
            if worker not in self._active:
                continue
            if self._loader.in_order or list(self._worker_of.values()).count(worker) < limit:
                return worker
        return None

    def _next_batch(self) -> Any:
        while True:
            self._pass_over_ended_streams()
            if not self._worker_of:
                if not self._loader.persistent_workers:
                    self._crew.end()
                raise StopIteration
            if self._next in self._arrived:
                return self._hand_out(self._next, self._arrived.pop(self._next))
            epoch, number, value = self._crew.take(self._loader.timeout)
            if epoch != self._epoch:
                continue
            if isinstance(value, StreamEnded):
                self._active.discard(self._worker_of[number])
                self._send_task()
            elif number == self._next or not self._loader.in_order:
                return self._hand_out(number, value)
            else:
                self._arrived[number] = value

    def _pass_over_ended_streams(self) -> None:
        """Forget tasks that their worker will not answer, because its stream has ended."""
        while self._next < self._sent:
            worker = self._worker_of.get(self._next)
            if worker is not None and (worker in self._active or self._next in self._arrived):
                return
            self._worker_of.pop(self._next, None)
            self._next += 1

    def _hand_out(self, number: int, value: Any) -> Any:
        del self._worker_of[number]
        if number == self._next:
            self._next += 1
        self._send_task()
        if isinstance(value, Failure):
            value.reraise()
        return value

    def skip(self, batches: int) -> None:
        for _ in range(batches):
            next(self)
