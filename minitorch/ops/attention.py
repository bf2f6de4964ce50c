"""Attention: every query looks at all keys and takes a weighted mean of the values.

    weights = softmax(query key^T / sqrt(d) + mask)        z = weights value

(A. Vaswani et al., "Attention is all you need", 2017, section 3.2; several heads: section 3.2.2.)

It is fused: the kernels never hold the whole matrix of weights. Their gradients, with P the weights, D = the row sums of
g z, and g' the gradient of the rows' log-sum-exp, which the forward pass gives as well:

    dS = P (g value^T - D + g')      query' = scale dS key      key' = scale dS^T query      value' = P^T g
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.lifted import numbers
from ..core.op import GENERAL, KEEP, function, op
from ..core.tensor import Tensor, wrap
from ..dtypes import bool as bool_
from ..dtypes import float32
from ..strided import empty_in_order
from .convert import cast
from .dropout import dropout
from .half import widened
from .join import cat
from .matmul import linear
from .pad import constant_pad


def masked(scores: Tensor, mask: Tensor | None) -> Tensor:
    """The scores with -inf where a bool mask is False, or with a float mask added."""
    if mask is None:
        return scores
    if mask.dtype is bool_:
        return scores.masked_fill(~mask, -math.inf)
    return scores + mask


def attention_weights(scores: Tensor) -> Tensor:
    """softmax over the keys; a query that may look at no key gets weights 0, not nan."""
    if scores.array.shape[-1] == 0:
        return scores
    if not np.isneginf(numbers(scores.array)).all(axis=-1).any():
        return scores.softmax(-1)
    blind = scores.detach().isneginf().all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


def attention_scores(query, key, mask, scale: float, causal: bool):
    """scale query key^T + mask, of tensors or arrays. Both factors carry the root of the scale, as torch has it: neither can
    overflow before the other."""
    root = math.sqrt(abs(scale))
    scores = (query * math.copysign(root, scale)) @ (key * root).swapaxes(-2, -1)
    if mask is not None:
        scores = scores + mask
    if causal:
        hidden = ~np.tri(*scores.shape[-2:], dtype=np.bool_)
        scores = (
            scores + wrap(penalty(hidden, scores.array.dtype))
            if isinstance(scores, Tensor)
            else np.where(hidden, scores.dtype.type(-np.inf), scores)
        )
    return scores


def penalty(hidden: np.ndarray, dtype) -> np.ndarray:
    """A bool mask, True where nobody may look, as numbers to be added: -inf and 0."""
    return np.where(hidden, dtype.type(-np.inf), dtype.type(0))


def weights_and_logs(query, key, mask, scale, causal):
    """The weights P and the log-sum-exp of each row of scores, as arrays; where no key may be seen, 0 and inf."""
    scores = attention_scores(query, key, mask, scale, causal)
    largest = scores.max(-1, keepdims=True)
    largest = np.where(np.isneginf(largest), 0, largest).astype(scores.dtype)
    powers = np.exp(scores - largest)
    total = powers.sum(-1, keepdims=True)
    blind = total == 0
    total[blind] = 1
    logs = np.where(blind, scores.dtype.type(np.inf), largest + np.log(total))
    return powers / total, logs[..., 0]


def _gradients(grad, grad_logs, query, key, value, out, logs, mask=None, *, scale, causal) -> tuple[Tensor, ...]:
    """What `attention_backward` computes, in tensor operations."""
    weights = attention_weights(attention_scores(query, key, mask, scale, causal))
    slopes = grad.matmul(value.transpose(-2, -1))
    slopes = weights * (slopes - (slopes * weights).sum(-1, keepdim=True) + grad_logs.unsqueeze(-1))
    return (
        slopes.matmul(key) * scale,
        slopes.transpose(-2, -1).matmul(query) * scale,
        weights.transpose(-2, -1).matmul(grad),
    )


def like_queries(query: np.ndarray, features: int) -> np.ndarray:
    """An empty array for z, (..., L, Ev): in memory its dimensions have the order of the queries', the last one innermost."""
    order = sorted(range(query.ndim - 1), key=lambda d: -query.strides[d])
    return empty_in_order((*query.shape[:-1], features), (*order, query.ndim - 1), query.dtype)


