"""Waiting without sleep: how a thread learns within a microsecond that another one has something for it.

A thread that sleeps is woken by the kernel of the operating system, which takes 5 to 50 us, most of all on a virtual machine whose
idle processor was given back. Most of what a training step hands to its helpers takes 40 to 400 us. So whoever waits looks
at a word of memory in a loop first, for about as long as a sleep and a wake cost together, and only then sleeps: what waiting costs
is at most twice what the better of the two would have (A. R. Karlin, K. Li, M. S. Manasse, S. Owicki: Empirical Studies of
Competitive Spinning for a Shared-Memory Multiprocessor, 1991).

Both functions hold no GIL while they wait.
"""

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import njit

__all__ = ["rest", "until"]

PAUSE = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}.get(platform.machine())


@intrinsic
def read(typing, word):
    """word[0], from memory each time; what was written before it was set can be read after it."""

    def generate(context, builder, signature, arguments):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(word), generate


@intrinsic
def write(typing, word, value):
    """word[0] = value, after everything that was written before."""

    def generate(context, builder, signature, arguments):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0]).data
        builder.store_atomic(arguments[1], data, "release", 8)
        return context.get_dummy_value()

    return types.void(word, types.int64), generate


@intrinsic
def pause(typing):
    """Leave the core's units to its other hardware thread, and memory's bus to the other cores, for a moment."""

    def generate(context, builder, signature, arguments):
        if PAUSE:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, PAUSE), [])
        return context.get_dummy_value()

    return types.void(), generate


@njit
def until(word, value, rounds):
    """Wait until word[0] is value, for so many rounds."""
    for _ in range(rounds):
        if read(word) == value:
            return
        pause()


@njit
def rest(finished, turn, counter, rounds):
    """Say that this turn is finished; wait until somebody has taken the first task of the next one, for so many rounds."""
    write(finished, turn)
    for _ in range(rounds):
        if read(counter) > 0:
            return
        pause()
