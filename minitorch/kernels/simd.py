"""Register tiles: the innermost loops of matmul and convolution, written for the CPU's vector registers.

A core can start two fused multiply-adds a cycle, on vectors of 8 floats (AVX2), but can load only two or three
vectors in that time. `c += a * b` element by element needs two loads for each multiply-add, so it waits for
memory. The way out is to reuse what was loaded. Hold a small tile of the result in registers,

                     b0  b1           (2 vectors = 16 columns)
                a0  c00 c01
                a1  c10 c11           one step along the summed index k loads 6 + 2 values
                ..  ..  ..            and does 6 * 2 vector multiply-adds
                a5  c50 c51

and the loads no longer limit: 12 multiply-adds take 6 cycles, their 8 loads 4. With 16 registers, 12 hold the tile,
2 the columns, 1 the broadcast row value. (K. Goto, R. van de Geijn: Anatomy of High-Performance Matrix
Multiplication, 2008.)

Numba compiles scalar Python; whether LLVM then finds these vectors by itself is luck. So the tiles are
emitted here as LLVM instructions on vector types, through `numba.extending.intrinsic`: a Python function that
builds the instructions when the caller is compiled. The Python loops below run at that time and leave straight code.

    outer_tile     C[r, :] += A[k, r] * B[k, :]                       matmul
    gather_tile    the same, where row k of B starts at an offset     convolution, pixels in the lanes
                   looked up in a table
    pixel_tile     the same, where A[k, r] lies at an offset          convolution, channels in the lanes
                   looked up in two tables
    dot_tile       C[r, s] += sum over v of A[v, r, :] . B[s, v, :]   weight gradients
    row_tile, dot_taps      one row of each                           depthwise convolution
"""

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "INDEX",
    "Emitter",
    "LANES",
    "ROWS",
    "VECTORS",
    "DOT_ROWS",
    "DOT_COLUMNS",
    "outer_tile",
    "gather_tile",
    "pixel_tile",
    "dot_tile",
    "row_tile",
    "dot_taps",
    "ROW_VECTORS",
    "DOT_TAPS",
]


def vector_bits_and_registers() -> tuple[int, int]:
    """Width and number of this CPU's vector registers, among the widths these tiles make use of."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 512, 32
    if features.get("avx2") and features.get("fma"):
        return 256, 16
    return 128, 32 if features.get("neon") else 16


BITS, REGISTERS = vector_bits_and_registers()
# (rows, vectors) of the outer product and (rows, columns) of the dot tile, by the number of registers.
ROWS, VECTORS = {16: (6, 2), 32: (8, 3)}[REGISTERS]
DOT_ROWS, DOT_COLUMNS = {16: (4, 3), 32: (6, 4)}[REGISTERS]
ROW_VECTORS, DOT_TAPS = 4, 9  # enough sums side by side to hide the latency of one; nine: a 3 x 3 filter
# Without a fused multiply-add instruction, llvm.fma would become a call to the C library for every element.
FUSED = BITS > 128 or REGISTERS == 32
LANES = {types.float32: BITS // 32, types.float64: BITS // 64}

INDEX = ir.IntType(64)


class Emitter:
    """Emits vector instructions for one tile: `bits // itemsize` lanes of one float type."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder = context, builder
        self.types, self.arguments = signature.args, arguments
        dtype = signature.args[0].dtype
        self.itemsize = dtype.bitwidth // 8
        self.lanes = LANES[dtype]
        self.vector = ir.VectorType(context.get_data_type(dtype), self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        self.suffix = f"v{self.lanes}f{dtype.bitwidth}"

    def data(self, i):
        """The address of the first element of array argument i."""
        return cgutils.create_struct_proxy(self.types[i])(self.context, self.builder, value=self.arguments[i]).data

    def at(self, pointer, *steps):
        """pointer + the sum of steps, counted in elements."""
        for step in steps:
            pointer = self.builder.gep(pointer, [INDEX(step) if isinstance(step, int) else step])
        return pointer

    def times(self, a, b):
        return self.builder.mul(a, INDEX(b))

    def load(self, pointer):
        """A vector from any address: rows of images are not aligned."""
        value = self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()))
        value.align = self.itemsize
        return value

    def store(self, value, pointer):
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer())).align = self.itemsize

    def broadcast(self, pointer):
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, self.builder.load(pointer), ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(
            first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        )

    def multiply_add(self, a, b, c):
        if not FUSED:
            return self.builder.fadd(self.builder.fmul(a, b), c)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.{self.suffix}"), [a, b, c]
        )

    def horizontal_sum(self, value):
        """The sum of a vector's lanes as a balanced tree (reassoc allows any order; LLVM takes halves)."""
        scalar = self.vector.element
        kind = ir.FunctionType(scalar, [scalar, self.vector])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.vector.reduce.fadd.{self.suffix}")
        return self.builder.call(function, [ir.Constant(scalar, -0.0), value], fastmath=("reassoc",))

    def accumulators(self, rows, columns):
        """Stack slots for a tile; LLVM keeps them in registers, since their addresses go nowhere."""
        return [[cgutils.alloca_once_value(self.builder, self.zero) for _ in range(columns)] for _ in range(rows)]

    def for_valid(self, count, valid):
        """Iterate over range(count) and emit each turn under the condition `turn < valid`."""
        for i in range(count):
            with self.builder.if_then(self.builder.icmp_signed("<", INDEX(i), valid)):
                yield i

    def clamp(self, index, last):
        return self.builder.select(self.builder.icmp_signed("<", index, last), index, last)