def head_by_head(array: np.ndarray) -> np.ndarray:
    """An empty array for a gradient: (N, heads, L, E) lies in memory as (N, L, heads, E), which is how torch has it."""
    order = (0, 2, 1, 3) if array.ndim == 4 else range(array.ndim)
    return empty_in_order(array.shape, order, array.dtype)


@op(GENERAL, dtype=KEEP, composite=_gradients)
def attention_backward(grad, grad_logs, query, key, value, out, logs, mask=None, *, scale, causal):
    """query' = scale dS key, key' = scale dS^T query, value' = P^T g, dS = P (g value^T - D + g')."""
    weights, _ = weights_and_logs(query, key, mask, scale, causal)
    slopes = grad @ value.swapaxes(-2, -1)
    slopes -= (grad * out).sum(-1, keepdims=True) - grad_logs[..., None]
    slopes *= weights
    slopes *= np.array(scale, query.dtype)
    results = head_by_head(query), head_by_head(key), head_by_head(value)
    for result, product in zip(
        results, (slopes @ key, slopes.swapaxes(-2, -1) @ query, weights.swapaxes(-2, -1) @ grad), strict=True
    ):
        result[...] = product
    return results


def _attention_rule(g, query, key, value, mask, z, scale, causal):
    return attention_backward(*g, query, key, value, *z, mask, scale=scale, causal=causal)


@op(
    GENERAL,
    dtype=KEEP,
    vjp={("query", "key", "value"): _attention_rule},
    backward_name="ScaledDotProductFlashAttentionForCpuBackward0",
)
def attention(query, key, value, mask=None, *, scale, causal):
    """z = softmax(scale query key^T + mask) value, and the log-sum-exp of each row of scores.

    query (..., L, E), key (..., S, E), value (..., S, Ev), mask: numbers that broadcast to (..., L, S).
    """
    weights, logs = weights_and_logs(query, key, mask, scale, causal)
    z = like_queries(query, value.shape[-1])
    return np.matmul(weights, value, out=z), logs


def causal_mask(queries: int, keys: int) -> Tensor:
    """True where query i may look at key j: j <= i."""
    return wrap(np.tri(queries, keys, dtype=np.bool_))


def check_attention(query, key, value, attn_mask, is_causal, dropout_p) -> None:
    """TypeError or RuntimeError for what `scaled_dot_product_attention` cannot take."""
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if not isinstance(tensor, Tensor):
            found = type(tensor).__name__
            raise TypeError(f"scaled_dot_product_attention(): argument '{name}' must be Tensor, not {found}")
    shapes = [list(t.array.shape) for t in (query, key, value)]
    types = [t.dtype for t in (query, key, value)]
    if len(set(types)) > 1 or not types[0].is_floating_point:
        raise RuntimeError(f"Expected query, key, and value to have the same floating dtype, but got {types}")
    if min(map(len, shapes)) < 2:
        raise RuntimeError(f"Expected query, key, and value to all be at least 2 dimensional, but got shapes {shapes}")
    if shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2]:
        raise RuntimeError(
            "scaled_dot_product_attention(): Expected query (..., L, E), key (..., S, E) and value (..., S, Ev), "
            f"but got shapes {shapes}"
        )
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    if attn_mask is None:
        return
    if is_causal:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if attn_mask.dtype not in (bool_, float32, types[0]):
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{attn_mask.dtype} and query.dtype: {types[0]} instead."
        )


