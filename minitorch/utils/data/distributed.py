"""DistributedSampler: each of several processes gets its share of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

from ...distributed import get_rank, get_world_size
from ...generator import Generator
from ...samplers import permutation
from .sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Process `rank` of `num_replicas` visits every `num_replicas`-th index, beginning with its `rank`-th.

    All get the same number of indices: the first ones are repeated, or with `drop_last` the last ones left out. With
    `shuffle` the order is a permutation from `seed + epoch`, the same in all processes: call `set_epoch` before each.

    Without `num_replicas` and `rank` the process group is asked (`distributed.init_process_group`); ValueError where
    there is none, and for a rank out of range.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        num_replicas = get_world_size() if num_replicas is None else num_replicas
        rank = get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        share = len(dataset) / num_replicas
        self.num_samples = math.floor(share) if drop_last else math.ceil(share)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        if self.shuffle:
            indices = permutation(Generator().manual_seed(self.seed + self.epoch), size).tolist()
        else:
            indices = list(range(size))
        if missing := max(0, self.total_size - size):
            indices += (indices * math.ceil(missing / size))[:missing]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Another permutation for another epoch."""
        self.epoch = epoch
