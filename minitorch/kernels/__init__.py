"""Numba kernels, plugged in over the NumPy references: same function, same answer, sooner.

minitorch.kernels.use("auto" | "numba" | "numpy")    select, also as a context manager
minitorch.kernels.current()                          what is selected
minitorch.kernels.compile_all()                      compile everything ahead

registry.py     which implementation runs, and when      threads.py   the threads they run in
jit.py          the door to Numba, the cache on disk     simd.py      register tiles, moves.py copies
matmul.py       panels and cache blocks                  heap.py      the memory that is kept for the next arrays
blas.py         products by NumPy's BLAS in pieces: openblas.py finds it, gemm.py calls it from compiled code
conv.py         convolution: channels.py, correlate.py, winograd.py, winograd_weight.py, depthwise.py over geometry.py
softmax.py      one pass per row; strips.py side by side pool.py      max pooling
norm.py         batch, layer, group and RMS norm         reduce.py    sums, means, variances; scan.py running sums
indexing.py     rows and elements by index               transpose.py copies into row-major order
resample.py     interpolation, a row at a time           losses.py    losses of pairs, summed as they are made
attention.py    attention, a tile of scores at a time    pointwise.py activations; elementary.py: exp, tanh, erf
steps.py        SGD and Adam over all parameters         draws.py     random numbers from the twister
"""

from .. import ops as _ops  # noqa: F401  # the operations must be declared before kernels can be plugged in
from .compile import compile_all
from .heap import keep_freed_memory
from .registry import accelerates, current, use
from .threads import get_num_threads, set_num_threads

__all__ = ["accelerates", "compile_all", "current", "get_num_threads", "set_num_threads", "use"]

keep_freed_memory()
use("auto")
