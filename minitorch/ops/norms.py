"""Norms and distances."""

from __future__ import annotations

import math

import numpy as np

from ..core.inplace import write_out
from ..core.op import ELEMENTWISE, GENERAL, PROMOTE, PUBLIC, SAME, function, op
from ..core.promote import result_dtype
from ..core.tensor import Tensor, wrap
from ..dtypes import FLOATING, as_numpy_dtype
from ..shapes import broadcast_shapes, normalize_dim
from .arithmetic import zeros_as
from .comparison import isnan
from .convert import to_dtype
from .reduce import add_reduce, numpy_arguments, reduced_dims, spread, sum, sum_dims

# Norm of vectors.


def _norm_gradient(g, input, z, dim, keepdim, ord):
    size = input.array.shape

    def over(t):
        return spread(t, size=size, dim=dim, keepdim=keepdim)

    if ord == 0:
        return zeros_as(input)
    if ord == 1:
        return over(g) * input.sign()
    if ord == 2:
        return over(g) * (input / over(z)).masked_fill(over(z == 0), 0)
    magnitude = input.abs()
    if math.isinf(ord):
        hit = (magnitude == over(z)) | isnan(input)
        return input.sign() * hit * over(g / sum_dims(hit, dim=dim, keepdim=keepdim))
    if ord < 1:
        direction = input.sign() * (magnitude ** (ord - 1)).masked_fill(input == 0, 0)
        return direction * over(g * z ** (1 - ord))
    scale = over((g / z ** (ord - 1)).masked_fill(z == 0, 0))
    if ord < 2:
        return input.sign() * magnitude ** (ord - 1) * scale
    return input * magnitude ** (ord - 2) * scale


def _norm_tangent(t, input, z, dim, keepdim, ord):
    ones = wrap(np.ones(z.array.shape, z.array.dtype))
    return sum_dims(_norm_gradient(ones, input, z, dim, keepdim, ord) * t, dim=dim, keepdim=keepdim)


@op(
    GENERAL,
    dtype=SAME,
    vjp=dict(input=_norm_gradient),
    jvp=dict(input=_norm_tangent),
    backward_name="LinalgVectorNormBackward0",
)
def vector_norm_dims(input, *, dim, keepdim, ord):
    """z = (sum |x|^p)^(1/p) along `dim`; max |x| for p = inf, min |x| for -inf, the number of nonzeros for 0"""
    if ord == 2:
        return np.sqrt(add_reduce(np.multiply(input, input), dim, keepdim))
    magnitude = np.abs(input)
    if ord == 1:
        return add_reduce(magnitude, dim, keepdim)
    if ord == 0:
        return np.add.reduce(input != 0, dim, keepdims=keepdim).astype(input.dtype)
    if math.isinf(ord):
        extreme = np.maximum if ord > 0 else np.minimum
        return extreme.reduce(magnitude, dim, None, None, keepdim)
    with np.errstate(divide="ignore"):
        return np.power(add_reduce(np.power(magnitude, ord), dim, keepdim), 1 / ord).astype(input.dtype)


def _empty_line(name: str, input: Tensor, dims, ord) -> None:
    if input.array.size or not (ord < 0 or ord == math.inf):
        return
    for d in dims:
        if not input.array.shape[d]:
            raise RuntimeError(
                f"{name}: cannot compute the {ord} norm on the dimension {d} because this dimension is empty and the "
                f"operation does not have an identity (shape {list(input.shape)})"
            )
    if not dims:
        return


def _norm_input(name: str, input: Tensor, dtype) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    if input.dtype.category != FLOATING:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {input.dtype}")
    if dtype is None:
        return input
    if as_numpy_dtype(dtype).kind in "iub":
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {dtype}")
    if as_numpy_dtype(dtype).itemsize < input.array.dtype.itemsize:
        raise RuntimeError(
            f"{name}: the dtype of the input ({input.dtype}) should be convertible without narrowing to the specified "
            f"dtype ({dtype})"
        )
    return to_dtype(input, dtype)


