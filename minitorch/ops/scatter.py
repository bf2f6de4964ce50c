"""Elements read from and written to places that an index tensor names along one dimension.

    gather        z[i][j] = input[index[i][j]][j]                 (for dim 0; likewise for the others)
    scatter       z = input, then z[index[i][j]][j] = src[i][j]
    scatter_add   z = input, then z[index[i][j]][j] += src[i][j]

`gather_at` and `scatter_zeros` (adding into zeros) are each other's transpose. Below them stand the operations whose
index is a vector (index_select, index_add, ...), a list of flat places (take, put), or a mask: they are `take_at` and
`put_at` of take.py, with checks of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.inplace import write_out, write_view
from ..core.levels import per_example
from ..core.lifted import numbers
from ..core.op import GENERAL, KEEP, LINEAR, function, op
from ..core.promote import number
from ..core.tensor import Tensor, wrap
from ..shapes import as_int, broadcast_shapes, contiguous_strides, normalize_dim, within
from ..strided import is_dense
from .comparison import choose, eq
from .convert import cast, contiguous
from .factory import empty_like_array
from .part import ALL, diagonal_view, select_view, slice_view
from .shape import expand, reshape, unsqueeze
from .take import add_rows, put_at, take_at, zero_of, zeros_like


def _flat_places(shape, index: np.ndarray, dim: int) -> np.ndarray:
    """Where in a row-major tensor of this shape stand the elements that `index` names along `dim`."""
    strides = contiguous_strides(shape)
    places = index * strides[dim]
    for d, n in enumerate(index.shape):
        if d != dim and n > 1:
            places += (np.arange(n) * strides[d]).reshape((n,) + (1,) * (index.ndim - d - 1))
    return places


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(input=lambda g, index, size, dim: scatter_zeros(g, index, dim=dim, size=size)),
    backward_name="GatherBackward0",
)
def gather_at(input, index, *, dim):
    """z[i][j] = input[index[i][j]][j]: the elements that `index` names along a dimension."""
    return input.reshape(-1).take(_flat_places(input.shape, index, dim))


@op(
    LINEAR,
    dtype=KEEP,
    vjp=dict(values=lambda g, index, dim: gather_at(g, index, dim=dim)),
    backward_name="ScatterAddBackward0",
)
def scatter_zeros(values, index, *, dim, size):
    """z[index[i][j]][j] += values[i][j], starting from zeros of shape `size`."""
    out = np.zeros(size, values.dtype)
    add_rows(out.reshape(-1), _flat_places(size, index, dim).reshape(-1), values.reshape(-1))
    return out


@op(
    GENERAL,
    dtype=KEEP,
    vjp=dict(
        input=lambda g, index, dim, adds: g if adds else scatter_at(g, zero_of(g), index, dim=dim, adds=False),
        src=lambda g, index, dim: gather_at(g, index, dim=dim),
    ),
    jvp=dict(
        input=lambda t, index, dim, adds: t if adds else scatter_at(t, zero_of(t), index, dim=dim, adds=False),
        src=lambda t, index, dim, adds, z: scatter_at(zeros_like(z), t, index, dim=dim, adds=adds),
    ),
    backward_name="ScatterBackward0",
)
def scatter_at(input, src, index, *, dim, adds):
    """z = input, then z[index[i][j]][j] = src[i][j], or += where `adds`; `src` broadcasts to the index."""
    out = np.array(input, order="C")
    places = _flat_places(input.shape, index, dim)
    if adds:
        add_rows(out.reshape(-1), places.reshape(-1), np.broadcast_to(src, places.shape).reshape(-1))
    else:
        out.reshape(-1)[places] = src
    return out


# Checks.


def _check_index(name: str, index: Tensor) -> None:
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if index.array.dtype not in (np.int64, np.int32) and index.array.size:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def _check_range(index: np.ndarray, n: int, dim: int) -> None:
    """RuntimeError for an index that is negative or beyond n - 1."""
    index = numbers(index)
    if not within(index, n):
        wrong = index[(index < 0) | (index >= n)].flat[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {dim} with size {n}")


def _along(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None = None):
    """(input, dim, index, src) with at least one dimension, after the checks of gather and scatter."""
    _check_index(name, index)
    shape, ndim = input.array.shape, max(input.array.ndim, 1)
    dim = normalize_dim(dim, len(shape))
    if src is not None and src.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if not index.array.size:
        return input, dim, index, src
    for argument, t in (("Index", index), ("Source", src)):
        if t is not None and max(t.array.ndim, 1) != ndim:
            raise RuntimeError(f"{argument} tensor must have the same number of dimensions as input tensor")
    input, index = (reshape(t, 1) if t.array.ndim == 0 else t for t in (input, index))
    src = reshape(src, 1) if src is not None and src.array.ndim == 0 else src
    shape, taken = input.array.shape, index.array.shape
    too_large = any(n > shape[d] for d, n in enumerate(taken) if d != dim)
    if too_large or (src is not None and any(n > m for n, m in zip(taken, src.array.shape, strict=True))):
        beyond = "" if src is None else f" and to be no larger size than src {list(src.array.shape)}"
        raise RuntimeError(
            f"{name}(): Expected index {list(taken)} to be no larger than self {list(shape)} apart from dimension "
            f"{dim}{beyond}"
        )
    _check_range(index.array, shape[dim], dim)
    if src is not None and src.array.shape != taken:
        src = slice_view(src, index=(*[slice(n) for n in taken], Ellipsis))
    return input, dim, index, src


# Along one dimension.


@function(torch="gather")
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """z[i][j] = input[index[i][j]][j] for dim 0, likewise for others. z has the shape of `index`.

    RuntimeError for an index out of range, of another type than int64 or int32, or too large beside `dim`.
    """
    shape = index.array.shape if isinstance(index, Tensor) else ()
    input, dim, index, _ = _along("gather", input, dim, index)
    if not index.array.size:
        return take_at(reshape(input, -1), index)
    z = gather_at(input, index, dim=dim)
    return z if z.array.shape == shape else reshape(z, shape)


@function(torch="scatter")
def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce: str | None = None) -> Tensor:
    """`input` with z[index[i][j]][j] = src[i][j] for dim 0; `src` (or `value`) may be a number.

    reduce: "add" or "multiply" combines instead of overwriting. Errors as `gather`.
    """
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = expand(wrap(number(src, input.array.dtype)), index.array.shape)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        return input.scatter_reduce(dim, index, src, {"add": "sum", "multiply": "prod"}[reduce])
    return _scatter("scatter", input, dim, index, src, adds=False)


@function(torch="scatter_add")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with z[index[i][j]][j] += src[i][j] for dim 0. Errors as `gather`."""
    return _scatter("scatter_add", input, dim, index, src, adds=True)


