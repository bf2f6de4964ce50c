"""The libraries that are compared: how each is loaded, fed and read, and how it is held to a number of threads.

Threads are pinned three times over: by the environment, which most libraries read once when they are loaded; by each
library's own call; and by the process's CPU affinity, which nothing gets around. Then each library is asked how many
it has. What it really used is measured with every figure (`Figure.cores`).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np

OURS = "minitorch"
OTHERS = ("torch", "numpy", "jax", "tinygrad", "autograd", "mygrad")
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUM_CPU_THREADS")
XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


@dataclass(frozen=True)
class Library:
    """module: its namespace. tensor: from a NumPy array. numpy: to one. threads: how many it says it has.

    finish: waits for a result, in libraries that compute later than they are asked to; None for the others.
    jit: compiles a function of tensors, in libraries whose programs are meant to be compiled; None for the others.
    """

    name: str
    module: ModuleType
    tensor: Callable[[np.ndarray], Any]
    numpy: Callable[[Any], np.ndarray]
    threads: Callable[[], int]
    finish: Callable[[Any], Any] | None = None
    jit: Callable[[Callable], Callable] | None = None

    @property
    def like_torch(self) -> bool:
        return self.name in (OURS, "torch")

    def timed(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """The function, with the wait for its result included; as it is where there is nothing to wait for."""
        if self.finish is None:
            return function
        finish = self.finish
        return lambda: finish(function())


def blas_threads() -> int:
    """The threads of the BLAS behind NumPy, as threadpoolctl reads them; 1 where no pool of threads is loaded."""
    import threadpoolctl

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return max((pool["num_threads"] for pool in pools), default=1)


def _like_torch(name: str, threads: int) -> Library:
    module = importlib.import_module(name)
    module.set_num_threads(threads)
    return Library(name, module, module.from_numpy, lambda tensor: tensor.detach().numpy(), module.get_num_threads)


def _over_numpy(name: str, threads: int) -> Library:
    """NumPy itself, and the libraries whose arithmetic is NumPy's: their threads are those of its BLAS."""
    import threadpoolctl

    threadpoolctl.threadpool_limits(limits=threads, user_api="blas")
    return Library(name, importlib.import_module(name), lambda array: array, np.asarray, blas_threads)


def _jax(name: str, threads: int) -> Library:
    """XLA's pool cannot be asked for its size; it is as large as the number of cores the process may use."""
    jax = importlib.import_module(name)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return Library(name, jax, jax.numpy.asarray, np.asarray, usable_cores, jax.block_until_ready, jax.jit)


def _tinygrad(name: str, threads: int) -> Library:
    """Its CPU code is compiled by clang, which must be installed."""
    tinygrad = importlib.import_module(name)
    pool = importlib.import_module("tinygrad.helpers").NUM_CPU_THREADS
    return Library(
        name,
        tinygrad,
        lambda array: tinygrad.Tensor(array, device="CPU").realize(),
        lambda tensor: tensor.numpy(),
        lambda: pool.value,
        jit=lambda function: tinygrad.TinyJit(lambda *tensors: function(*tensors).realize()),
    )


LOADERS: dict[str, Callable[[str, int], Library]] = {
    OURS: _like_torch,
    "torch": _like_torch,
    "numpy": _over_numpy,
    "jax": _jax,
    "tinygrad": _tinygrad,
    "autograd": _over_numpy,
    "mygrad": _over_numpy,
}


def installed(names: Iterable[str]) -> list[str]:
    """Those that can be imported."""
    return [name for name in names if importlib.util.find_spec(name) is not None]


def version(name: str) -> str:
    try:
        return metadata.version("minitorch-lab" if name == OURS else name)
    except metadata.PackageNotFoundError:
        return getattr(importlib.import_module(name), "__version__", "unknown")


def usable_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(threads: int) -> dict[str, str]:
    """The environment in which every library starts with so many threads."""
    variables = dict.fromkeys(POOLS, str(threads)) | {"DEV": "CPU", "JAX_PLATFORMS": "cpu"}
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        variables["XLA_FLAGS"] = flags if XLA_ONE_THREAD in flags else f"{flags} {XLA_ONE_THREAD}".strip()
    return variables


@contextmanager
def pinned(threads: int):
    """Run on so many cores: the last ones, since the first serve most interrupts. Undone at the end."""
    before = dict(os.environ)
    os.environ.update(environment(threads))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if cores:
        os.sched_setaffinity(0, cores[-threads:])
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        os.environ.clear()
        os.environ.update(before)


def load(names: Iterable[str], threads: int) -> dict[str, Library]:
    """Import the libraries, minitorch first, each held to `threads`.

    Several share one BLAS, and whoever is loaded last sets it; all are therefore set again at the end.
    """
    loaded = {name: LOADERS[name](name, threads) for name in (OURS, *names)}
    for library in loaded.values():
        if library.like_torch:
            library.module.set_num_threads(threads)
    return loaded
