"""BLAS called from compiled code: the pieces of a product in several threads, without the interpreter.

A thread that calls np.matmul for a piece needs the interpreter before and after it. So do the others, and they wait for
each other: with two threads, products of less than a millisecond gain nothing. From here, a piece costs a fraction of a
microsecond.

The routine is the one that NumPy calls itself, ?gemm of the BLAS it is linked with, through its C interface:

    C = alpha A B + beta C     A (M, K), B (K, N), C (M, N): each by a pointer, and the numbers from one row to the next;
                               a matrix whose columns lie in rows is called transposed

(J. Dongarra, J. Du Croz, S. Hammarling, I. Duff: A Set of Level 3 Basic Linear Algebra Subprograms, 1990.)
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import njit, take
from .steps import pointer

__all__ = ["multiply_pieces"]

ROW_MAJOR, AS_IS, TRANSPOSED = 101, 111, 112  # of cblas.h
INT32 = ir.IntType(32)


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
        order = [ir.Constant(INT32, ROW_MAJOR)]
        order += [builder.select(t, ir.Constant(INT32, TRANSPOSED), ir.Constant(INT32, AS_IS)) for t in transposed]
        one, zero = ir.Constant(number, 1.0), ir.Constant(number, 0.0)
        a, b, c = (
            builder.gep(builder.bitcast(place, number.as_pointer()), [start])
            for place, start in zip(places, starts, strict=True)
        )
        with builder.if_else(wide) as (then, otherwise):
            for branch, integer in ((then, ir.IntType(64)), (otherwise, INT32)):
                with branch:
                    m, n, k, step_a, step_b, step_c = (
                        v if v.type == integer else builder.trunc(v, integer) for v in (*sizes, *steps)
                    )
                    values = [*order, m, n, k, one, a, step_a, b, step_b, zero, c, step_c]
                    function = ir.FunctionType(ir.VoidType(), [v.type for v in values])
                    builder.call(builder.inttoptr(address, function.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(like, routine, wide, transposed, steps, sizes, places, starts), generate


@njit
def multiply_pieces(counter, like, routine, wide, transposed, steps, inner, ids, pieces):
    """One thread. C = A B, piece by piece; ids: of the arrays A, B and C; pieces: rows (where A, B, C begin, rows, columns).

    The caller keeps the arrays alive, and BLAS to one thread.
    """
    places = pointer(ids[0]), pointer(ids[1]), pointer(ids[2])
    task = take(counter)
    while task < len(pieces):
        a, b, c, rows, columns = pieces[task]
        gemm(like, routine, wide, transposed, steps, (rows, columns, inner), places, (a, b, c))
        task = take(counter)
