"""Side-by-side measurements of minitorch and torch: `python -m benchmarks overhead`."""

import os

# NumPy's threads spin after a call, for 2^26 cycles of the clock (30 ms) and longer where others want their core. Here they do so for half
# a millisecond: still from one call of a batch to the next, but not into another library's. OpenBLAS reads this when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")
