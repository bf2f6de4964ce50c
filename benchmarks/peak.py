"""The machine's limits, measured: how much arithmetic its cores can do, and how fast memory delivers.

**Arithmetic.** The innermost loop of a matrix product without its loads: independent vector accumulators held in
registers, each `c = a * c + c` in every turn. A core can start one or two of these in a cycle, and a result is ready
some four cycles later, so eight or more must be under way at a time; 12 fit in 16 registers, 24 in 32. Several shapes
of the loop are tried and the best counts. That is the ceiling of any kernel that multiplies and adds, on this machine
on this day: clock rates differ with the load, so a data sheet would not do.

**Memory.** The triad `a = b + 3 c` of STREAM (J. McCalpin, 1995) over arrays that fill half of each cache, and over
arrays much larger than all of them: three arrays' bytes over the best time. (Where the CPU reads a line before it
overwrites it, a fourth array's traffic goes uncounted, as is the custom.)

Several threads run the same loop at once, each on its own arrays; their rates add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .machine import caches


def fma_loop(bits: int, lanes: int, accumulators: int) -> Callable[[int, float], float]:
    """A compiled function (turns, a) that does turns * accumulators * lanes multiply-adds and returns one of them."""
    features = binding.get_host_cpu_features()
    fused = features.get("fma") or features.get("neon")

    @intrinsic
    def loop(typing, turns, a):
        def generate(context, builder, signature, arguments):
            scalar = ir.FloatType() if bits == 32 else ir.DoubleType()
            vector = ir.VectorType(scalar, lanes)
            kind = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{lanes}f{bits}")
            first = ir.Constant(ir.IntType(32), 0)
            factor = builder.fptrunc(arguments[1], scalar) if bits == 32 else arguments[1]
            a = ir.Constant(vector, ir.Undefined)
            for lane in range(lanes):
                a = builder.insert_element(a, factor, ir.Constant(ir.IntType(32), lane))
            starts = [ir.Constant(vector, [1.0 + i] * lanes) for i in range(accumulators)]
            slots = [cgutils.alloca_once_value(builder, start) for start in starts]
            with cgutils.for_range(builder, arguments[0]):
                for slot in slots:
                    c = builder.load(slot)
                    builder.store(builder.call(fma, [a, c, c]) if fused else builder.fadd(builder.fmul(a, c), c), slot)
            total = builder.load(slots[0])
            for slot in slots[1:]:
                total = builder.fadd(total, builder.load(slot))
            result = builder.extract_element(total, first)
            return builder.fpext(result, ir.DoubleType()) if bits == 32 else result

        return types.float64(types.int64, types.float64), generate

    @numba.njit(nogil=True)
    def run(turns, a):
        return loop(turns, a)

    run(1, 1e-9)  # compile
    return run


@numba.njit(nogil=True, fastmath=True)
def triad(a, b, c, repeats):
    for _ in range(repeats):
        for i in range(a.size):
            a[i] = b[i] + np.float32(3) * c[i]


def best_rate(work: float, jobs: Sequence[Callable[[], Any]], seconds: float) -> float:
    """Work per second of all jobs run at once, each in its thread: the best of several tries within `seconds`."""
    best, end = 0.0, time.perf_counter() + seconds
    with ThreadPoolExecutor(len(jobs)) as pool:
        while True:
            start = time.perf_counter()
            for running in [pool.submit(job) for job in jobs]:
                running.result()
            now = time.perf_counter()
            best = max(best, len(jobs) * work / (now - start))
            if now > end:
                return best


def peak_flops(bits: int, threads: int, seconds: float) -> float:
    """Floating-point operations a second, the best over the shapes of the loop."""
    features = binding.get_host_cpu_features()
    widths = [512, 256] if features.get("avx512f") else [256, 128] if features.get("avx2") else [128]
    counts = [24, 12] if features.get("avx512f") or features.get("neon") else [12, 10]
    best = 0.0
    for width in widths:
        for accumulators in counts:
            lanes = width // bits
            run = fma_loop(bits, lanes, accumulators)
            turns = 200_000
            jobs = [lambda run=run, turns=turns: run(turns, 1e-9)] * threads
            best = max(best, best_rate(2.0 * turns * accumulators * lanes, jobs, seconds))
    return best


def bandwidth(array_bytes: int, threads: int, seconds: float) -> float:
    """Bytes a second of the triad over three arrays of together `array_bytes` in each thread."""
    n = max(64, array_bytes // 12)
    repeats = max(1, 4_000_000 // n)
    jobs = []
    for _ in range(threads):
        a, b, c = (np.full(n, value, np.float32) for value in (0, 1, 2))
        jobs.append(lambda a=a, b=b, c=c: triad(a, b, c, repeats))
    jobs[0]()  # compile
    return best_rate(12.0 * n * repeats, jobs, seconds)


def measure_peak(threads: int, seconds: float = 0.3) -> dict[str, Any]:
    """{"flops": {"float32": ..., "float64": ...}, "bandwidth": {"L1": ..., ..., "memory": ...}} per second, all threads
    together."""
    levels = caches()
    shared = max(levels.values(), default=0)  # the last level, which the threads share
    sizes = {name: size // 2 // (threads if size == shared else 1) for name, size in levels.items()}
    sizes["memory"] = max(64 * 2**20, 8 * shared) // threads
    return {
        "threads": threads,
        "flops": {f"float{bits}": peak_flops(bits, threads, seconds) for bits in (32, 64)},
        "bandwidth": {name: bandwidth(size, threads, seconds) for name, size in sizes.items()},
    }