def multiply_tile(emit, left, k_step, k_count, row_of, outputs, valid_rows, accumulate):
    """The body that outer_tile and gather_tile share.

    `left[r]` is the address of row r's first broadcast value, `k_step` the distance to the next; `row_of(k)` gives the
    addresses of the VECTORS right vectors; `outputs[r]` those of the tile's row r. Rows from valid_rows on are not stored.
    """
    tile = emit.accumulators(ROWS, VECTORS)
    with cgutils.for_range(emit.builder, k_count) as loop:
        right = [emit.load(pointer) for pointer in row_of(loop.index)]
        step = emit.builder.mul(loop.index, k_step)
        for r in range(ROWS):
            value = emit.broadcast(emit.at(left[r], step))
            for j in range(VECTORS):
                total = emit.builder.load(tile[r][j])
                emit.builder.store(emit.multiply_add(value, right[j], total), tile[r][j])
    with emit.builder.if_then(accumulate):
        for r in emit.for_valid(ROWS, valid_rows):
            for j in range(VECTORS):
                total = emit.builder.fadd(emit.load(outputs[r][j]), emit.builder.load(tile[r][j]))
                emit.builder.store(total, tile[r][j])
    for r in emit.for_valid(ROWS, valid_rows):
        for j in range(VECTORS):
            emit.store(emit.builder.load(tile[r][j]), outputs[r][j])


