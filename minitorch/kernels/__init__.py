"""Numba kernels, plugged in over the NumPy references: same function, same answer, sooner.

minitorch.kernels.use("auto" | "numba" | "numpy")    select, also as a context manager
minitorch.kernels.current()                          what is selected
minitorch.kernels.compile_all()                      compile everything ahead

registry.py     which implementation runs, and when      threads.py   the threads they run in
jit.py          the door to Numba, the cache on disk     simd.py      register tiles, moves.py copies
matmul.py       panels and cache blocks
conv.py         convolution: channels.py, correlate.py, winograd.py, winograd_weight.py, depthwise.py over geometry.py
softmax.py      one pass per row, elementary.py its exp  pool.py      max pooling
draws.py        random numbers from the twister
"""

from .. import ops as _ops  # noqa: F401  # the operations must be declared before kernels can be plugged in
from .compile import compile_all
from .registry import accelerates, current, use
from .threads import get_num_threads, set_num_threads

__all__ = ["accelerates", "compile_all", "current", "get_num_threads", "set_num_threads", "use"]

use("auto")
