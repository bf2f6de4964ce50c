"""Views with the dimensions in another order: permute, transpose, movedim, T, mT."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..core.call import view_of
from ..core.op import KEEP, VIEW, function, op
from ..core.state import state, watched
from ..core.tensor import Tensor
from ..shapes import normalize_dim
from .shape import one_sequence


def _inverse(dims) -> tuple[int, ...]:
    inverse = [0] * len(dims)
    for i, d in enumerate(dims):  # a negative d counts from the end here too
        inverse[d] = i
    return tuple(inverse)


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(input=lambda g, dims: permute_dims(g, dims=_inverse(dims))),
    backward_name="PermuteBackward0",
)
def permute_dims(input, *, dims):
    """The dimensions in another order."""
    return input.transpose(dims)


@function(torch="permute")
def permute(input: Tensor, *order, dims: Sequence[int] | None = None) -> Tensor:
    """A view with the dimensions in the order `dims`."""
    ndim = input.array.ndim
    order = one_sequence(order, dims)
    if not watched.threads or state.trace is None:
        try:
            return view_of(input, permute_dims.op, {"dims": order}, input.array.transpose(order))
        except (TypeError, ValueError):
            pass  # what is wrong is found below
    if len(order) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(order)}"
        )
    order = tuple([normalize_dim(d, ndim, "permute") for d in order])
    if len(set(order)) != ndim:
        raise RuntimeError(f"permute(): duplicate dims are not allowed: {list(order)}")
    return permute_dims(input, dims=order)


@op(
    VIEW,
    dtype=KEEP,
    vjp=dict(input=lambda g, dim0, dim1: swap_dims(g, dim0=dim0, dim1=dim1)),
    backward_name="TransposeBackward0",
)
def swap_dims(input, *, dim0, dim1):
    """Two dimensions exchanged."""
    return input.swapaxes(dim0, dim1) if input.ndim else input[...]


@function(torch=("transpose", "swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with dimensions `dim0` and `dim1` exchanged."""
    array = input.array
    ndim = array.ndim
    if not (-ndim <= dim0 < ndim and -ndim <= dim1 < ndim) or (watched.threads and state.trace is not None):
        dim0, dim1 = normalize_dim(dim0, ndim, "transpose"), normalize_dim(dim1, ndim, "transpose")
        return swap_dims(input, dim0=dim0, dim1=dim1)
    return view_of(input, swap_dims.op, {"dim0": dim0, "dim1": dim1}, array.swapaxes(dim0, dim1))


@op(VIEW, dtype=KEEP, vjp=dict(input=lambda g: transpose_matrix(g)), backward_name="TBackward0")
def transpose_matrix(input):
    """The transpose of a matrix; vectors and 0-dim tensors as they are."""
    return input.T


@function(torch="t")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and 0-dim tensors as they are. RuntimeError for more dimensions."""
    if input.array.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input.array.ndim}D: {list(input.array.shape)}"
        )
    return transpose_matrix(input)


@function(torch="Tensor.T")
@property
def T(input: Tensor) -> Tensor:
    """The dimensions in reverse order; meant for matrices."""
    ndim = input.array.ndim
    if ndim == 2:
        return transpose_matrix(input)
    warnings.warn(
        "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw "
        "an error in a future release. Consider `x.mT` to transpose batches of matrices or "
        "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
        stacklevel=2,
    )
    return permute_dims(input, dims=tuple(range(ndim))[::-1])


@function(torch="Tensor.mT")
@property
def mT(input: Tensor) -> Tensor:
    """The last two dimensions exchanged: a batch of matrices transposed. RuntimeError for fewer than two."""
    ndim = input.array.ndim
    if ndim == 0:
        return input
    if ndim == 1:
        raise RuntimeError("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")
    return swap_dims(input, dim0=-2, dim1=-1)


@function(torch="Tensor.H")
@property
def H(input: Tensor) -> Tensor:
    """The (conjugate) transpose of a matrix. RuntimeError for other dimensions than 2 and 0."""
    if input.array.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {input.array.ndim}-D tensor. "
            "For batches of matrices, consider using tensor.mH"
        )
    return transpose_matrix(input)


@function(torch=("adjoint", "Tensor.adjoint"))
def adjoint(input: Tensor) -> Tensor:
    """The (conjugate) transpose of a batch of matrices."""
    return transpose(input, -2, -1)


function(torch="Tensor.mH")(mT)


@function(torch=("movedim", "moveaxis"))
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with the dimensions `source` moved to the places `destination`; the others keep their order."""
    ndim = input.array.ndim
    source = (source,) if not isinstance(source, (tuple, list)) else source
    destination = (destination,) if not isinstance(destination, (tuple, list)) else destination
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number "
            f"of dims as destination ({list(destination)} dims)"
        )
    source = [normalize_dim(d, ndim) for d in source]
    destination = [normalize_dim(d, ndim) for d in destination]
    for name, dims in (("source", source), ("destination", destination)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    rest = iter([d for d in range(ndim) if d not in source])
    places = dict(zip(destination, source, strict=True))
    return permute_dims(input, dims=tuple([places[d] if d in places else next(rest) for d in range(ndim)]))
