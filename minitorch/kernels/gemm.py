"""BLAS called from compiled code: the pieces of a product in several threads, without the interpreter.

A thread that calls np.matmul for a piece needs the interpreter before and after it. So do the others, and they wait for
each other: with two threads, products of less than a millisecond gain nothing. From here, a piece costs a fraction of a
microsecond.

The routines are those that NumPy calls itself, ?gemm and ?gemv of the BLAS it is linked with, through their C interface:

    C = alpha A B + beta C     A (M, K), B (K, N), C (M, N): each by a pointer, and the numbers from one row to the next;
                               a matrix whose columns lie in rows is called transposed
    y = alpha A x + beta y     A (M, N), x (N,), y (M,): vectors by a pointer, and the numbers from one element to the next

(J. Dongarra, J. Du Croz, S. Hammarling, R. Hanson: An Extended Set of Fortran Basic Linear Algebra Subprograms, 1988;
J. Dongarra, J. Du Croz, S. Hammarling, I. Duff: A Set of Level 3 Basic Linear Algebra Subprograms, 1990.)
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import njit, take
from .steps import pointer

__all__ = ["multiply_pieces", "multiply_vector"]

ROW_MAJOR, AS_IS, TRANSPOSED = 101, 111, 112  # of cblas.h
INT32, INT64 = ir.IntType(32), ir.IntType(64)


def call(builder, address, wide, arguments):
    """Generate the call of a BLAS routine at an address: the numbers of 64 bits among its arguments have as many if `wide`, else 32."""
    with builder.if_else(wide) as (then, otherwise):
        for branch, integer in ((then, INT64), (otherwise, INT32)):
            with branch:
                values = [builder.trunc(v, integer) if v.type == INT64 != integer else v for v in arguments]
                function = ir.FunctionType(ir.VoidType(), [v.type for v in values])
                builder.call(builder.inttoptr(address, function.as_pointer()), values)


def constants(number):
    """The layout, 1 and 0, in the types of the C interface."""
    return ir.Constant(INT32, ROW_MAJOR), ir.Constant(number, 1.0), ir.Constant(number, 0.0)


def flag(builder, transposed):
    return builder.select(transposed, ir.Constant(INT32, TRANSPOSED), ir.Constant(INT32, AS_IS))


def begin(builder, number, places, starts):
    """Pointers to the numbers before which so many others lie."""
    places = (builder.bitcast(place, number.as_pointer()) for place in places)
    return [builder.gep(place, [start]) for place, start in zip(places, starts, strict=True)]


@intrinsic
def gemm(typing, like, routine, wide, transposed, steps, sizes, places, starts):
    """Call the ?gemm at the address `routine`, whose whole numbers have 64 bits if `wide`, else 32, for the type of `like`.

    transposed: of A and B; steps: from row to row of A, B, C; sizes: M, N, K; places, starts: the memory of A, B, C, and
    how many numbers in it lie before theirs.
    """

    def generate(context, builder, signature, arguments):
        number = context.get_data_type(like.dtype)
        address, wide = arguments[1:3]
        transposed, steps, sizes, places, starts = (cgutils.unpack_tuple(builder, a) for a in arguments[3:])
        layout, one, zero = constants(number)
        (a, b, c), (step_a, step_b, step_c) = begin(builder, number, places, starts), steps
        flags = [flag(builder, t) for t in transposed]
        call(builder, address, wide, [layout, *flags, *sizes, one, a, step_a, b, step_b, zero, c, step_c])
        return context.get_dummy_value()

    return types.void(like, routine, wide, transposed, steps, sizes, places, starts), generate


@intrinsic
def gemv(typing, like, routine, wide, transposed, steps, sizes, places, starts):
    """The same for ?gemv: transposed: whether A is; steps: from row to row of A, between the elements of x and of y; sizes: of A as
    it lies in memory; places, starts: of A, x, y."""

    def generate(context, builder, signature, arguments):
        number = context.get_data_type(like.dtype)
        address, wide, transposed = arguments[1:4]
        steps, sizes, places, starts = (cgutils.unpack_tuple(builder, a) for a in arguments[4:])
        layout, one, zero = constants(number)
        (a, x, y), (step_a, step_x, step_y) = begin(builder, number, places, starts), steps
        call(
            builder, address, wide,
            [layout, flag(builder, transposed), *sizes, one, a, step_a, x, step_x, zero, y, step_y],
        )  # fmt: skip
        return context.get_dummy_value()

    return types.void(like, routine, wide, transposed, steps, sizes, places, starts), generate


@njit
def multiply_pieces(counter, like, a_id, b_id, c_id, form, pieces):
    """One thread. C = A B, piece by piece; the ids of the arrays; pieces: rows (where A, B, C begin, rows, columns).

    form: (the address of ?gemm, wide, A and B transposed, the steps of A, B, C, K), all whole numbers, since a call with one array
    takes a tenth of the time of one with many tuples. The caller keeps the arrays alive, and BLAS to one thread.
    """
    places = pointer(a_id), pointer(b_id), pointer(c_id)
    transposed, steps, inner = (form[2] != 0, form[3] != 0), (form[4], form[5], form[6]), form[7]
    task = take(counter, len(pieces))
    while task < len(pieces):
        a, b, c, rows, columns = pieces[task]
        gemm(like, form[0], form[1] != 0, transposed, steps, (rows, columns, inner), places, (a, b, c))
        task = take(counter, len(pieces))


@njit
def multiply_vector(counter, like, a_id, x_id, y_id, form, pieces):
    """One thread. y = A x, piece by piece, in the same way; pieces: rows (where those of A and y begin, elements of y).

    form: (the address of ?gemv, wide, whether A is transposed, its step, that of x, how many elements x has).
    """
    places = pointer(a_id), pointer(x_id), pointer(y_id)
    transposed, steps, inner = form[2] != 0, (form[3], form[4], 1), form[5]
    task = take(counter, len(pieces))
    while task < len(pieces):
        a, y, count = pieces[task]
        sizes = (inner, count) if transposed else (count, inner)
        gemv(like, form[0], form[1] != 0, transposed, steps, sizes, places, (a, 0, y))
        task = take(counter, len(pieces))
