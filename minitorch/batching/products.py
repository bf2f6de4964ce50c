"""Batching rules of reductions over everything, matrix products, convolution, pooling, normalisation and losses."""

from __future__ import annotations

import functools
from math import prod

from ..core.tensor import Tensor
from ..ops.arithmetic import mul
from ..ops.conv import FAMILY
from ..ops.extrema import amax_dims, amin_dims
from ..ops.half import narrowed, widened
from ..ops.loss import nll_loss, nll_loss_backward
from ..ops.matmul import linear_layer, matmul
from ..ops.norm import norm_backward
from ..ops.permute import permute_dims, transpose_matrix
from ..ops.product import prod_dim
from ..ops.reduce import mean_dims, sum_dims
from ..ops.rms_norm import rms_norm_backward
from ..ops.shape import expand, insert_dim, reshape, squeeze_dims
from .rules import RULES, Batch, batches, moved, with_rank

# All elements of the example: over all dimensions but the first.


def _over_all(name: str, reduce) -> None:
    def rule(batch: Batch):
        return reduce(batch.whole(), dim=tuple(range(1, batch.rank() + 1)), keepdim=False)

    RULES[name] = rule


for _name, _reduce in (("sum_all", sum_dims), ("mean_all", mean_dims), ("max_all", amax_dims), ("min_all", amin_dims)):
    _over_all(_name, _reduce)


def _flat(batch: Batch) -> Tensor:
    return reshape(batch.whole(), (batch.size, prod(batch.shape())))


@batches("prod_all")
def product_of_all(batch: Batch):
    return prod_dim(_flat(batch), dim=1, keepdim=False)


# Matrix products. One matrix for all examples stays one: the product is of a tall matrix with it.


@batches("matmul")
def products(batch: Batch):
    if not batch.mapped[1] and batch.rank(1) == 2:
        return matmul(*batch.values)
    a, b = batch.aligned(max(batch.rank(0), batch.rank(1)))
    # Column times row: NumPy multiplies that faster than it makes matrix products of it.
    return mul(a, b) if batch.shape(0)[-1] == 1 else matmul(a, b)


@batches("mm")
def matrix_products(batch: Batch):
    return mul(*batch.values) if batch.shape(0)[-1] == 1 else matmul(*batch.values)


@batches("mv")
def matrix_vector_products(batch: Batch):
    matrix, vector = batch.values
    if not batch.mapped[0]:
        return matmul(vector, transpose_matrix(matrix))
    column = insert_dim(vector, dim=vector.array.ndim)
    return squeeze_dims(matmul(matrix, column), dims=(2,))


@batches("solve_linear", "solve_triangle", "least_squares", "euclidean_distances")
def pairs_of_matrices(batch: Batch):
    return batch.call(*batch.aligned(max(batch.rank(0), batch.rank(1))))


@batches("orthogonal_triangular")
def factors(batch: Batch):
    """In mode "r" the missing Q is empty, whatever the batch."""
    return None if batch.params["mode"] == "r" else batch.call(batch.whole())


@batches("dot")
def dot_products(batch: Batch):
    a, b = batch.values
    if a.array.dtype.char in "fd":
        return sum_dims(mul(a, b), dim=(1,), keepdim=False)
    # Sums of integers would be int64, products of half types rounded one by one.
    row, column = insert_dim(a, dim=a.array.ndim - 1), insert_dim(b, dim=b.array.ndim)
    return squeeze_dims(matmul(row, column), dims=(1, 2))