@intrinsic
def pixel_tile(
    typing, out, out_start, source, positions, first, taps, first_tap, k_count, panel, panel_start, accumulate
):  # fmt: skip
    """out[out_start + r * width + j] (+)= sum over k of source[positions[first + r] + taps[first_tap + k]] * panel[panel_start + k * width + j]

    for r < ROWS and j < width = VECTORS * lanes; flat arrays of one float type, positions and taps int64.
    """
    i64 = types.int64
    signature = types.void(out, i64, source, positions, i64, taps, i64, i64, panel, i64, types.boolean)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        out_start, first, first_tap, k_count, panel_start, accumulate = (arguments[i] for i in (1, 4, 6, 7, 9, 10))
        source, taps, panel = emit.data(2), emit.at(emit.data(5), first_tap), emit.at(emit.data(8), panel_start)
        positions = emit.at(emit.data(3), first)
        pixels = [emit.at(source, builder.load(emit.at(positions, r))) for r in range(ROWS)]
        width = VECTORS * emit.lanes
        outputs = [
            [emit.at(emit.data(0), out_start, r * width + j * emit.lanes) for j in range(VECTORS)] for r in range(ROWS)
        ]
        tile = emit.accumulators(ROWS, VECTORS)
        with cgutils.for_range(builder, k_count) as loop:
            weights = emit.at(panel, emit.times(loop.index, width))
            right = [emit.load(emit.at(weights, j * emit.lanes)) for j in range(VECTORS)]
            tap = builder.load(emit.at(taps, loop.index))
            for r in range(ROWS):
                value = emit.broadcast(emit.at(pixels[r], tap))
                for j in range(VECTORS):
                    builder.store(emit.multiply_add(value, right[j], builder.load(tile[r][j])), tile[r][j])
        with builder.if_then(accumulate):
            for r in range(ROWS):
                for j in range(VECTORS):
                    total = builder.fadd(emit.load(outputs[r][j]), builder.load(tile[r][j]))
                    builder.store(total, tile[r][j])
        for r in range(ROWS):
            for j in range(VECTORS):
                emit.store(builder.load(tile[r][j]), outputs[r][j])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def outer_tile(
    typing,
    out,
    out_start,
    out_pitch,
    left,
    left_start,
    row_step,
    k_step,
    right,
    right_start,
    right_pitch,
    k_count,
    valid_rows,
    accumulate,
):
    """out[out_start + r * out_pitch + j] (+)= sum over k of left[left_start + r * row_step + k * k_step] * right[right_start + k * right_pitch + j]

    for r < valid_rows and j < VECTORS * lanes; flat arrays of one float type.
    """
    i64 = types.int64
    signature = types.void(out, i64, i64, left, i64, i64, i64, right, i64, i64, i64, i64, types.boolean)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        _, out_start, out_pitch, _, left_start, row_step, k_step, _, right_start, right_pitch, *rest = arguments
        k_count, valid_rows, accumulate = rest
        right, left = emit.at(emit.data(7), right_start), emit.at(emit.data(3), left_start)
        last = builder.sub(valid_rows, INDEX(1))  # rows past it repeat it, so that nothing past the end is read
        lefts = [emit.at(left, builder.mul(row_step, emit.clamp(INDEX(r), last))) for r in range(ROWS)]
        rows = [emit.at(emit.data(0), out_start, emit.times(out_pitch, r)) for r in range(ROWS)]
        outputs = [[emit.at(row, j * emit.lanes) for j in range(VECTORS)] for row in rows]

        def row_of(k):
            start = emit.at(right, builder.mul(k, right_pitch))
            return [emit.at(start, j * emit.lanes) for j in range(VECTORS)]

        multiply_tile(emit, lefts, k_step, k_count, row_of, outputs, valid_rows, accumulate)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def gather_tile(
    typing,
    out,
    out_start,
    out_pitch,
    places,
    left,
    left_start,
    right,
    right_start,
    positions,
    first,
    last,
    taps,
    k_count,
    valid_rows,
    accumulate,
):
    """out[out_start + r * out_pitch + places[v]] (+)= sum over k of left[left_start + k * ROWS + r] * right[right_start + positions[v] + taps[k]]

    for r < valid_rows, the vectors v = first .. first + VECTORS - 1 (those after `last` repeat it), and each
    vector's lanes after it. `positions`, `places` and `taps` are int64.
    """
    i64 = types.int64
    signature = types.void(
        out, i64, i64, places, left, i64, right, i64, positions, i64, i64, taps, i64, i64, types.boolean
    )

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        out_start, out_pitch, left_start, right_start = (arguments[i] for i in (1, 2, 5, 7))
        first, last, k_count, valid_rows, accumulate = (arguments[i] for i in (9, 10, 12, 13, 14))
        vectors = [emit.clamp(builder.add(first, INDEX(j)), last) for j in range(VECTORS)]
        rows = [emit.at(emit.data(0), out_start, emit.times(out_pitch, r)) for r in range(ROWS)]
        outputs = [[emit.at(row, builder.load(emit.at(emit.data(3), v))) for v in vectors] for row in rows]
        right = emit.at(emit.data(6), right_start)
        starts = [emit.at(right, builder.load(emit.at(emit.data(8), v))) for v in vectors]
        taps = emit.data(11)

        def row_of(k):
            tap = builder.load(emit.at(taps, k))
            return [emit.at(start, tap) for start in starts]

        left = emit.at(emit.data(4), left_start)
        lefts = [emit.at(left, r) for r in range(ROWS)]
        multiply_tile(emit, lefts, INDEX(ROWS), k_count, row_of, outputs, valid_rows, accumulate)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def dot_tile(
    typing,
    out,
    out_start,
    out_pitch,
    left,
    left_start,
    left_pitch,
    places,
    right,
    right_start,
    positions,
    count,
    taps,
    first_tap,
    valid_rows,
    valid_columns,
):
    """out[out_start + r * out_pitch + s] += sum over v < count and lanes l of

        left[left_start + r * left_pitch + places[v] + l] * right[right_start + positions[v] + taps[first_tap + s] + l]

    for r < valid_rows and s < valid_columns; rows and columns after the last valid one repeat it.
    """
    i64 = types.int64
    signature = types.void(out, i64, i64, left, i64, i64, places, right, i64, positions, i64, taps, i64, i64, i64)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        out_start, out_pitch, left_start, left_pitch, right_start = (arguments[i] for i in (1, 2, 4, 5, 8))
        count, first_tap, valid_rows, valid_columns = (arguments[i] for i in (10, 12, 13, 14))
        places, positions = emit.data(6), emit.data(9)
        last_row, last_column = (builder.sub(valid, INDEX(1)) for valid in (valid_rows, valid_columns))
        rows = [
            emit.at(emit.data(3), left_start, builder.mul(left_pitch, emit.clamp(INDEX(r), last_row)))
            for r in range(DOT_ROWS)
        ]
        columns = [
            emit.at(
                emit.data(7),
                right_start,
                builder.load(emit.at(emit.data(11), first_tap, emit.clamp(INDEX(s), last_column))),
            )
            for s in range(DOT_COLUMNS)
        ]
        tile = emit.accumulators(DOT_ROWS, DOT_COLUMNS)
        with cgutils.for_range(builder, count) as loop:
            place = builder.load(emit.at(places, loop.index))
            position = builder.load(emit.at(positions, loop.index))
            b = [emit.load(emit.at(column, position)) for column in columns]
            for r in range(DOT_ROWS):
                a = emit.load(emit.at(rows[r], place))
                for s in range(DOT_COLUMNS):
                    total = builder.load(tile[r][s])
                    builder.store(emit.multiply_add(a, b[s], total), tile[r][s])
        # All sums first, so that the processor can run their chains side by side.
        sums = [[emit.horizontal_sum(builder.load(slot)) for slot in row] for row in tile]
        for r in emit.for_valid(DOT_ROWS, valid_rows):
            row = emit.at(emit.data(0), out_start, builder.mul(out_pitch, INDEX(r)))
            for s in emit.for_valid(DOT_COLUMNS, valid_columns):
                place = emit.at(row, s)
                builder.store(builder.fadd(builder.load(place), sums[r][s]), place)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def row_tile(typing, out, to, source, start, taps, weight, first, count):
    """out[to + j] = sum over t < count of weight[first + t] * source[start + taps[first + t] + j] for j < ROW_VECTORS * lanes"""
    i64 = types.int64
    signature = types.void(out, i64, source, i64, taps, weight, i64, i64)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        to, start, first, count = (arguments[i] for i in (1, 3, 6, 7))
        source, out = emit.at(emit.data(2), start), emit.at(emit.data(0), to)
        taps, weight = emit.at(emit.data(4), first), emit.at(emit.data(5), first)
        (sums,) = emit.accumulators(1, ROW_VECTORS)
        with cgutils.for_range(builder, count) as loop:
            value = emit.broadcast(emit.at(weight, loop.index))
            seen = emit.at(source, builder.load(emit.at(taps, loop.index)))
            for j in range(ROW_VECTORS):
                pixels = emit.load(emit.at(seen, j * emit.lanes))
                builder.store(emit.multiply_add(value, pixels, builder.load(sums[j])), sums[j])
        for j in range(ROW_VECTORS):
            emit.store(builder.load(sums[j]), emit.at(out, j * emit.lanes))
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def dot_taps(typing, out, to, left, right, taps, first, valid, count):
    """out[to + s] += sum over v < count and lanes l of left[v * lanes + l] * right[taps[first + s] + v * lanes + l]

    for s < valid <= DOT_TAPS; taps after the last valid one repeat it.
    """
    i64 = types.int64
    signature = types.void(out, i64, left, right, taps, i64, i64, i64)

    def generate(context, builder, signature, arguments):
        emit = Emitter(context, builder, signature, arguments)
        to, first, valid, count = (arguments[i] for i in (1, 5, 6, 7))
        taps, last = emit.at(emit.data(4), first), builder.sub(valid, INDEX(1))
        right = [
            emit.at(emit.data(3), builder.load(emit.at(taps, emit.clamp(INDEX(s), last)))) for s in range(DOT_TAPS)
        ]
        (sums,) = emit.accumulators(1, DOT_TAPS)
        with cgutils.for_range(builder, count) as loop:
            step = emit.times(loop.index, emit.lanes)
            value = emit.load(emit.at(emit.data(2), step))
            for s in range(DOT_TAPS):
                total = emit.multiply_add(value, emit.load(emit.at(right[s], step)), builder.load(sums[s]))
                builder.store(total, sums[s])
        totals = [emit.horizontal_sum(builder.load(slot)) for slot in sums]
        for s in emit.for_valid(DOT_TAPS, valid):
            place = emit.at(emit.data(0), to, s)
            builder.store(builder.fadd(builder.load(place), totals[s]), place)
        return context.get_dummy_value()

    return signature, generate
