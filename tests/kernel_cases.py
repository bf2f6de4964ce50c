"""What the kernel tests share: arrays in awkward memory, tolerances from the arithmetic, a fixed number of threads."""

from contextlib import contextmanager

import numpy as np

from minitorch.kernels import threads

LAYOUTS = ["contiguous", "permuted", "sliced", "negative", "readonly", "unaligned"]
DTYPES = ["float32", "float64"]


def laid_out(values, layout):
    """An array equal to `values`, with other strides."""
    values = np.ascontiguousarray(values)
    if layout == "permuted":
        return np.ascontiguousarray(values.T).T
    if layout == "sliced":
        large = np.full([2 * n + 1 for n in values.shape], np.nan if values.dtype.kind == "f" else 99, values.dtype)
        view = large[tuple(slice(1, None, 2) for _ in values.shape)]
        view[...] = values
        return view
    if layout == "negative":
        turn = tuple(slice(None, None, -1) for _ in values.shape)
        return np.ascontiguousarray(values[turn])[turn]
    if layout == "readonly":
        copy = values.copy()
        copy.flags.writeable = False
        return copy
    if layout == "unaligned":
        memory = np.empty(values.nbytes + 1, np.uint8)[1:]
        view = memory.view(values.dtype).reshape(values.shape)
        view[...] = values
        return view
    return values


def draw(seed, shape, dtype, layout="contiguous"):
    return laid_out(np.random.default_rng(seed).standard_normal(shape).astype(dtype), layout)


@contextmanager
def exactly(count):
    """Every kernel in so many threads, however small the work."""
    before = threads.threads_for
    threads.threads_for = lambda work: count
    try:
        yield
    finally:
        threads.threads_for = before


def rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))
