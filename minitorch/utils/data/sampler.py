"""In which order samples are visited: iterables of indices, drawn from torch's random streams.

With one seed the orders equal torch's, so the draws must come in the same number and sequence: a `RandomSampler`
without a generator of its own takes one 64-bit seed from the default generator each time it is iterated over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Generic, TypeVar

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...generator import Generator, default_generator
from ...ops.random import multinomial
from ...samplers import integers, permutation, random_integers

T_co = TypeVar("T_co", covariant=True)
INT64 = np.dtype(np.int64)


def draw_seed(generator: Generator | None) -> int:
    """A seed in [0, 2**63) from `generator` (default: the default one): torch's `empty((), int64).random_()`."""
    return int(random_integers(generator or default_generator, 1, INT64, 63)[0])


class Sampler(Generic[T_co]):
    """Base class: `__iter__` gives indices (or lists of them), `__len__` says how many where that is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... in order."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """A random permutation of the data set, repeated or cut to `num_samples`; or independent draws (`replacement`).

    TypeError if `replacement` is no bool, ValueError unless `num_samples` is a positive integer.
    """

    REPLACEMENT_BLOCK = 32  # torch draws with replacement in blocks of so many

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        # The data set may grow or shrink between two epochs.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(draw_seed(None))
        if self.replacement:
            for left in range(self.num_samples, 0, -self.REPLACEMENT_BLOCK):
                yield from integers(generator, min(left, self.REPLACEMENT_BLOCK), INT64, 0, size).tolist()
            return
        for _ in range(self.num_samples // size):
            yield from permutation(generator, size).tolist()
        # torch draws this last permutation even when nothing of it is used, and the stream goes on behind it.
        yield from permutation(generator, size).tolist()[: self.num_samples % size]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in permutation(self.generator or default_generator, len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices 0 .. len(weights)-1, each with a probability in proportion to its weight.

    ValueError unless `num_samples` is a positive integer, `replacement` a bool and `weights` one-dimensional.
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        array = np.asarray(weights.array if isinstance(weights, Tensor) else weights, dtypes.float64.numpy)
        if array.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {array.shape}")
        self.weights = wrap(array)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).array.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from another sampler; the last one may be shorter unless `drop_last`."""

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)
