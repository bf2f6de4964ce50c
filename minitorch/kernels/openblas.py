"""The BLAS behind NumPy, if it is OpenBLAS: where its routines are, and how many threads it uses.

A wheel of NumPy brings its own build of OpenBLAS (https://github.com/OpenMathLib/OpenBLAS), whose names have a prefix and, for
whole numbers of 64 bits, a suffix. They can be looked up in the library that NumPy has loaded.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from . import threads

__all__ = ["BLAS", "one_thread", "warm_all"]


class Number:
    """What two functions of a C library get and set, used as those numbers are that are variables of it: by `.value`."""

    def __init__(self, get: Callable[[], int], set_: Callable[[int], None]) -> None:
        self.get, self.set = get, set_

    @property
    def value(self) -> int:
        return self.get()

    @value.setter
    def value(self, number: int) -> None:
        self.set(number)


class Routines(NamedTuple):
    """Of the OpenBLAS behind NumPy: number and set, its number of threads and what sets it; gemm and gemv, the addresses of
    their two by NumPy's letter of the type; wide, whether they take whole numbers of 64 bits."""

    number: Any
    set: Callable[[int], None]
    gemm: dict[str, int]
    gemv: dict[str, int]
    wide: bool


def routines() -> Routines:
    """Any other BLAS is left alone, as if it had one thread.

    threadpoolctl would find the threads too, but takes ten times as long for each call.
    """
    spec = importlib.util.find_spec("numpy._core._multiarray_umath")
    if spec is not None and spec.origin is not None:
        library = ctypes.CDLL(spec.origin)  # looks names up in the libraries it is linked with
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                names = [f"{prefix}openblas_{what}_num_threads{suffix}" for what in ("get", "set")]
                if all(hasattr(library, name) for name in names):
                    get, set_ = (getattr(library, name) for name in names)
                    set_.restype = None
                    gemm, gemv = (
                        {
                            char: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
                            for char, name in (
                                ("f", f"{prefix}cblas_s{what}{suffix}"),
                                ("d", f"{prefix}cblas_d{what}{suffix}"),
                            )
                            if hasattr(library, name)
                        }
                        for what in ("gemm", "gemv")
                    )
                    number: Any = Number(get, set_)
                    try:  # the variable that `get` returns. Setting it to what it was before, or less, needs no more
                        number = ctypes.c_int.in_dll(library, "blas_cpu_number")
                    except ValueError:
                        pass
                    return Routines(number, set_, gemm, gemv, bool(suffix))
    return Routines(ctypes.c_int(1), lambda number: None, {}, {}, False)


BLAS = routines()


class OneThread:
    """While a `with` block of any thread runs, BLAS has one thread; after the last one as many as before."""

    def __init__(self) -> None:
        self.lock, self.users, self.before = Lock(), 0, 1
        self.number = BLAS.number

    def call(self, function: Callable, *arguments):
        """function(*arguments) in such a block, without the block if BLAS has one thread anyway."""
        if self.number.value == 1 and self.users == 0:
            return function(*arguments)
        with self:
            return function(*arguments)

    def __enter__(self) -> None:
        with self.lock:
            if self.users == 0:
                self.before = self.number.value
                if self.before > 1:
                    self.number.value = 1
            self.users += 1

    def __exit__(self, *exception) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.before > 1:
                self.number.value = self.before


one_thread = OneThread()


def warm(item: int = 0) -> None:
    """Touch OpenBLAS's work buffer once (1 ms): each of its concurrent calls has one.

    Until the first product of a certain size has written to all of it, float32 products of some 30 to 350 rows run two or three
    times slower on AVX2 machines (measured with OpenBLAS 0.3.31): what is fetched ahead lies in pages that do not exist yet.
    """
    np.dot(np.zeros((384, 64), np.float32), np.zeros((64, 384), np.float32))


@functools.cache
def warm_all(number: int) -> None:
    threads.each(warm, range(number), number)


warm()
