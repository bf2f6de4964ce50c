"""Products of vectors and matrices: matmul in all its ranks, linear, and products with something added.

The primitive `matmul` multiplies matrices, or batches of them whose leading dimensions broadcast:

    z[..., i, k] = sum_j input[..., i, j] other[..., j, k]

    dinput = g other^T        dother = input^T g

Everything here ends in its kernel, so whoever makes that faster makes all of them faster.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ..core.inplace import write_out
from ..core.op import GENERAL, LINEAR, SAME, function, op
from ..core.product import make_product
from ..core.promote import result_dtype
from ..core.tensor import Tensor, wrap
from ..dtypes import bool as bool_
from ..shapes import broadcast_shapes
from .arithmetic import mul
from .permute import permute, transpose, transpose_matrix
from .shape import expand, reshape, unsqueeze


def _transposed(t: Tensor) -> Tensor:
    return transpose_matrix(t) if t.array.ndim == 2 else transpose(t, -2, -1)


def _rows(t: Tensor) -> Tensor:
    """A batch of rows as one matrix: (..., n) to (-1, n)."""
    *batch, n = t.array.shape
    return t if len(batch) == 1 else reshape(t, prod(batch), n)


def _into_other(g: Tensor, input: Tensor, other: Tensor) -> Tensor:
    if other.array.ndim == 2 and input.array.ndim > 2:
        return mm(transpose_matrix(_rows(input)), _rows(g))  # one product sums over the batch on its way
    return multiply(_transposed(input), g)


_BOOL = np.dtype(np.bool_)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, other: multiply(g, _transposed(other)), other=_into_other),
    backward_name="BmmBackward0",
)
def matmul(input, other):
    """z = input @ other for batches of matrices: (..., n, m), (..., m, p) to (..., n, p)"""
    if other.ndim == 2:
        if input.ndim == 2:
            if input.dtype is _BOOL:
                raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
            return input.dot(other)
        # One matrix for the whole batch: a single product with a tall matrix.
        *batch, m = input.shape
        return input.reshape(prod(batch), m).dot(other).reshape(*batch, other.shape[1])
    return np.matmul(input, other)


multiply: Callable = matmul


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(
        input=lambda g, mat2: mm(g, transpose_matrix(mat2)),
        mat2=lambda g, input: mm(transpose_matrix(input), g),
    ),
    backward_name="MmBackward0",
)
def mm(input, mat2):
    """z = input @ mat2 for two matrices: (n, m), (m, p) to (n, p)"""
    if input.dtype is _BOOL:
        raise NotImplementedError("\"addmm_impl_cpu_\" not implemented for 'Bool'")
    return input.dot(mat2)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, vec: outer_product(g, vec), vec=lambda g, input: mv(transpose_matrix(input), g)),
    backward_name="MvBackward0",
)
def mv(input, vec):
    """z = input @ vec for a matrix and a vector: (n, m), (m,) to (n,)"""
    return input.dot(vec)


@op(
    LINEAR,
    dtype=SAME,
    vjp=dict(input=lambda g, tensor: g * tensor, tensor=lambda g, input: g * input),
    backward_name="DotBackward0",
)
def dot(input, tensor):
    """z = sum_i input[i] tensor[i]"""
    return input.dot(tensor)


def outer_product(a: Tensor, b: Tensor) -> Tensor:
    """z[i, j] = a[i] b[j]"""
    return mul(unsqueeze(a, 1), b)


# Errors.


def check_types(name: str, *tensors) -> None:
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}(): argument must be Tensor, not {type(t).__name__}")
    first = tensors[0]
    for t in tensors[1:]:
        if t.array.dtype != first.array.dtype:
            raise RuntimeError(
                f"{name}(): expected m1 and m2 to have the same dtype, but got: {first.dtype} != {t.dtype}"
            )
    if first.array.dtype == np.bool_:
        raise NotImplementedError(f"{name}(): \"addmm_impl_cpu_\" not implemented for 'Bool'")


def _check_ndim(name: str, **tensors) -> None:
    for spec, t in tensors.items():
        argument, ndim = spec.rsplit("_", 1)
        if t.array.ndim != int(ndim):
            raise RuntimeError(f"{name}(): {argument} must be a {ndim}-D tensor, but has shape {list(t.array.shape)}")


def _check_product(name: str, a: Tensor, b: Tensor) -> None:
    if a.array.shape[-1] != b.array.shape[-2 if b.array.ndim > 1 else -1]:
        shapes = ["x".join(map(str, t.array.shape)) for t in (a, b)]
        raise RuntimeError(f"{name}(): mat1 and mat2 shapes cannot be multiplied ({shapes[0]} and {shapes[1]})")


# Public products.


@function(torch=("matmul", "linalg.matmul"))
def public_matmul(input: Tensor, other: Tensor) -> Tensor:
    """z = input @ other.

    Two vectors: their dot product. Matrix and vector: (n, m), (m,) to (n,) and the other way round. Otherwise matrix
    products over broadcast leading dimensions. RuntimeError for sizes or types that do not fit.
    """
    z = matrix_product(input, other)
    if z is NotImplemented:
        check_types("matmul", input, other)
    return z


def any_product(input: Tensor, other):
    """`matmul` of any two operands: NotImplemented for one that is no tensor."""
    try:
        a, b = input.array, other.array
    except AttributeError:
        return any_product(input, wrap(other)) if isinstance(other, np.ndarray) else NotImplemented
    n, m = a.ndim, b.ndim
    if a.dtype is not b.dtype:
        check_types("matmul", input, other)
    if n == 0 or m == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D")
    if a.shape[-1] != b.shape[-2 if m > 1 else -1]:
        _check_product("matmul", input, other)
    if m == 1:
        if n == 1:
            return dot(input, other)
        return mv(input, other) if n == 2 else multiply(input, unsqueeze(other, 1)).squeeze(-1)
    if n == 1:
        return mv(transpose_matrix(other), input) if m == 2 else multiply(unsqueeze(input, 0), other).squeeze(-2)
    return mm(input, other) if n == m == 2 else multiply(input, other)


# What `@` calls.
matrix_product = make_product(mm.op, {(2, 1): mv.op, (1, 1): dot.op}, any_product)


@function(torch=("mm", "spmm"))
def public_mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (n, m) and (m, p). RuntimeError for anything else."""
    check_types("mm", input, mat2)
    _check_ndim("mm", self_2=input, mat2_2=mat2)
    _check_product("mm", input, mat2)
    return mm(input, mat2)