def _scatter(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor, adds: bool) -> Tensor:
    shape = input.array.shape
    input, dim, index, src = _along(name, input, dim, index, src)
    if not index.array.size:
        return input.clone()
    return reshape(scatter_at(input, src, index, dim=dim, adds=adds), shape)


@function(torch="take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` whose input and indices broadcast against each other beside `dim`; flat without `dim`.

    Negative indices count from the end.
    """
    _check_index("take_along_dim", indices)
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if input.array.ndim != indices.array.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.array.ndim} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    dim = normalize_dim(dim, input.array.ndim)
    a, b = list(input.array.shape), list(indices.array.shape)
    a[dim] = b[dim] = 1
    common = broadcast_shapes(a, b)
    a, b = list(common), list(common)
    n = a[dim] = input.array.shape[dim]
    b[dim] = indices.array.shape[dim]
    places = numbers(indices.array)
    if places.size and places.min() < 0:
        indices = choose((indices >= -n) & (indices < 0), indices + n, indices)
    return gather(expand(input, a), dim, expand(indices, b))


# A vector of indices.


def _vector(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[Tensor, int, Tensor]:
    _check_index(name, index)
    if index.array.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    dim = normalize_dim(dim, input.array.ndim)
    if input.array.ndim == 0:
        input = reshape(input, 1)
    if index.array.ndim == 0:
        index = reshape(index, 1)
    return input, dim, index


def _check_bounds(index: Tensor, n: int, negative: bool = False) -> None:
    array = numbers(index.array)
    if not within(array + n if negative else array, 2 * n if negative else n):
        raise IndexError(f"index out of range in self: {array.min()} to {array.max()} for a dimension of size {n}")


@function(torch="index_select")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The places `index` (a vector) along `dim`. IndexError out of range."""
    shape = input.array.shape
    input, dim, index = _vector("index_select", input, dim, index)
    if not shape and index.array.size != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.array.size} value(s)")
    _check_bounds(index, input.array.shape[dim])
    z = contiguous(take_at(input, *[None] * dim, index))
    return z if shape else reshape(z, ())


