"""The one door to Numba: every kernel module takes `njit` from here.

Importing this module imports Numba (0.4 s), so nothing outside the kernels does; the registry loads a kernel
module when the first call is worth it.

Compiled machine code is kept on disk. Numba notices when the file of a function changes, but not when
*another* file does whose functions were inlined into it. Therefore the folder's name carries a hash of every
source file of this package: change one line in one of them and all kernels are compiled anew.
"""

import hashlib
import os
import tempfile
import warnings
from pathlib import Path

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .threads import FRONT

__all__ = ["cache_folder", "following", "inner", "njit", "plain", "take", "take_many"]


def source_hash() -> str:
    """A short hash of all source files of the kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def writable_folder() -> Path:
    """A folder under NUMBA_CACHE_DIR or ~/.cache/minitorch/numba; a temporary one where that cannot be written."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(given or "~/.cache/minitorch/numba")
    try:
        folder = base.expanduser() / f"minitorch-{source_hash()}"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder at all
        folder = Path(tempfile.mkdtemp(prefix="minitorch-numba-"))
        warnings.warn(
            f"the kernel cache {base} cannot be written: kernels are compiled into {folder} and will be compiled "
            "again by the next program; set NUMBA_CACHE_DIR to a folder that can be written",
            stacklevel=2,
        )
    return folder


cache_folder = writable_folder()


def njit(function=None, **options):
    """`numba.njit` that caches on disk and releases the GIL.

    Numba decides where a function is cached when it is decorated, by a global setting: it is ours only for
    that moment, so that the user's own Numba functions stay where they are.
    """
    if function is None:
        return lambda function: njit(function, **options)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder)
    try:
        return numba.njit(cache=True, nogil=True, **options)(function)
    finally:
        numba.config.CACHE_DIR = before


def inner(function=None, **options):
    """`njit` for what only kernels call: without the code that would let Python call it."""
    return njit(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)


@intrinsic
def add_one(typing, counter, place):
    """An atomic `counter[place]++`: what it was before."""

    def generate(context, builder, signature, arguments):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0]).data
        return builder.atomic_rmw("add", builder.gep(data, arguments[1:]), ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter, types.int64), generate


@inner
def take(counter, tasks):
    """The next of so many tasks, for the thread that has this counter; `tasks` or more when none is left.

    A counter of one word is a thread's that works alone. Of those that share one, a thread that has FRONT words of it goes up from the
    first task, one that has BACK words down from the last, until they meet. So each has one half of the rows, which lie side by side,
    and in one operation after the other the same half, which is in the cache of its core by then.
    """
    ticket = add_one(counter, 0)
    if ticket >= tasks or len(counter) == 1:
        return ticket
    return add_one(counter, 1) if len(counter) == FRONT else tasks - 1 - add_one(counter, 2)


@inner
def take_many(counter, count, many):
    """The first of the next `many` of `count` rows, which are one task; `count` or more when none is left."""
    return take(counter, -(-count // many)) * many


@inner
def following(counter, row, count, many):
    """The row after this one of those that were taken together, or the first of the next so many.

    Results that lie side by side then come from one thread; two would wait for each other's cache lines.
    """
    row += 1
    return row if row % many and row < count else take_many(counter, count, many)


def plain(array):
    """The array itself if it is C-contiguous, aligned and writable, else a copy that is: kernels are compiled for these."""
    return array if array.flags.carray else array.copy(order="C")