@function(torch="bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (b, n, m) and (b, m, p). RuntimeError for anything else."""
    check_types("bmm", input, mat2)
    _check_ndim("bmm", batch1_3=input, batch2_3=mat2)
    b, n, m = input.array.shape
    if mat2.array.shape[:2] != (b, m):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {m}] but got: "
            f"{list(mat2.array.shape[:2])}."
        )
    return multiply(input, mat2)


@function(torch="mv")
def public_mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (n, m) and a vector (m,). RuntimeError for anything else."""
    check_types("mv", input, vec)
    _check_ndim("mv", input_2=input, vec_1=vec)
    _check_product("mv", input, vec)
    return mv(input, vec)


@function(torch=("dot", "vdot"))
def public_dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The dot product of two vectors of one size. RuntimeError for anything else."""
    if input.array.ndim != 1 or tensor.array.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.array.ndim}D and {tensor.array.ndim}D tensors")
    if input.array.dtype != tensor.array.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {input.dtype} and {tensor.dtype}"
        )
    check_types("dot", input, tensor)
    if input.array.shape != tensor.array.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.array.size}] and src [{tensor.array.size}] to have the "
            "same number of elements"
        )
    return dot(input, tensor)


@function(torch=("outer", "ger"))
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """z[i, j] = input[i] vec2[j] for two vectors."""
    _check_ndim("outer", self_1=input, vec2_1=vec2)
    return outer_product(input, vec2)


@function(torch="inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The sum over the last dimension of both, for all pairs of the others: (..., m), (___, m) to (..., ___)."""
    a, b = input.array.shape, other.array.shape
    if not a or not b:
        return mul(input, other)
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a)} and {list(b)}"
        )
    check_types("inner", input, other)
    if len(a) == len(b) == 1:
        return dot(input, other)
    rows, columns = reshape(input, prod(a[:-1]), a[-1]), reshape(other, prod(b[:-1]), b[-1])
    return reshape(mm(rows, transpose_matrix(columns)), a[:-1] + b[:-1])


# Linear layers.