@function(torch="linalg.vector_norm")
def vector_norm(x: Tensor, ord: float = 2, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim` (an int, several, or None for all); its gradient at 0 is 0.

    ord: any number, inf (largest magnitude), -inf (smallest), 0 (how many are not zero). dtype: converted to first.
    """
    x = _norm_input("linalg.vector_norm", x, dtype)
    if isinstance(ord, str):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be a number, not {ord!r}")
    dims = reduced_dims(dim, x.array.ndim)
    _empty_line("linalg.vector_norm", x, dims, ord)
    return vector_norm_dims(x, dim=dims, keepdim=keepdim, ord=ord)


# Norm of matrices.


def _singular_values(A: Tensor, dim) -> Tensor:
    rest = [d for d in range(A.array.ndim) if d not in dim]
    return PUBLIC["linalg.svdvals"](A.permute(*rest, *dim))


def _matrix_dims(name: str, A: Tensor, dim) -> tuple[int, int]:
    if A.array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {list(A.shape)}.")
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    first, second = (normalize_dim(d, A.array.ndim) for d in dim)
    if first == second:
        raise RuntimeError(f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return first, second


@function(torch="linalg.matrix_norm")
def matrix_norm(A: Tensor, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None) -> Tensor:
    """The norm of the matrices in the two dimensions `dim`.

    ord: "fro" (root of the sum of squares), "nuc" (sum of singular values), inf / -inf (largest / smallest sum of a
    row's magnitudes), 1 / -1 (of a column's), 2 / -2 (largest / smallest singular value).
    """
    name = "linalg.matrix_norm"
    A = _norm_input(name, A, dtype)
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if not isinstance(ord, str) and abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    dims = _matrix_dims(name, A, dim)
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    if ord == "nuc" or abs(ord) == 2:
        values = _singular_values(A, dims)
        if ord == "nuc":
            result = sum(values, -1)
        else:
            _check_extremum(name, A, dims, ord)
            result = values.amax(-1) if ord > 0 else values.amin(-1)
        return _kept(result, dims) if keepdim else result
    along, across = dims if abs(ord) == 1 else dims[::-1]
    sums = vector_norm(A, 1, along, keepdim=True)
    if not A.array.shape[across]:
        raise IndexError(f"{name}: Expected reduction dim {across} to have non-zero size, got {list(A.shape)}.")
    result = sums.amax(across, True) if ord > 0 else sums.amin(across, True)
    return result if keepdim else result.squeeze(dims)


def _check_extremum(name: str, A: Tensor, dims, ord) -> None:
    if not all(A.array.shape[d] for d in dims):
        raise IndexError(f"{name}: the {ord} norm of an empty matrix is not defined, got shape {list(A.shape)}")


def _kept(reduced: Tensor, dims) -> Tensor:
    for d in sorted(dims):
        reduced = reduced.unsqueeze(d)
    return reduced


@function(torch="linalg.norm")
def linalg_norm(A: Tensor, ord=None, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """vector_norm or matrix_norm, by what `ord` and `dim` ask for; without either, the 2-norm of all elements."""
    if dim is not None:
        dims = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dims) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    elif ord is not None and A.array.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.array.ndim}D."
        )
    if ord is not None and (len(dims) if dim is not None else A.array.ndim) == 2:
        return matrix_norm(A, ord, dims if dim is not None else (0, 1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} is not defined for vectors")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


@function(torch="norm")
def norm(input: Tensor, p="fro", dim=None, keepdim: bool = False, dtype=None, **numpy_names) -> Tensor:
    """The p-norm of the elements over `dim` (all for None); "fro" is the 2-norm, "nuc" the nuclear norm of matrices."""
    if numpy_names:
        dim, keepdim = numpy_arguments("norm", numpy_names, dim, keepdim)
    if p == "nuc":
        if dim is None and input.array.ndim != 2:
            raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple for an input of shape {list(input.shape)}")
        return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    if dtype is None and input.array.dtype.kind == "f" and not keepdim and dim is None and input.array.size:
        ord = 2 if p is None or p == "fro" else p
        return vector_norm_dims(input, dim=tuple(range(input.array.ndim)), keepdim=False, ord=ord)
    if dtype is not None:
        input = to_dtype(input, dtype)
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim)


# Division by the norm.


@op(ELEMENTWISE, dtype=PROMOTE, vjp=dict(input=lambda g: g))
def at_least(input, *, bound):
    """z = max(input, bound), with the gradient of the identity: the bound is no part of what is differentiated"""
    return np.maximum(input, np.array(bound, input.dtype))


@function(torch="nn.functional.normalize")
def normalize(input: Tensor, p: float = 2.0, dim=1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input / max(its p-norm along `dim`, eps)."""
    size = norm(input, p, dim, keepdim=True).clamp(min=eps)
    return input / size if out is None else write_out("normalize", out, input / size)


@function(torch=("nn.functional.cosine_similarity", "cosine_similarity"))
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 (broadcast) along `dim`; norms below eps count as eps."""
    common = result_dtype((x1, x2))
    if common.category != FLOATING:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {common}")
    if eps < 0:
        raise RuntimeError(f"cosine_similarity(): eps must be non-negative, got: {eps}")
    shape = broadcast_shapes(x1.array.shape, x2.array.shape)
    x1, x2 = to_dtype(x1, common).expand(shape), to_dtype(x2, common).expand(shape)
    x1 = x1 / at_least(vector_norm(x1, 2, dim, keepdim=True), bound=eps)
    x2 = x2 / at_least(vector_norm(x2, 2, dim, keepdim=True), bound=eps)
    return sum(x1 * x2, dim)


# Distances.


@function(torch=("nn.functional.pairwise_distance", "pairwise_distance"))
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


@function(torch="dist")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other, over all elements."""
    return norm(input - other, p)


@function(torch=("nn.functional.pdist", "pdist"))
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norm distances between every two rows of a matrix (N, M): N (N - 1) / 2 of them, (0, 1), (0, 2), ..."""
    if input.array.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.array.ndim}D")
    if input.array.dtype.kind in "iub":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = (wrap(i) for i in np.triu_indices(input.array.shape[0], 1))
    return vector_norm(input[first] - input[second], p, -1)


@function(torch="renorm")
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Every slice along `dim` scaled down to the p-norm `maxnorm` where its norm is larger."""
    ndim = input.array.ndim
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    dim = normalize_dim(dim, ndim)
    size = vector_norm(input, p, tuple(d for d in range(ndim) if d != dim), keepdim=True)
    factor = (maxnorm / (size + 1e-7)).masked_fill(~(size > maxnorm), 1)
    return input * factor