def shared_heads(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values repeated so that every head of the queries has its own (grouped-query attention)."""
    if min(query.array.ndim, key.array.ndim, value.array.ndim) < 3:
        raise IndexError("scaled_dot_product_attention(): enable_gqa needs a dimension of heads at -3")
    heads, key_heads, value_heads = [t.array.shape[-3] for t in (query, key, value)]
    if heads % key_heads or heads % value_heads:
        raise RuntimeError(
            f"Number of heads in key and value must divide the number of heads in query, but got {key_heads}, "
            f"{value_heads} and {heads}"
        )
    return key.repeat_interleave(heads // key_heads, -3), value.repeat_interleave(heads // value_heads, -3)


def _fits(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> bool:
    """Whether the fused operation serves: nothing empty, no batch to be broadcast, no gradient for the mask."""
    q, k, v = query.array, key.array, value.array
    if not (q.size and k.size and v.size and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]):
        return False
    if mask is None:
        return True
    if mask.requires_grad or mask.array.ndim > q.ndim:
        return False
    spread = (*q.shape[:-2], q.shape[-2], k.shape[-2])
    return all(n in (1, m) for n, m in zip(mask.array.shape[::-1], spread[::-1], strict=False))


@function(torch="nn.functional.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
) -> Tensor:  # fmt: skip
    """softmax(scale query key^T + mask) value: query (..., L, E), key (..., S, E), value (..., S, Ev) to (..., L, Ev).

    attn_mask: broadcastable to (..., L, S); bool, True where a query may look, or numbers to be added. is_causal: query
    i sees keys up to i only. scale: default 1 / sqrt(E). dropout_p: applied to the weights, whatever the mode.
    enable_gqa: fewer heads of key and value than of query, each shared by several. Half types are computed in float32.
    """
    check_attention(query, key, value, attn_mask, is_causal, dropout_p)
    if enable_gqa:
        key, value = shared_heads(query, key, value)
    given = query.array.dtype
    query, key, value = widened(query, key, value)
    if scale is None:
        scale = 1 / math.sqrt(max(query.array.shape[-1], 1))
    if dropout_p == 0 and _fits(query, key, value, attn_mask):
        if attn_mask is not None:
            dtype = query.array.dtype
            attn_mask = (
                wrap(penalty(~attn_mask.array, dtype)) if attn_mask.dtype is bool_ else cast(attn_mask, dtype=dtype)
            )
        return cast(attention(query, key, value, attn_mask, scale=scale, causal=is_causal)[0], dtype=given)
    if is_causal:
        attn_mask = causal_mask(query.array.shape[-2], key.array.shape[-2])
    elif attn_mask is not None and attn_mask.dtype is not bool_:
        attn_mask = cast(attn_mask, dtype=query.array.dtype)
    scores = masked(attention_scores(query, key, None, scale, False), attn_mask)
    weights = dropout(attention_weights(scores), dropout_p)
    return cast(weights.matmul(value), dtype=given)


# Several heads, with the projections around them.


def demand(condition: bool, message: str) -> None:
    """AssertionError, which is what torch raises here, unless the condition holds."""
    if not condition:
        raise AssertionError(f"multi_head_attention_forward(): {message}")


def check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads) -> bool:
    """Whether the inputs have a batch dimension; AssertionError where their ranks do not fit together."""
    ndim = query.array.ndim
    demand(ndim in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {ndim}-D query tensor")
    for name, tensor in (("key", key), ("value", value)):
        demand(tensor.array.ndim == ndim, f"expected {name} to be {ndim}-D as query is, found {tensor.array.ndim}-D")
    if key_padding_mask is not None:
        found = key_padding_mask.array.ndim
        demand(found == ndim - 1, f"expected key_padding_mask to be {ndim - 1}-D for {ndim}-D query, found {found}-D")
    if attn_mask is not None:
        shape = attn_mask.array.shape
        demand(len(shape) in (2, 3), f"expected attn_mask to be 2-D or 3-D, found {len(shape)}-D")
        if ndim == 2 and len(shape) == 3:
            expected = (num_heads, query.array.shape[0], key.array.shape[0])
            demand(shape == expected, f"expected attn_mask shape to be {expected} but got {shape}")
    return ndim == 3


def additive(mask: Tensor | None, name: str, dtype: np.dtype) -> Tensor | None:
    """A mask as numbers to be added: a bool one (here True means: do not look) becomes -inf and 0."""
    if mask is None or mask.dtype.is_floating_point:
        return mask
    demand(mask.dtype is bool_, f"only bool and floating types of {name} are supported, got {mask.dtype}")
    return wrap(np.zeros(mask.array.shape, dtype)).masked_fill(mask, -math.inf)


def project_packed(query, key, value, weight, bias) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value through their third of the packed projection; one product for inputs that are the same."""
    size = query.array.shape[-1]
    if query is key and key is value:
        return linear(query, weight, bias).split(size, -1)
    rows = weight.split(size)
    biases = (None, None, None) if bias is None else bias.split(size)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), rows, biases, strict=True))