def _linear_weight(g: Tensor, input: Tensor) -> Tensor:
    if g.array.ndim == 1:
        return outer_product(g, input)
    return mm(transpose_matrix(_rows(g)), _rows(input))


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        input=lambda g, weight: public_matmul(g, weight),
        weight=_linear_weight,
        bias=lambda g: g,
    ),
    jvp=dict(
        input=lambda t, weight: public_matmul(t, transpose_matrix(weight)),
        weight=lambda t, input: public_matmul(input, transpose_matrix(t)),
        bias=lambda t: t,
    ),
    backward_name="AddmmBackward0",
)
def linear_layer(input, weight, bias=None):
    """z = input @ weight^T + bias: (..., m), (n, m), (n,) to (..., n)"""
    if input.ndim == 2:
        out = mm.op.kernel(input, weight.T)
    else:
        *batch, m = input.shape
        out = mm.op.kernel(input.reshape(prod(batch), m), weight.T).reshape(*batch, len(weight))
    if bias is not None:
        out += bias
    return out


@function(torch="nn.functional.linear")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None, *, out: Tensor | None = None) -> Tensor:
    """z = input @ weight^T + bias.

    input: (..., m); weight: (n, m) or (m,); bias: (n,) or (). z: (..., n) or (...). RuntimeError for sizes or types
    that do not fit.
    """
    if out is not None:
        return write_out("linear", out, linear(input, weight, bias), one_type=True)
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)) or input.array.dtype is not weight.array.dtype:
        check_types("linear", input, weight)
    if bias is not None and bias.array.dtype is not input.array.dtype:
        check_types("linear", input, bias)
    x, w = input.array.shape, weight.array.shape
    if len(w) not in (1, 2) or not x:
        raise RuntimeError(f"linear(): expected a weight of 1 or 2 dimensions, an input of at least 1, got {w} and {x}")
    if x[-1] != w[-1]:
        raise RuntimeError(
            f"linear(): mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, x))} and "
            f"{'x'.join(map(str, w[::-1]))})"
        )
    if len(w) == 1:
        if bias is not None and bias.array.ndim:
            raise RuntimeError(
                f"linear(): with a bias of shape {list(bias.shape)} weight must be a matrix, got {list(w)}"
            )
        z = public_matmul(input, weight)
        return z if bias is None else z + bias
    if bias is not None and bias.array.shape not in ((w[0],), (), (1,)):
        raise RuntimeError(
            f"linear(): The expanded size of the tensor ({w[0]}) must match the existing size of the bias, "
            f"{list(bias.array.shape)}"
        )
    return linear_layer(input, weight, bias)


@function(torch=("nn.functional.bilinear", "bilinear"))
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """z[..., o] = sum_ij input1[..., i] weight[o, i, j] input2[..., j] + bias[o].

    input1: (..., m); input2: (..., k); weight: (n, m, k); bias: (n,); z: (..., n).
    """
    check_types("bilinear", input1, input2, weight, *(() if bias is None else (bias,)))
    if input1.array.shape[:-1] != input2.array.shape[:-1] or not (input1.array.ndim and input2.array.ndim):
        raise RuntimeError(
            f"bilinear(): input batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}"
        )
    if weight.array.ndim != 3:
        raise RuntimeError(f"bilinear(): weight must have 3 dimensions, got shape {list(weight.array.shape)}")
    n, m, k = weight.array.shape
    if bias is not None and bias.array.shape != (n,):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias.array.shape)} but expected [{n}]"
        )
    for i, (t, size) in enumerate(((input1, m), (input2, k)), 1):
        if t.array.shape[-1] != size:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got {t.array.shape[-1]} but expected {size}"
            )
    # (b, m) @ (m, n k) is one product; what is left is a row of k against each of n columns.
    batch = input1.array.shape[:-1]
    half = mm(reshape(input1, prod(batch), m), reshape(permute(weight, 1, 0, 2), m, n * k))
    rows = reshape(half, prod(batch), n, k)
    z = reshape(multiply(rows, reshape(input2, prod(batch), k, 1)), *batch, n)
    return z if bias is None else z + bias


# Products with something added: z = beta input + alpha (mat1 @ mat2).


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(
        input=lambda g, beta: g * beta,
        mat1=lambda g, mat2, alpha: _scaled(multiply(g, _transposed(mat2)), alpha),
        mat2=lambda g, mat1, alpha: _scaled(multiply(_transposed(mat1), g), alpha),
    ),
    jvp=dict(
        input=lambda t, beta: t * beta,
        mat1=lambda t, mat2, alpha: _scaled(multiply(t, mat2), alpha),
        mat2=lambda t, mat1, alpha: _scaled(multiply(mat1, t), alpha),
    ),
    backward_name="AddmmBackward0",
)
def add_product(input, mat1, mat2, *, beta, alpha):
    """z = beta input + alpha (mat1 @ mat2); with beta = 0 the input is not looked at"""
    out = multiply.op.kernel(mat1, mat2)
    if alpha != 1:
        out = np.multiply(out, out.dtype.type(alpha))
    if beta == 0:
        return out
    return out + (input if beta == 1 else np.multiply(input, out.dtype.type(beta)))


