"""Moving numbers from one layout to another in vectors: runs, and blocks that change rows for columns.

In Numba an index may be negative, as in Python, and the check for that keeps LLVM from using vectors: a copy written as a
loop runs at one number in two cycles instead of eight in one. Around a convolution's multiplications there are many such copies.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import inner
from .simd import INDEX, VECTORS, Emitter

__all__ = ["copy_run", "copy_vectors", "pack_panel", "transpose_block", "zero_run"]


@intrinsic
def copy_vectors(typing, out, to, source, start):
    """out[to + j] = source[start + j] for j < VECTORS * lanes; flat arrays of one float type."""

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        out, source = emit.at(emit.data(0), arguments[1]), emit.at(emit.data(2), arguments[3])
        for j in range(VECTORS):
            emit.store(emit.load(emit.at(source, j * emit.lanes)), emit.at(out, j * emit.lanes))
        return context.get_dummy_value()

    return types.void(out, types.int64, source, types.int64), generate


@intrinsic
def copy_run(typing, out, to, out_step, source, start, step, count):
    """out[to + j * out_step] = source[start + j * step] for j < count, without Numba's checks for negative indices.

    A run is moved whole, every second number of one by vectors: of two loaded vectors, the even lanes are kept.
    """
    i64 = types.int64
    signature = types.void(out, i64, i64, source, i64, i64, i64)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, to, out_step, _, start, step, count = arguments
        out, source = emit.at(emit.data(0), to), emit.at(emit.data(3), start)
        dense = builder.icmp_signed("==", out_step, INDEX(1))
        with builder.if_else(builder.and_(dense, builder.icmp_signed("==", step, INDEX(1)))) as (whole, single):
            with whole:
                cgutils.raw_memcpy(builder, out, source, count, emit.itemsize)
            with single:
                done = cgutils.alloca_once_value(builder, INDEX(0))
                with builder.if_then(builder.and_(dense, builder.icmp_signed("==", step, INDEX(2)))):
                    # the last number stays for the loop below: the vector would read one past it
                    vectors = builder.sdiv(builder.sub(count, INDEX(1)), INDEX(emit.lanes))
                    with cgutils.for_range(builder, vectors) as loop:
                        at = emit.times(loop.index, emit.lanes)
                        pair = emit.at(source, emit.times(at, 2))
                        even = ir.Constant(ir.VectorType(ir.IntType(32), emit.lanes), list(range(0, 2 * emit.lanes, 2)))
                        loaded = emit.load(pair), emit.load(emit.at(pair, emit.lanes))
                        emit.store(builder.shuffle_vector(*loaded, even), emit.at(out, at))
                    builder.store(emit.times(vectors, emit.lanes), done)
                with cgutils.for_range_slice(builder, builder.load(done), count, INDEX(1)) as (j, _):
                    value = builder.load(emit.at(source, builder.mul(j, step)))
                    builder.store(value, emit.at(out, builder.mul(j, out_step)))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def zero_run(typing, out, to, count):
    """out[to + j] = 0 for j < count"""

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        size = emit.times(arguments[2], emit.itemsize)
        cgutils.memset(builder, emit.at(emit.data(0), arguments[1]), size, 0)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.int64), generate


@intrinsic
def transpose_block(typing, out, to, out_pitch, source, start, pitch):
    """out[to + i * out_pitch + j] = source[start + j * pitch + i] for i, j < lanes.

    Blocks of 2^s numbers change places across the diagonal, for s from large to small: lanes * log2(lanes) shuffles.
    """

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, to, out_pitch, _, start, pitch = arguments
        out, source = emit.at(emit.data(0), to), emit.at(emit.data(3), start)
        rows = [emit.load(emit.at(source, builder.mul(pitch, INDEX(i)))) for i in range(emit.lanes)]
        kind = ir.VectorType(ir.IntType(32), emit.lanes)
        step = emit.lanes // 2
        while step:
            for i in range(emit.lanes):
                if not i & step:
                    upper, lower = rows[i], rows[i + step]
                    lanes = range(emit.lanes)
                    left = [emit.lanes + j - step if j & step else j for j in lanes]
                    right = [emit.lanes + j if j & step else j + step for j in lanes]
                    rows[i] = builder.shuffle_vector(upper, lower, ir.Constant(kind, left))
                    rows[i + step] = builder.shuffle_vector(upper, lower, ir.Constant(kind, right))
            step //= 2
        for i in range(emit.lanes):
            emit.store(rows[i], emit.at(out, builder.mul(out_pitch, INDEX(i))))
        return context.get_dummy_value()

    i64 = types.int64
    return types.void(out, i64, i64, source, i64, i64), generate


@inner
def pack_panel(panels, to, matrix, start, k_step, column_step, steps, valid, lanes):
    """`valid` columns of a matrix, steps long, as a panel: panels[to + k * width + j] = matrix[start + k * k_step + j *
    column_step], 0 for the j from `valid` on."""
    width = VECTORS * lanes
    if column_step == 1 and valid == width:
        for k in range(steps):
            copy_vectors(panels, to + k * width, matrix, start + k * k_step)
    elif column_step == 1:
        for k in range(steps):
            copy_run(panels, to + k * width, 1, matrix, start + k * k_step, 1, valid)
    else:
        whole = steps // lanes * lanes if k_step == 1 else 0
        vectors = valid // lanes * lanes
        for k in range(0, whole, lanes):
            for j in range(0, vectors, lanes):
                transpose_block(panels, to + k * width + j, width, matrix, start + j * column_step + k, column_step)
        for j in range(valid):
            done = whole if j < vectors else 0
            at = start + j * column_step + done * k_step
            copy_run(panels, to + done * width + j, width, matrix, at, k_step, steps - done)
    if valid < width:
        for k in range(steps):
            for j in range(valid, width):
                panels[to + k * width + j] = 0
