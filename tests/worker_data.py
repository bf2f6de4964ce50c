"""Data sets for the tests of DataLoader workers. Workers import this module, so it imports little."""

import os
import random
import signal
import time

import numpy as np

from minitorch.utils import data


class Draws:
    """Samples that tell what every generator of their worker gives. `library` is named: modules cannot be pickled."""

    def __init__(self, size, library="minitorch"):
        self.size, self.library = size, library

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        library = __import__(self.library)
        info = __import__(f"{self.library}.utils.data", fromlist=["data"]).get_worker_info()
        return index, library.rand(2), random.random(), np.random.rand(), info.id, info.num_workers, info.seed


class Parts(data.IterableDataset):
    """A stream of `size` numbers, of which each worker has every n-th; the shares differ in length."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(info.id, self.size, info.num_workers + 1))


class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


class Trouble:
    """The sample at an index is the mishap of that name; numbers are samples without one."""

    def __init__(self, mishaps):
        self.mishaps = mishaps

    def __len__(self):
        return len(self.mishaps)

    def __getitem__(self, index):
        mishap = self.mishaps[index]
        if mishap == "ValueError":
            raise ValueError("this sample is bad")
        if mishap == "KeyError":
            return {}["this key is missing"]
        if mishap == "TwoArguments":
            raise TwoArguments(1, 2)
        if mishap == "local class":

            class Local(IndexError):
                pass

            raise Local("out of the local range")
        if mishap == "no pickle":
            return lambda: None
        if mishap == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if mishap == "exit":
            os._exit(7)
        if mishap == "sleep":
            time.sleep(600)
        return mishap


class Large:
    """Samples of `shape` float32, each filled with its index."""

    def __init__(self, size, shape):
        self.arrays = np.zeros((size, *shape), np.float32) + np.arange(size).reshape(-1, *[1] * len(shape))

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, index):
        return self.arrays[index].astype(np.float32)


def fail_to_begin(worker_id):
    raise OSError(f"worker {worker_id} has no disk")


def as_is(batch):
    return batch


PROGRAM = """
import sys
from minitorch.utils.data import DataLoader
from worker_data import Trouble, as_is

if __name__ == "__main__":
    batches = iter(DataLoader(Trouble([1, 1, "sleep", "sleep"]), num_workers=2, collate_fn=as_is, batch_size=1))
    next(batches), next(batches)
    print(*[process.pid for process in batches._crew.processes], flush=True)
    next(batches)
"""  # two workers that sleep, and a parent that waits for them