def _scaled(t: Tensor, factor) -> Tensor:
    return t if factor == 1 else t * factor


def _add_product(name: str, input: Tensor, mat1: Tensor, mat2: Tensor, shape, beta, alpha) -> Tensor:
    """`add_product`, after checking that the input broadcasts to the product. Integers take the factors' whole part."""
    check_types(name, input, mat1, mat2)
    if not input.dtype.is_floating_point:
        beta, alpha = int(beta), int(alpha)
    if tuple(broadcast_shapes(input.array.shape, shape)) != tuple(shape):
        raise RuntimeError(
            f"{name}(): the input of shape {list(input.array.shape)} cannot be expanded to the product's {list(shape)}"
        )
    return add_product(input, mat1, mat2, beta=beta, alpha=alpha)


@function(torch="addmm")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """z = beta input + alpha (mat1 @ mat2): (n, m), (m, p), and an input that broadcasts to (n, p)."""
    _check_ndim("addmm", mat1_2=mat1, mat2_2=mat2)
    _check_product("addmm", mat1, mat2)
    shape = (mat1.array.shape[0], mat2.array.shape[1])
    return _add_product("addmm", input, mat1, mat2, shape, beta, alpha)


@function(torch="baddbmm")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """z = beta input + alpha (batch1 @ batch2) for batches (b, n, m), (b, m, p)."""
    _check_batches("baddbmm", batch1, batch2)
    shape = (*batch1.array.shape[:2], batch2.array.shape[2])
    return _add_product("baddbmm", input, batch1, batch2, shape, beta, alpha)


@function(torch="addbmm")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """z = beta input + alpha sum_b (batch1[b] @ batch2[b]): (b, n, m), (b, m, p) to (n, p)."""
    _check_batches("addbmm", batch1, batch2)
    b, n, m = batch1.array.shape
    p = batch2.array.shape[2]
    # Side by side, the batch is summed over by one product of (n, b m) and (b m, p).
    wide, tall = reshape(permute(batch1, 1, 0, 2), n, b * m), reshape(batch2, b * m, p)
    return _add_product("addbmm", input, wide, tall, (n, p), beta, alpha)


def _check_batches(name: str, batch1: Tensor, batch2: Tensor) -> None:
    _check_ndim(name, batch1_3=batch1, batch2_3=batch2)
    b, _, m = batch1.array.shape
    if batch2.array.shape[:2] != (b, m):
        raise RuntimeError(
            f"{name}(): Expected size for first two dimensions of batch2 tensor to be: [{b}, {m}] but got: "
            f"{list(batch2.array.shape[:2])}."
        )


@function(torch="addmv")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta=1, alpha=1) -> Tensor:
    """z = beta input + alpha (mat @ vec): (n, m), (m,), and an input that broadcasts to (n,)."""
    _check_ndim("addmv", mat_2=mat, vec_1=vec)
    _check_product("addmv", mat, vec)
    n = mat.array.shape[0]
    if input.array.ndim > 1 or input.array.size not in (1, n):
        raise RuntimeError(f"addmv(): the input of shape {list(input.array.shape)} cannot be expanded to [{n}]")
    column = unsqueeze(expand(input, n), 1)
    return _add_product("addmv", column, mat, unsqueeze(vec, 1), (n, 1), beta, alpha).squeeze(1)


@function(torch="addr")
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta=1, alpha=1) -> Tensor:
    """z[i, j] = beta input[i, j] + alpha vec1[i] vec2[j]; the types are promoted."""
    _check_ndim("addr", vec1_1=vec1, vec2_1=vec2)
    shape = (vec1.array.size, vec2.array.size)
    for argument, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, float) and not any(t.dtype.is_floating_point for t in (input, vec1, vec2)):
            raise RuntimeError(
                f"addr(): For integral input tensors, argument {argument} must not be a floating point number."
            )
    if tuple(broadcast_shapes(input.array.shape, shape)) != shape:
        raise RuntimeError(f"addr(): the input of shape {list(input.array.shape)} cannot be expanded to {list(shape)}")
    if result_dtype((input, vec1, vec2)) == bool_:
        beta, alpha = bool(beta), bool(alpha)
    product = _scaled(outer_product(vec1, vec2), alpha)
    return product if beta == 0 else _scaled(input, beta) + product