@batches("linear_layer")
def layers(batch: Batch):
    if not batch.mapped[1] and (batch.values[2] is None or not batch.mapped[2]):
        return linear_layer(*batch.values)
    x, weight, bias = widened(*batch.values)
    rank = max(batch.rank(0), 2)
    if batch.mapped[0]:
        x = reshape(x, (batch.size, 1, *batch.shape(0))) if batch.rank(0) == 1 else x
    else:
        x = with_rank(insert_dim(x, dim=0), rank)
    if batch.mapped[1]:
        transposed = with_rank(permute_dims(weight, dims=(0, 2, 1)), rank)
    else:
        transposed = transpose_matrix(weight)
    z = matmul(x, transposed)
    if batch.rank(0) == 1:
        z = squeeze_dims(z, dims=(1,))
    if bias is not None:
        z = z + (with_rank(bias, batch.rank(0)) if batch.mapped[2] else bias)
    return narrowed(z, batch.values[0])


@batches("add_product")
def added_products(batch: Batch):
    beta, alpha = batch.params["beta"], batch.params["alpha"]
    rank = max([x.array.ndim for x in batch.examples])
    start, a, b = widened(*batch.aligned(rank))
    z = matmul(a, b)
    z = z * alpha if alpha != 1 else z
    if beta:
        z = start * beta + z if beta != 1 else start + z
    elif not batch.mapped[1] and not batch.mapped[2]:  # only what is multiplied by 0 has examples
        z = expand(z, (batch.size, *z.array.shape[-rank:]))
    return narrowed(z, batch.values[0])


# Images: the examples are more images of one batch, or, where each has a weight of its own, more groups of channels.


def images(x: Tensor) -> Tensor:
    """(B, N, ...) to (B * N, ...)"""
    shape = x.array.shape
    return reshape(x, (shape[0] * shape[1], *shape[2:]))


