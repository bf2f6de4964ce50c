"""Batching rules: how a primitive works on a whole batch of examples at once.

The declaration says it for most: what is ELEMENTWISE broadcasts over one more dimension in front. For the others a
rule is registered by name (`@batches`), many of them by what the names of parameters mean in every operation:

    dim, dims, dim0, dim1, dim2   dimensions of the example: one more, counted from the front
    size, shape, sizes            whole shapes: the batch is put in front

A rule is a function of a `Batch`, one call of the primitive; it calls operations on the batch's values, the level of
the vmap being left. It returns None where it does not know, and so does a missing rule: then the examples are taken
one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.op import ELEMENTWISE
from ..core.promote import COMPARE, DIFFERENCE, FLOAT, PROMOTE, result_dtype
from ..core.tensor import Tensor
from ..ops.comparison import choose
from ..ops.convert import cast, to_dtype
from ..ops.shape import expand, reshape


class Batch:
    """One call of a primitive: `values` are its inputs, those that are `mapped` with `size` examples in front.

    examples: the inputs as the vmapped function sees them. params: as it gave them.
    """

    def __init__(self, op, examples, values, mapped, params, size: int):
        self.op, self.examples, self.values, self.mapped = op, examples, values, mapped
        self.params, self.size = params, size

    def rank(self, i: int = 0) -> int:
        """The number of dimensions of an example of input i."""
        return self.examples[i].array.ndim

    def shape(self, i: int = 0) -> tuple[int, ...]:
        """The shape of an example of input i."""
        return self.examples[i].array.shape

    def whole(self, i: int = 0) -> Tensor:
        """Input i with the examples in front, if need be by repeating it."""
        x = self.values[i]
        return x if self.mapped[i] else expand(x, (self.size, *x.array.shape))

    def all_whole(self) -> list:
        return [self.whole(i) if isinstance(x, Tensor) else x for i, x in enumerate(self.values)]

    def aligned(self, rank: int) -> list:
        """The inputs as they broadcast over examples of `rank` dimensions: (B, 1, ..., 1, *shape)."""
        return [with_rank(x, rank) if m else x for x, m in zip(self.values, self.mapped, strict=True)]

    def call(self, *inputs, **params):
        """The operation itself on other inputs, with some parameters changed."""
        return self.op.call(*inputs, **{**self.params, **params})


def with_rank(x: Tensor, rank: int) -> Tensor:
    """`x` (B, *shape) with dimensions of size 1 after the first, for examples of `rank` dimensions."""
    shape = x.array.shape
    missing = rank + 1 - len(shape)
    return reshape(x, (shape[0], *(1,) * missing, *shape[1:])) if missing > 0 else x


RULES: dict[str, Callable] = {}  # primitive -> its rule


def batches(*names: str):
    """Register the decorated function as the batching rule of these primitives."""

    def register(rule):
        for name in names:
            RULES[name] = rule
        return rule

    return register


def rule_for(op):
    """The rule for a primitive, None where none is known."""
    return RULES.get(op.name) or (elementwise if op.kind == ELEMENTWISE else None)


# Elementwise.

_SHAPED_BY_FIRST = frozenset(["copied_over", "filled", "drawn_from", "bernoulli_drawn"])


def elementwise(batch: Batch):
    """Broadcasting aligns at the right: dimensions of size 1 make up for examples of fewer dimensions."""
    return batch.call(*elementwise_inputs(batch))


def elementwise_inputs(batch: Batch) -> list:
    ranks = [x.array.ndim for x in batch.examples if isinstance(x, Tensor)]
    inputs = batch.aligned(max(ranks))
    if not batch.mapped[0] and batch.op.name in _SHAPED_BY_FIRST:
        inputs[0] = batch.whole(0)
    return in_types_of_examples(batch, inputs)


def in_types_of_examples(batch: Batch, inputs: list) -> list:
    """A number of each example is a vector of the batch, and would now take part in the promotion of types: it gets the
    type that it would have been promoted to."""
    tensors = [x for x in batch.examples if isinstance(x, Tensor)]
    if len({x.array.dtype for x in tensors}) < 2 or all([x.array.ndim for x in tensors]):
        return inputs
    if batch.op.dtype in (PROMOTE, DIFFERENCE, FLOAT, COMPARE):
        promoted = range(len(inputs))
    elif batch.op.name == "choose":
        promoted = range(1, 3)
    else:
        return inputs
    common = result_dtype([batch.examples[i] for i in promoted])
    return [
        to_dtype(x, common) if i in promoted and m and not batch.rank(i) else x
        for i, (x, m) in enumerate(zip(inputs, batch.mapped, strict=True))
    ]


batches("isclose_to")(elementwise)


@batches("redrawn", "drawn_from", "bernoulli_drawn", "bernoulli_like")
def drawn(batch: Batch):
    """The numbers in the place of all others: the same for all examples, or a batch of them."""
    inputs, values = elementwise_inputs(batch), batch.params["values"]
    shape = inputs[0].array.shape
    return batch.call(*inputs, values=values if values.shape == shape else np.broadcast_to(values, shape))


@batches("masked")
def filled_where(batch: Batch):
    """A number of each example is not the one number that `masked_fill` takes."""
    if not batch.mapped[2]:
        return elementwise(batch)
    x, mask, value = batch.aligned(max(batch.rank(0), batch.rank(1)))
    return choose(mask, cast(value, dtype=batch.examples[0].array.dtype), x)


# By the meaning of parameters.


def moved(dim):
    """Dimensions of an example, as dimensions of the batch."""
    if dim is None:
        return None
    if isinstance(dim, (tuple, list)):
        return tuple([moved(d) for d in dim])
    return dim + 1 if dim >= 0 else dim


DIMS = ("dim", "dims", "dim0", "dim1", "dim2")
SHAPES = ("size", "shape")


def by_names(batch: Batch) -> dict:
    """The parameters for the batch, by what their names mean."""
    params = dict(batch.params)
    for name in DIMS:
        if name in params:
            params[name] = moved(params[name])
    for name in SHAPES:
        if name in params:
            params[name] = (batch.size, *params[name])
    return params


@batches(
    "place_diagonal", "sum_windows", "cumsum_dim", "cummax_dim", "cummin_dim", "argmax_dim", "argmin_dim", "recurrence",
    "shift", "cumprod_dim", "prod_dim", "softmax", "softmax_backward", "log_softmax", "log_softmax_backward",
    "logcumsumexp_dim", "pick", "place", "gather_at", "scatter_zeros", "reduce_at", "sort_dim", "topk_dim",
    "kthvalue_dim", "median_dim", "nanmedian_dim", "mode_dim", "max_dim", "min_dim", "diagonal_view", "unfold_view",
    "swap_dims", "resample", "split_views", "unbind_views", "concatenate",
)  # fmt: skip
def along_dims(batch: Batch):
    """Along dimensions of the example. A number has none: those few are taken one by one."""
    if not all([x.array.ndim for x in batch.examples if isinstance(x, Tensor)]):
        return None
    if ("dim" in batch.params and batch.params["dim"] is None) or batch.params.get("size") == ():
        return None
    return batch.op.call(*batch.all_whole(), **by_names(batch))


@batches(
    "sum_dims", "mean_dims", "amax_dims", "amin_dims", "logsumexp_dims", "vector_norm_dims", "var_dims", "std_dims",
    "spread", "squeeze_dims", "insert_dim", "view_as_shape", "copied_as_shape", "reversed_along", "stacked",
    "all_dims", "any_dims", "count_nonzero_dims",
)  # fmt: skip
def over_dims(batch: Batch):
    """Over any number of dimensions, none included."""
    if any([name in batch.params and batch.params[name] is None for name in DIMS]):
        return None
    return batch.op.call(*batch.all_whole(), **by_names(batch))


@batches("rolled")
def rolled(batch: Batch):
    return None if batch.params["dims"] is None else batch.call(batch.whole(), dims=moved(batch.params["dims"]))


@batches(
    "copied", "convert", "lower", "upper", "reinterpret", "gather_planes", "singular_decomposition",
    "singular_values", "symmetric_eigen", "symmetric_eigenvalues", "inverse", "first_zero_pivot", "determinant",
    "sign_and_log_determinant", "cholesky_lower", "lu_factors", "permutation_matrix", "householder_vectors",
    "pseudoinverse", "symmetric_pseudoinverse", "rank_of_values", "matrix_exponential",
)  # fmt: skip
def trailing(batch: Batch):
    """Only the last dimensions matter: one more in front changes nothing."""
    if batch.op.name == "copied" and batch.params["order"] == "channels_last":
        return None
    return batch.call(*batch.all_whole())


@batches("scatter_planes", "unpool_planes")
def trailing_of_size(batch: Batch):
    return batch.call(*batch.all_whole(), size=(batch.size, *batch.params["size"]))


@batches("resample_adjoint")
def resample_adjoint(batch: Batch):
    return batch.call(batch.whole(), dim=moved(batch.params["dim"]))