def project_separately(query, key, value, weights, bias) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value through projections of their own; AssertionError for shapes that do not fit."""
    size = query.array.shape[-1]
    biases = (None, None, None) if bias is None else bias.split(size)
    for name, x, w in zip(("query", "key", "value"), (query, key, value), weights, strict=True):
        expected = (size, x.array.shape[-1])
        demand(w.array.shape == expected, f"expecting {name} weights shape of {expected}, but got {w.array.shape}")
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))


def one_key_more(key, value, extra_key, extra_value, dim: int, *masks) -> list:
    """One more key and value at the end of the source sequence, which no mask hides."""
    longer = [None if mask is None else constant_pad(mask, (0, 1)) for mask in masks]
    return [cat([key, extra_key], dim), cat([value, extra_value], dim), *longer]


def by_head(x: Tensor, heads: int, static: Tensor | None, name: str) -> Tensor:
    """(L, N, E) cut into heads: (N * num_heads, L, head_dim). A static tensor has that shape and is taken instead."""
    length, batch, size = x.array.shape
    rows, head_dim = batch * heads, size // heads
    if static is None:
        return x.reshape(length, rows, head_dim).transpose(0, 1)
    shape = static.array.shape
    demand(shape[0] == rows, f"expecting {name}.size(0) of {rows}, but got {shape[0]}")
    demand(shape[2] == head_dim, f"expecting {name}.size(2) of {head_dim}, but got {shape[2]}")
    return static


def merged_mask(attn_mask, key_padding_mask, batch: int, heads: int, source: int):
    """One mask (1 or N * num_heads, 1 or L, S) of the mask of the pairs and that of the keys."""
    if key_padding_mask is None:
        return attn_mask
    shape = key_padding_mask.array.shape
    demand(shape == (batch, source), f"expected key_padding_mask of shape {(batch, source)}, but got {shape}")
    keys = key_padding_mask.reshape(batch, 1, 1, source).expand(-1, heads, -1, -1).reshape(batch * heads, 1, source)
    return keys if attn_mask is None else attn_mask + keys


@function(torch="nn.functional.multi_head_attention_forward")
def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
) -> tuple[Tensor, Tensor | None]:
    """Project query, key and value, attend in `num_heads` heads, project the result: (z, weights or None).

    query (L, [N,] E), key (S, [N,] Ek), value (S, [N,] Ev), z (L, [N,] E); weights ([N,] [num_heads,] L, S), the mean
    over the heads unless `average_attn_weights` is False. key_padding_mask ([N,] S) and attn_mask (L, S) or
    (N * num_heads, L, S): bool, True where nobody may look, or numbers to be added. bias_k, bias_v (1, 1, E): one
    learned key and value more; add_zero_attn: one of zeros more. is_causal is a hint about `attn_mask`, which must be
    given with it. AssertionError or RuntimeError for shapes that do not fit.
    """
    batched = check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same = query is key and key is value
        query = query.unsqueeze(1)
        key, value = (query, query) if same else (key.unsqueeze(1), value.unsqueeze(1))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    target, batch, size = query.array.shape
    if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype is not attn_mask.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
            stacklevel=2,
        )
    key_padding_mask = additive(key_padding_mask, "key_padding_mask", query.array.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward(): Need attn_mask if specifying the is_causal hint.")
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = additive(attn_mask, "attn_mask", query.array.dtype)
        is_causal = False
    demand(size == embed_dim_to_check, f"expecting embedding dimension of {embed_dim_to_check}, but got {size}")
    demand(size % num_heads == 0, f"embed_dim {size} not divisible by num_heads {num_heads}")
    matching = slice(2) if use_separate_proj_weight else slice(None)
    demand(
        key.array.shape[matching] == value.array.shape[matching],
        f"key shape {key.array.shape} does not match value shape {value.array.shape}",
    )
    if use_separate_proj_weight:
        projections = {"q_proj_weight": q_proj_weight, "k_proj_weight": k_proj_weight, "v_proj_weight": v_proj_weight}
        for name, weight in projections.items():
            demand(weight is not None, f"use_separate_proj_weight is True but {name} is None")
        q, k, v = project_separately(query, key, value, tuple(projections.values()), in_proj_bias)
    else:
        demand(in_proj_weight is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = project_packed(query, key, value, in_proj_weight, in_proj_bias)
    if attn_mask is not None:
        pairs = (target, len(key.array))
        expected = pairs if attn_mask.array.ndim == 2 else (batch * num_heads, *pairs)
        if attn_mask.array.shape != expected:
            raise RuntimeError(f"The shape of the attn_mask is {attn_mask.array.shape}, but should be {expected}.")
        if attn_mask.array.ndim == 2:
            attn_mask = attn_mask.unsqueeze(0)
    demand((bias_k is None) == (bias_v is None), "bias_k and bias_v must both be given or neither")
    if bias_k is not None:
        demand(static_k is None and static_v is None, "bias cannot be added to static key or value")
        extra_k, extra_v = bias_k.repeat(1, batch, 1), bias_v.repeat(1, batch, 1)
        k, v, attn_mask, key_padding_mask = one_key_more(k, v, extra_k, extra_v, 0, attn_mask, key_padding_mask)
    q = by_head(q, num_heads, None, "query")
    k, v = by_head(k, num_heads, static_k, "static_k"), by_head(v, num_heads, static_v, "static_v")
    if add_zero_attn:
        zeros = wrap(np.zeros((len(k.array), 1, size // num_heads), k.array.dtype))
        k, v, attn_mask, key_padding_mask = one_key_more(k, v, zeros, zeros, 1, attn_mask, key_padding_mask)
    source = k.array.shape[1]
    attn_mask = merged_mask(attn_mask, key_padding_mask, batch, num_heads, source)
    if not training:
        dropout_p = 0.0
    weights = None
    if need_weights:
        scores = masked((q * math.sqrt(1 / q.array.shape[-1])).bmm(k.transpose(-2, -1)), attn_mask)
        weights = scores.softmax(-1)
        if dropout_p > 0:
            weights = dropout(weights, dropout_p)
        z = weights.bmm(v).transpose(0, 1)
        weights = weights.reshape(batch, num_heads, target, source)
        if average_attn_weights:
            weights = weights.mean(1)
        weights = weights if batched else weights.squeeze(0)
    else:
        if attn_mask is not None:
            leading = (1, 1) if len(attn_mask.array) == 1 else (batch, num_heads)
            attn_mask = attn_mask.reshape(*leading, -1, source)
        q, k, v = [x.reshape(batch, num_heads, -1, x.array.shape[-1]) for x in (q, k, v)]
        z = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal).permute(2, 0, 1, 3)
    z = linear(z.reshape(target, batch, size), out_proj_weight, out_proj_bias)
    return (z if batched else z.squeeze(1)), weights
