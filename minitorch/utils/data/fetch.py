"""From what a sampler says to one batch of a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .dataset import Dataset, IterableDataset, fetch_many


def make_fetch(dataset: Dataset, batched: bool, collate_fn: Callable, drop_last: bool) -> Callable[[Any], Any]:
    """A function from an index (a list of them if `batched`) to the collated batch; for one pass over the data.

    StopIteration at the end of a stream.
    """
    if isinstance(dataset, IterableDataset):
        return _StreamFetch(dataset, batched, collate_fn, drop_last)
    if batched:
        return lambda indices: collate_fn(fetch_many(dataset, indices))
    return lambda index: collate_fn(dataset[index])


class _StreamFetch:
    """Batches off a stream: of the indices only their number counts."""

    def __init__(self, dataset: IterableDataset, batched: bool, collate_fn: Callable, drop_last: bool):
        self.stream = iter(dataset)
        self.batched, self.collate_fn, self.drop_last = batched, collate_fn, drop_last
        self.ended = False

    def __call__(self, indices: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.stream))
        samples = [sample for _, sample in zip(indices, self.stream, strict=False)]
        self.ended = len(samples) < len(indices)
        if not samples or (self.ended and self.drop_last):
            raise StopIteration
        return self.collate_fn(samples)
