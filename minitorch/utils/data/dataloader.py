"""DataLoader: data set + sampler + collate = an iterable of batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from ...generator import Generator
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, fetch_many
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

T_co = TypeVar("T_co", covariant=True)
FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _InfiniteConstantSampler(Sampler):
    """None, for ever: the index into a stream."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Batches of a data set; arguments, order and random draws as torch's.

    dataset: a `Dataset` (anything with `__getitem__` and `__len__`) or an `IterableDataset`.
    batch_size: samples per batch; None gives single samples, converted but not batched.
    shuffle: a new random order in every epoch.
    sampler, batch_sampler: an order of indices, or of lists of them, instead of `shuffle` and `batch_size`.
    collate_fn: makes the batch from a list of samples (default: `default_collate`).
    drop_last: leave out a last batch that is not full.
    generator: where the order and the workers' seed are drawn from (default: the default generator).
    num_workers: batches are loaded in the calling process whatever the number; above 0 a warning says so.
    The remaining arguments concern worker processes and pinned memory, and change nothing here.

    Raises torch's ValueErrors for arguments that exclude each other.
    """

    _initialized = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, multiprocessing_context)
        is_stream = isinstance(dataset, IterableDataset)
        if is_stream:
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")

        if sampler is None:
            if is_stream:
                sampler = _InfiniteConstantSampler()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._length_told: int | None = None
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> DataLoaderIterator:
        return DataLoaderIterator(self)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length = self._length_told = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool, context: Any
) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0:
        if prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified in multiprocessing: set num_workers > 0.")
        if persistent_workers:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if context is not None:
            raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > 0)")
    elif prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if num_workers:
        warnings.warn(
            f"num_workers={num_workers}: minitorch loads in the calling process, without workers", stacklevel=3
        )


class DataLoaderIterator(Iterator):
    """One pass over a `DataLoader`.

    Making it draws one 64-bit number from the loader's generator, the seed torch would give its workers: without that
    draw everything random after it would differ from torch.
    """

    def __init__(self, loader: DataLoader):
        self._loader = loader
        self._dataset = loader.dataset
        self._indices = iter(loader._index_sampler)
        self._base_seed = draw_seed(loader.generator)
        self._stream = iter(loader.dataset) if isinstance(loader.dataset, IterableDataset) else None
        self._stream_ended = False
        self._yielded = 0

    def __iter__(self) -> DataLoaderIterator:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def skip(self, batches: int) -> None:
        """Pass over `batches` batches without loading them: the order goes on as if they had been taken."""
        for _ in range(batches):
            next(self._indices)

    def __next__(self) -> Any:
        index = next(self._indices)
        samples = self._from_index(index) if self._stream is None else self._from_stream(index)
        batch = self._loader.collate_fn(samples)
        self._yielded += 1
        told = self._loader._length_told
        if told is not None and self._yielded > told:
            warnings.warn(
                f"Length of IterableDataset {self._dataset} was reported to be {told} "
                f"(when accessing len(dataloader)), but {self._yielded} samples have been fetched.",
                stacklevel=2,
            )
        return batch

    def _from_index(self, index: Any) -> Any:
        return self._dataset[index] if self._loader.batch_sampler is None else fetch_many(self._dataset, index)

    def _from_stream(self, index: Any) -> Any:
        assert self._stream is not None
        if self._stream_ended:
            raise StopIteration
        if self._loader.batch_sampler is None:
            return next(self._stream)
        samples = [sample for _, sample in zip(index, self._stream, strict=False)]
        self._stream_ended = len(samples) < len(index)
        if not samples or (self._stream_ended and self._loader.drop_last):
            raise StopIteration
        return samples