def _index_into(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, adds: bool) -> Tensor:
    shape = input.array.shape
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}(): self ({input.dtype}) and source ({source.dtype}) must have the same scalar type")
    input, dim, index = _vector(name, input, dim, index)
    if source.array.ndim == 0:
        source = reshape(source, (1,) * input.array.ndim)
    wrong = RuntimeError if adds else IndexError
    if source.array.ndim != input.array.ndim:
        raise wrong(
            f"{name}(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.array.ndim}), destination dimensionality ({input.array.ndim})"
        )
    n = source.array.shape[dim]
    if index.array.size != n:
        raise wrong(
            f"{name}(): Number of indices ({index.array.size}) should be equal to source.size(dim): ({n}), "
            f"for dim: {dim}"
        )
    expected = (*input.array.shape[:dim], n, *input.array.shape[dim + 1 :])
    if source.array.shape != expected:
        raise RuntimeError(f"{name}(): expected a source of shape {list(expected)}, got {list(source.array.shape)}")
    _check_bounds(index, input.array.shape[dim])
    return reshape(put_at(contiguous(input), source, *[None] * dim, index, adds=adds), shape)


@function(torch="index_add")
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1) -> Tensor:
    """`input` with z[index[i]] += alpha source[i] along `dim`. Errors for sizes or types that do not fit."""
    source = source if alpha == 1 else (source * alpha).to(source.dtype)
    return _index_into("index_add_", input, dim, index, source, adds=True)


@function(torch="index_copy")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with z[index[i]] = source[i] along `dim`. Errors for sizes or types that do not fit."""
    return _index_into("index_copy_", input, dim, index, source, adds=False)


@function(torch="index_fill")
@per_example
def index_fill(input: Tensor, dim: int, index: Tensor, value) -> Tensor:
    """`input` with `value` (a number or 0-dim tensor) at the places `index` along `dim`. IndexError out of range."""
    if isinstance(value, Tensor):
        if value.array.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.array.ndim} dimension(s)."
            )
        value = value.to(input.dtype)
    else:
        value = wrap(number(value, input.array.dtype))
    shape = input.array.shape
    input, dim, index = _vector("index_fill_", input, dim, index)
    n = input.array.shape[dim]
    _check_bounds(index, n, negative=True)
    once = wrap(np.unique(index.array % n)) if n else index  # so that the value's gradient counts no place twice
    return reshape(put_at(input, value, *[None] * dim, once, adds=False), shape)


# Flat places.


def _check_flat(input: Tensor, index: Tensor) -> None:
    if index.array.dtype != np.int64:
        raise RuntimeError(f"expected a long tensor as index, but got {index.dtype}")
    n = input.array.size
    if index.array.size and not n:
        raise IndexError("take(): tried to take from an empty tensor")
    places = numbers(index.array)
    wrong = places[(places < -n) | (places >= n)]
    if wrong.size:
        raise IndexError(f"out of range: tried to access index {wrong.flat[0]} on a tensor of {n} elements.")


@function(torch="take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at places `index` of the flat tensor, in the shape of `index`. IndexError out of range."""
    _check_flat(input, index)
    return take_at(reshape(input, -1), index)


@function(torch="put")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with the elements of `source` written (or added) at the places `index` of the flat tensor."""
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(f"put_(): self and source must have the same dtype, got {input.dtype} and {source.dtype}")
    _check_flat(input, index)
    if source.array.size != index.array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.array.size}, index.numel() = {index.array.size}"
        )
    flat = put_at(reshape(input, -1), reshape(source, index.array.shape), index, adds=accumulate)
    return reshape(flat, input.array.shape)


# Masks.


def _check_mask(name: str, mask: Tensor) -> None:
    if mask.array.dtype != np.bool_:
        raise RuntimeError(f"{name}: expected BoolTensor for mask, but got {mask.dtype}")


@function(torch="masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask (which broadcasts) holds, as a vector."""
    _check_mask("masked_select", mask)
    shape = broadcast_shapes(input.array.shape, mask.array.shape) or (1,)
    return take_at(expand(input, shape), expand(mask, shape))


