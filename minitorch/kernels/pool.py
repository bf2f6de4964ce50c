"""max_pool2d with the positions of its maxima, and its gradient, which goes back to them.

    values[n, c, i, j] = max over the window of input[n, c, i * stride - padding + k * dilation, ..]
    indices[n, c, i, j] = its flat position h * W + w in the plane

The first maximum wins a tie. A NaN is larger than everything (and the last of several NaNs is the one reported,
as torch does). Comparing pixel by pixel, a processor mostly waits for branches that it guessed wrong. Here a window's taps
are the outer loops, and each updates a vector of neighbouring outputs at once without a branch: value and tap are
replaced where the input is larger.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import threads
from .jit import following, njit, plain, take_many
from .registry import accelerates
from .simd import BITS, Emitter

__all__ = ["max_pool2d_with_indices", "scatter_planes"]

TOGETHER = 4096  # numbers of the result that a task has at least


def max_tap(step):
    """The vector update for outputs that are `step` inputs apart (1 or 2)."""

    @intrinsic
    def update(typing, input, at, values, taps, to, tap, valid):
        """values[to + j] = max(values[to + j], input[at + step * j]), and taps[to + j] = tap where it changed, for
        j < min(valid, lanes). Reads step * lanes inputs. taps: integers as wide as the floats.
        """
        i64 = types.int64

        def generate(context, builder, signature, arguments):
            emit = Emitter(context, builder, signature, arguments)
            integer = ir.IntType(8 * emit.itemsize)
            integers = ir.VectorType(integer, emit.lanes)

            def spread(number):
                one = builder.insert_element(
                    ir.Constant(integers, ir.Undefined), builder.trunc(number, integer), ir.IntType(32)(0)
                )
                lanes = ir.Constant(ir.VectorType(ir.IntType(32), emit.lanes), [0] * emit.lanes)
                return builder.shuffle_vector(one, ir.Constant(integers, ir.Undefined), lanes)

            _, at, _, _, to, tap, valid = arguments
            source = emit.at(emit.data(0), at)
            value_place = emit.at(emit.data(2), to)
            tap_place = builder.bitcast(emit.at(emit.data(3), to), integers.as_pointer())
            x = emit.load(source)
            if step == 2:
                even = ir.Constant(ir.VectorType(ir.IntType(32), emit.lanes), list(range(0, 2 * emit.lanes, 2)))
                x = builder.shuffle_vector(x, emit.load(emit.at(source, emit.lanes)), even)
            value = emit.load(value_place)
            old_tap = builder.load(tap_place)
            old_tap.align = emit.itemsize
            wins = builder.or_(builder.fcmp_ordered(">", x, value), builder.fcmp_unordered("uno", x, x))
            lane = ir.Constant(integers, list(range(emit.lanes)))
            wins = builder.and_(wins, builder.icmp_signed("<", lane, spread(valid)))
            emit.store(builder.select(wins, x, value), value_place)
            builder.store(builder.select(wins, spread(tap), old_tap), tap_place).align = emit.itemsize
            return context.get_dummy_value()

        return types.void(input, i64, values, taps, i64, i64, i64), generate

    return update


tap_1, tap_2 = max_tap(1), max_tap(2)


@njit
def pool_planes(
    counter, input, values, indices, best, best_tap, size, out_size, kernel, stride, padding, dilation, lanes
):
    """One thread. input: flat planes of `size`; values and indices: flat planes of `out_size`.

    best, best_tap: room for one row of the output, of the types that the vectors have.
    """
    best, best_tap = best.copy(), best_tap.copy()  # every thread needs its own
    height, width = size
    out_height, out_width = out_size
    planes = len(input) // (height * width)
    together = max(1, TOGETHER // (out_height * out_width))
    # For each tap of a row: its first column, and which outputs begin <= j < end see it inside the input.
    columns = dilation[1] * np.arange(kernel[1]) - padding[1]
    begin = np.maximum(0, -(columns // stride[1]))
    end = np.minimum(out_width, (width - 1 - columns) // stride[1] + 1)
    plane = take_many(counter, planes, together)
    while plane < planes:
        for i in range(out_height):
            top = i * stride[0] - padding[0]
            best[:] = -np.inf
            best_tap[:] = -(top // dilation[0]) * dilation[0] * width if top < 0 else 0  # first inside: if all is -inf
            for j in range(min(out_width, (padding[1] + stride[1] - 1) // stride[1])):
                best_tap[j] += -((j * stride[1] - padding[1]) // dilation[1]) * dilation[1]
            for kh in range(kernel[0]):
                row = top + kh * dilation[0]
                if row < 0 or row >= height:
                    continue
                for kw in range(kernel[1]):
                    tap = kh * dilation[0] * width + kw * dilation[1]
                    line = (plane * height + row) * width + columns[kw]
                    j, stop = begin[kw], end[kw]
                    if stride[1] == 1:
                        while j < stop and line + j + lanes <= len(input):
                            tap_1(input, line + j, best, best_tap, j, tap, stop - j)
                            j += lanes
                    elif stride[1] == 2:
                        while j < stop and line + 2 * j + 2 * lanes <= len(input):
                            tap_2(input, line + 2 * j, best, best_tap, j, tap, stop - j)
                            j += lanes
                    while j < stop:  # other strides, and the end of the memory
                        x = input[line + j * stride[1]]
                        if x > best[j] or x != x:
                            best[j], best_tap[j] = x, tap
                        j += 1
            to = (plane * out_height + i) * out_width
            corner = top * width - padding[1]
            for j in range(out_width):
                values[to + j] = best[j]
                indices[to + j] = corner + j * stride[1] + best_tap[j]
        plane = following(counter, plane, planes, together)


def windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit along an axis; with ceil_mode one may hang over the end, if it starts inside the input."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


@accelerates("max_pool2d_with_indices")
def max_pool2d_with_indices(input, *, kernel_size, stride, padding, dilation, ceil_mode):
    """input (.., H, W) -> values and int64 indices (.., oH, oW)."""
    *batch, height, width = input.shape
    out_size = tuple(
        windows(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip((height, width), kernel_size, stride, padding, dilation, strict=True)
    )
    values = np.empty((*batch, *out_size), input.dtype)
    indices = np.empty(values.shape, np.int64)
    if values.size:
        lanes = BITS // (8 * input.itemsize)
        best = np.empty(out_size[1] + lanes, input.dtype)
        best_tap = np.zeros(best.size, f"i{input.itemsize}")
        threads.run(
            pool_planes, threads.threads_for(50 * values.size * kernel_size[0] * kernel_size[1]), plain(input).reshape(-1),
            values.reshape(-1), indices.reshape(-1), best, best_tap, (height, width), out_size, tuple(kernel_size),
            tuple(stride), tuple(padding), tuple(dilation), lanes,
        )  # fmt: skip
    return values, indices


@njit
def add_planes(counter, input, indices, out):
    """One thread. out[plane, indices[plane, j]] += input[plane, j], from zero; IndexError for an index outside of it."""
    planes, count = input.shape
    size = out.shape[1]
    good = True
    together = max(1, TOGETHER // size)
    plane = take_many(counter, planes, together)
    while plane < planes:
        source, index, target = input[plane], indices[plane], out[plane]
        target[:] = 0
        for j in range(count):
            at = index[j]
            if 0 <= at < size:
                target[at] += source[j]
            else:
                good = False
        plane = following(counter, plane, planes, together)
    if not good:
        raise IndexError("scatter_planes: an index lies outside of its plane")


@accelerates("scatter_planes")
def scatter_planes(input, indices, *, size, n):
    """x of shape `size`: x[.., i] = the sum of input[.., j] over all j whose indices[.., j] is i, the last n dimensions
    counted as one."""
    out = np.empty(size, input.dtype) if input.size else np.zeros(size, input.dtype)
    if input.size:
        planes = math.prod(size[:-n])
        arrays = [plain(a).reshape(planes, -1) for a in (input, indices, out)]
        threads.run(add_planes, threads.threads_for(50 * input.size), *arrays)
    return out