def examples(x: Tensor, size: int) -> Tensor:
    """(B * N, ...) to (B, N, ...)"""
    shape = x.array.shape
    return reshape(x, (size, shape[0] // size if size else 0, *shape[1:]))


def beside(x: Tensor) -> Tensor:
    """(B, N, C, ...) to (N, B * C, ...): the channels of all examples side by side"""
    size, n, channels, *rest = x.array.shape
    order = (1, 0, *range(2, x.array.ndim))
    return reshape(permute_dims(x, dims=order), (n, size * channels, *rest))


def apart(x: Tensor, size: int) -> Tensor:
    """(N, B * C, ...) to (B, N, C, ...)"""
    n, channels, *rest = x.array.shape
    x = reshape(x, (n, size, channels // size, *rest))
    return permute_dims(x, dims=(1, 0, *range(2, x.array.ndim)))


def _of_each(batch: Batch) -> int:
    return batch.params["groups"] * batch.size


def _convolution(n: int) -> None:
    conv, conv_input, conv_weight = FAMILY[n]

    def forward(batch: Batch):
        x, weight = batch.values
        if not batch.size:
            return None
        if not batch.mapped[1]:
            return examples(conv(images(x), weight, **batch.params), batch.size)
        params = {**batch.params, "groups": _of_each(batch)}
        return apart(conv(beside(batch.whole(0)), images(weight), **params), batch.size)

    def of_input(batch: Batch):
        g, weight = batch.values
        size = batch.params["size"]
        if not batch.size:
            return None
        if not batch.mapped[1]:
            params = {**batch.params, "size": (batch.size * size[0], *size[1:])}
            return examples(conv_input(images(g), weight, **params), batch.size)
        params = {**batch.params, "size": (size[0], batch.size * size[1], *size[2:]), "groups": _of_each(batch)}
        return apart(conv_input(beside(batch.whole(0)), images(weight), **params), batch.size)

    def of_weight(batch: Batch):
        size = batch.params["size"]
        if not batch.size:
            return None
        params = {**batch.params, "size": (batch.size * size[0], *size[1:]), "groups": _of_each(batch)}
        return examples(conv_weight(beside(batch.whole(0)), beside(batch.whole(1)), **params), batch.size)

    RULES[f"conv{n}d"], RULES[f"conv{n}d_input"], RULES[f"conv{n}d_weight"] = forward, of_input, of_weight


for _n in (1, 2, 3):
    _convolution(_n)


@batches("im2col", "col2im")
def patches(batch: Batch):
    return examples(batch.call(images(batch.whole())), batch.size) if batch.size else None


@batches(
    "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d", "avg_pool2d_backward",
    "avg_pool3d_backward", "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices",
)  # fmt: skip
def pooled(batch: Batch):
    """Planes of any number: the kernels take (N, C, ...) and (C, ...)."""
    x = batch.whole()
    n = len(batch.params["output_size"]) if "output_size" in batch.params else len(batch.params["kernel_size"])
    params = {}
    if batch.rank() == n + 1:
        if "size" in batch.params:
            params["size"] = (batch.size, *batch.params["size"])
        return batch.call(x, **params)
    if not batch.size:
        return None
    if "size" in batch.params:
        size = batch.params["size"]
        params["size"] = (batch.size * size[0], *size[1:])
    out = batch.call(images(x), **params)
    return tuple([examples(z, batch.size) for z in out]) if isinstance(out, tuple) else examples(out, batch.size)


# Normalisation: weights broadcast from the right, as in the declaration.


@batches("batch_norm_train", "instance_norm", "layer_norm", "group_norm", "root_mean_square_norm")
def normalised(batch: Batch):
    """The kernels take one weight for all: what differs from example to example is multiplied in after them."""
    rest = batch.aligned(batch.rank())[1:]
    if not batch.size:
        return None
    out = _over_examples(batch, batch.call, [batch.whole()], [None for _ in rest])
    z, statistics = (out[0], out[1:]) if isinstance(out, tuple) else (out, None)
    weight, bias = (*rest, None)[:2]
    z = z if weight is None else z * weight
    z = z if bias is None else z + bias
    return z if statistics is None else (z, *statistics)


def _over_examples(batch: Batch, norm, tensors: list, others: list):
    """`norm` of batches (B, *shape): statistics over the first dimension and some others are those of channels, which
    the examples have side by side; else they run over the last dimensions."""
    dims, rank = batch.params["dims"], tensors[0].array.ndim - 1
    if dims[0] or len(dims) == rank:
        return norm(*tensors, *others, dims=moved(dims))
    out = norm(*[beside(x) for x in tensors], *others, dims=dims)
    return tuple([apart(z, batch.size) for z in out])


def _over_repeated(x: Tensor, size: int, shape: tuple[int, ...]) -> Tensor:
    """The sum over what a weight of `shape` was repeated along, in every example."""
    extra = x.array.ndim - 1 - len(shape)
    repeated = [d for d in range(x.array.ndim - 1) if d < extra or shape[d - extra] != x.array.shape[d + 1]]
    return reshape(sum_dims(x, dim=tuple([d + 1 for d in repeated]), keepdim=True), (size, *shape))


@batches("norm_backward")
def normalised_gradients(batch: Batch):
    eps, i = batch.params["eps"], 3
    grad, grad_mean, grad_var, x, mean, var, weight = batch.aligned(batch.rank(i))
    grad, x = (with_rank(batch.whole(k), batch.rank(i)) for k in (0, i))
    h = grad if weight is None else grad * weight
    if not batch.size:
        return None
    tensors = [h, *[batch.whole(k) for k in (1, 2, 3, 4, 5)]]
    (gx,) = _over_examples(batch, functools.partial(norm_backward, eps=eps), tensors, [])
    if weight is None:
        return (gx,)
    xhat = (x - mean) / (var + eps).sqrt()
    shape = batch.shape(6)
    return gx, _over_repeated(grad * xhat, batch.size, shape), _over_repeated(grad, batch.size, shape)


@batches("rms_norm_backward")
def rms_normalised_gradients(batch: Batch):
    eps, dims = batch.params["eps"], moved(batch.params["dims"])
    grad, x = batch.whole(0), batch.whole(1)
    weight = batch.aligned(batch.rank(1))[2]
    gx = rms_norm_backward(grad if weight is None else grad * weight, x, dims=dims, eps=eps)[0]
    if weight is None:
        return (gx,)
    xhat = x * (mean_dims(x * x, dim=dims, keepdim=True) + eps).rsqrt()
    return gx, _over_repeated(grad * xhat, batch.size, batch.shape(2))


@batches("batch_norm_eval")
def normalised_by_running(batch: Batch):
    """The kernel takes (N, C, ...): the examples are more of the N, unless the statistics differ among them."""
    x, *rest = batch.values
    if not any(batch.mapped[1:]) and batch.size:
        return examples(batch.call(images(x), *rest), batch.size)
    _, mean, var, weight, bias = batch.aligned(batch.rank())
    z = (batch.whole() - mean) / (var + batch.params["eps"]).sqrt()
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


@batches("batch_norm_eval_weight")
def gradients_by_running(batch: Batch):
    _, x, mean, var = batch.aligned(batch.rank(1))
    if not batch.size:
        return None
    grad, shape = batch.whole(0), batch.shape(2)
    xhat = (x - mean) / (var + batch.params["eps"]).sqrt()
    return _over_repeated(grad * xhat, batch.size, shape), _over_repeated(grad, batch.size, shape)


# Losses: each element's own, then their mean or sum over the example.


@batches("mse", "smooth_l1", "huber", "bce", "bce_with_logits", "soft_margin")
def losses(batch: Batch):
    reduction = batch.params["reduction"]
    rank = max([x.array.ndim for x in batch.examples if isinstance(x, Tensor)])
    z = batch.call(*batch.aligned(rank), reduction="none")
    if reduction == "none":
        return z
    over = tuple(range(1, z.array.ndim))
    return (sum_dims if reduction == "sum" else mean_dims)(z, dim=over, keepdim=False)


def _class_weights(batch: Batch, i: int):
    """Whether the rules below know what to do: weights of classes are the same for all examples, or there are none."""
    return not batch.mapped[i] and batch.size


def _totals(batch: Batch, targets: Tensor, weight, ignored: int, like: Tensor) -> Tensor:
    """What the mean of each example's losses is divided by: the sum of the weights of its targets."""
    counts = (targets != ignored).to(like.dtype)
    if weight is not None:
        counts = counts * weight[targets.clamp(0, len(weight) - 1)]
    return counts.sum(tuple(range(1, counts.array.ndim))) if counts.array.ndim > 1 else counts


@batches("nll_loss")
def class_losses(batch: Batch):
    if not _class_weights(batch, 2):
        return None
    x, targets, weight = batch.whole(0), batch.whole(1), batch.values[2]
    reduction, ignored = batch.params["reduction"], batch.params["ignore_index"]
    single = batch.rank(0) == 1
    z = nll_loss(
        x if single else images(x), targets if single else images(targets), weight, ignore_index=ignored,
        reduction="none",
    )  # fmt: skip
    z = z if single else examples(z, batch.size)
    if reduction == "none":
        return z
    total = z if single else z.sum(tuple(range(1, z.array.ndim)))
    return total if reduction == "sum" else total / _totals(batch, targets, weight, ignored, x)


@batches("nll_loss_backward")
def class_loss_gradients(batch: Batch):
    if not _class_weights(batch, 2):
        return None
    g, targets, weight = batch.whole(0), batch.whole(1), batch.values[2]
    size, reduction, ignored = batch.params["size"], batch.params["reduction"], batch.params["ignore_index"]
    if reduction == "mean":
        if weight is not None:
            return None
        g = g / _totals(batch, targets, weight, ignored, g)
    if reduction != "none":
        shape = targets.array.shape
        g = expand(reshape(g, (batch.size, *(1,) * (len(shape) - 1))), shape)
    single = len(size) == 1
    out = nll_loss_backward(
        g if single else images(g), targets if single else images(targets), weight,
        size=(batch.size, *size) if single else (batch.size * size[0], *size[1:]), ignore_index=ignored,
        reduction="none",
    )  # fmt: skip
    return out if single else examples(out, batch.size)
