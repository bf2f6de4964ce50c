"""The memory of a training step, measured in a process of its own: `python -m benchmarks.footprint LeNet torch 1 2`.

What counts is resident memory, as the kernel accounts for it, so that nothing a library allocates by its own means escapes.

1. The library is imported and trains the same network with a quarter of the batch, and minitorch also runs each of its
   kernels once on a few numbers: now the code is loaded and compiled. Everything is deleted, and freed memory
   is given back to the system. What is resident now is the *baseline*.
2. The high-water mark is set back (Linux: by writing 5 to /proc/self/clear_refs), the network is built anew and trained
   for some steps with the full batch. The *peak* is the high-water mark minus the baseline: weights, gradients,
   the optimizer's state, everything kept for the backward pass, and the working memory of the kernels.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .libraries import LOADERS, OURS, Library, pinned
from .networks import NETWORKS, training_step


def status(field: str) -> int | None:
    """A field of /proc/self/status in bytes; None where there is no such file."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return None


def high_water() -> int:
    """The largest resident size so far, since the last reset where the system knows one."""
    peak = status("VmHWM")
    if peak is not None:
        return peak
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def reset_high_water() -> bool:
    """Whether the system could set the mark back. If not, the warm-up's small peak stays in it, which the full batch passes."""
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        return True
    except OSError:
        return False


def give_back_freed_memory() -> None:
    """Let the C library return what it keeps of freed memory, where it can (glibc)."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def peak_of(run: Callable[[], Any]) -> tuple[int, int]:
    """(bytes resident before, bytes by which the high-water mark exceeded them while it ran)."""
    give_back_freed_memory()
    reset_high_water()
    before = status("VmRSS") or high_water()
    run()
    return before, max(0, high_water() - before)


def train(library: Library, name: str, steps: int, samples: int | None = None) -> list[float]:
    """The losses of some steps with the first `samples` of the batch (None: all)."""
    network = NETWORKS[name]
    inputs, targets = network.data()
    if samples is not None:
        targets = targets[: samples * (len(targets) // len(inputs))]
        inputs = inputs[:samples]
    step = training_step(network, library.module, *map(library.tensor, map(np.ascontiguousarray, (inputs, targets))))
    return [float(library.numpy(step())) for _ in range(steps)]


def measure(name: str, library_name: str, threads: int, steps: int) -> dict[str, Any]:
    losses: list[float] = []
    library = LOADERS[library_name](library_name, threads)
    if library_name == OURS:  # which kernels run may depend on the size of the batch
        for _ in library.module.kernels.compile_all(dtypes=("float32",)):
            pass
    train(library, name, 2, samples=max(1, NETWORKS[name].batch[0] // 4))
    baseline, peak = peak_of(lambda: losses.extend(train(library, name, steps)))
    return {"baseline": baseline, "peak": peak, "losses": losses}


def main() -> None:
    name, library, threads, steps = sys.argv[1:]
    with pinned(int(threads)):
        print(json.dumps(measure(name, library, int(threads), int(steps))))


if __name__ == "__main__":
    main()