@function(torch="masked_scatter")
@per_example
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the first elements of `source`, in order, at the places where the mask (which broadcasts) holds."""
    _check_mask("masked_scatter_", mask)
    if source.array.dtype != input.array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    shape = broadcast_shapes(input.array.shape, mask.array.shape)
    mask = expand(mask, shape or (1,))
    count = int(np.count_nonzero(mask.array))
    if count > source.array.size:
        raise RuntimeError(
            f"masked_scatter: Number of elements of source ({source.array.size}) < number of ones in mask ({count})"
        )
    values = slice_view(reshape(source, -1), index=slice(count))
    return reshape(put_at(expand(input, shape or (1,)), values, mask, adds=False), shape)


# Places, found and made.


@function(torch="nonzero")
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False):
    """The indices of the elements that are not zero: (count, ndim), or a tuple of one vector per dimension.

    out: a tensor for the first form; TypeError with the second.
    """
    if out is not None:
        if as_tuple or not isinstance(out, Tensor):
            raise TypeError("nonzero(): argument 'out' must be Tensor, and goes with as_tuple=False")
        return write_out("nonzero", out, nonzero(input), one_type=True)
    array = input.array
    if as_tuple:
        return tuple([wrap(found.astype(np.int64, copy=False)) for found in np.atleast_1d(array).nonzero()])
    found = np.argwhere(array) if array.ndim else np.zeros((int(bool(array)), 0), np.int64)
    return wrap(found.astype(np.int64, copy=False))


@function(torch="argwhere")
@per_example
def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, (count, ndim)."""
    return nonzero(input)


@function(torch="nn.functional.one_hot")
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """z[..., k] = 1 where k is the input, 0 elsewhere: (...) to (..., classes), int64. RuntimeError out of range."""
    array = numbers(input.array)
    if array.dtype != np.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, not {input.dtype}.")
    if not array.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    elif array.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    elif num_classes == -1:
        num_classes = int(array.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif array.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return cast(eq(unsqueeze(input, -1), wrap(np.arange(num_classes))), dtype=np.dtype(np.int64))


@function(torch="unravel_index")
@per_example
def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """The index along each dimension of a tensor of this shape, for flat places."""
    if not isinstance(indices, Tensor) or indices.array.dtype.kind not in "iu":
        raise TypeError(f"unravel_index(): expected integer `indices`, got {getattr(indices, 'dtype', type(indices))}")
    shape = (shape,) if isinstance(shape, int) else tuple([as_int(n, "size") for n in shape])
    if any(n < 0 for n in shape):
        raise ValueError(f"unravel_index(): `shape` cannot have negative values, got {shape}")
    array = indices.array.astype(np.int64)
    if 0 in shape and array.size:
        raise RuntimeError(f"unravel_index(): there is no index into the empty shape {shape}")
    strides = contiguous_strides(shape)
    return tuple([wrap(np.asarray(array // s % max(n, 1))) for n, s in zip(shape, strides, strict=True)])


# A part replaced.


def _replaced(input: Tensor, src: Tensor, view, params: dict) -> Tensor:
    expected = view(input.detach(), **params).array.shape
    if src.array.shape != expected:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.array.shape)}, "
            f"slice size = {list(expected)}"
        )
    array = input.array
    strides = array.strides if is_dense(array) else empty_like_array(array, array.dtype).strides  # as a clone's
    return write_view(input, src.to(input.dtype), steps=((view, params),), strides=strides)


@function(torch="select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with place `index` along `dim` replaced by `src`. RuntimeError for a shape that does not fit."""
    dim, n = normalize_dim(dim, input.array.ndim), as_int(index, "index")
    if not -input.array.shape[dim] <= n < input.array.shape[dim]:
        raise IndexError(
            f"select(): index {n} out of range for tensor of size {list(input.array.shape)} at dimension {dim}"
        )
    return _replaced(input, src, select_view, {"index": (ALL,) * dim + (n, Ellipsis)})


@function(torch="slice_scatter")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`input` with the slice start:end:step along `dim` replaced by `src`. RuntimeError for an unfitting shape."""
    dim = normalize_dim(dim, input.array.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return _replaced(input, src, slice_view, {"index": (ALL,) * dim + (slice(start, end, step), Ellipsis)})


@function(torch="diagonal_scatter")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with a diagonal replaced by `src`. RuntimeError for a shape that does not fit."""
    ndim = input.array.ndim
    dim1, dim2 = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if dim1 == dim2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _replaced(input, src, diagonal_view, {"offset": offset, "dim1": dim1, "dim2": dim2})
