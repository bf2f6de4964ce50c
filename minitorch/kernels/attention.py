"""Scaled dot-product attention without the matrix of scores, forward and backward.

    S = scale Q K^T + mask        P = softmax(S)        Z = P V        Q (L, E), K (S, E), V (S, Ev), for every head

S has L * S numbers a head: for a thousand tokens, sixteen times what Q has. Written to memory and read again by softmax and
by the second product it costs more than the arithmetic. But a row of Z needs a row of S only, and that only piece by
piece: keep for every query the largest score m so far and the sum l of exp(score - m), and when a larger one comes, shrink
what was summed up by exp(m_old - m_new) (M. Milakov, N. Gimelshein: Online normalizer calculation for softmax, 2018;
M. Rabe, C. Staats: Self-attention does not need O(n^2) memory, 2021; T. Dao et al.: FlashAttention, 2022).

                     QUERIES columns                   A tile of scores is held transposed, keys down and queries
                    +---------------+                  across. Then everything along the keys (maximum, sum, rescaling)
       KEYS rows    |  S^T -> P^T   |                  is done for a vector of queries at once, and both products have
                    +---------------+                  the form of simd.outer_tile, whose operands lie there as they
       K Q^T        Z^T += V^T P^T                     are: nothing is packed.

The backward pass (algorithm 4 of the paper) computes P again from Q, K and the row's log-sum-exp, which the forward pass
kept. With D = the row sums of dZ * Z:

    dP = dZ V^T        dS = P (dP - D)        dV = P^T dZ        dK = scale dS^T Q        dQ = scale dS K

Multiply-adds: 2 L S E forward and 5 L S E backward. Memory: tiles of some 50 KB a thread. A head is one task.
"""

import math

import numpy as np

from . import threads
from .elementary import exp
from .jit import inner, njit, plain, take
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS, outer_tile

__all__ = ["attention", "attention_backward"]

QUERIES = 64  # queries of a tile
KEYS = 48  # keys of a tile: with the tiles of q and z some 45 KB for heads of 64 numbers
OPTIONS = dict(fastmath={"contract"}, error_model="numpy")


@inner(**OPTIONS)
def transpose(out, x, start, count, width, factor):
    """out[k, j] = factor * x[start + j * width + k] for j < count, and 0 up to QUERIES."""
    kind = x.dtype.type
    out[:] = 0
    for j in range(count):
        row = x[start + j * width : start + (j + 1) * width]
        for k in range(width):
            out[k * QUERIES + j] = row[k] * kind(factor)


@inner(**OPTIONS)
def product(
    out, out_start, out_pitch, left, left_start, row_step, k_step, right, right_start, right_pitch, sizes, accumulate
):
    """out[r, j] (+)= sum over k of left[r, k] * right[k, j], for (rows, k, columns) = sizes, each where its start and steps say.

    columns is a multiple of a tile's.
    """
    rows, count, columns = sizes
    width = VECTORS * BITS // (8 * out.itemsize)
    for r in range(0, rows, ROWS):
        for j in range(0, columns, width):
            outer_tile(
                out, out_start + r * out_pitch + j, out_pitch, left, left_start + r * row_step, row_step, k_step,
                right, right_start + j, right_pitch, count, rows - r, accumulate,
            )  # fmt: skip


@inner(**OPTIONS)
def scores(tile, key, key_start, q, embedding, count, first_key, first_query, valid, mask, mask_at, length, causal):
    """The transposed tile of scores: keys first_key .. + count, queries first_query .. + valid."""
    kind = tile.dtype.type
    sizes = (count, embedding, QUERIES)
    product(tile, 0, QUERIES, key, key_start + first_key * embedding, embedding, 1, q, 0, QUERIES, sizes, False)
    for i in range(count):
        row = tile[i * QUERIES : (i + 1) * QUERIES]
        if len(mask):
            at = mask_at + (first_key + i) * length + first_query
            added = mask[at : at + valid]
            for j in range(valid):
                row[j] += added[j]
        if causal:
            row[: min(QUERIES, max(0, first_key + i - first_query))] = kind(-np.inf)


@njit(**OPTIONS)
def forward(counter, query, key, value, mask, mask_starts, out, logs, sizes, scale, causal):
    """One thread. query (heads, L, E), key (heads, S, E), value (heads, S, Ev), out (heads, L, Ev), logs (heads, L): flat.

    mask: flat numbers to be added, [.., key, query], empty for none; those of head h begin at mask_starts[h].
    """
    heads, length, source, embedding, features = sizes
    kind, dtype = query.dtype.type, query.dtype
    lowest = kind(-np.inf)
    q, tile = np.empty(embedding * QUERIES, dtype), np.empty(KEYS * QUERIES, dtype)
    z = np.empty(features * QUERIES, dtype)
    largest, total = np.empty(QUERIES, dtype), np.empty(QUERIES, dtype)
    shift, shrink = np.empty(QUERIES, dtype), np.empty(QUERIES, dtype)
    head = take(counter)
    while head < heads:
        for first_query in range(0, length, QUERIES):
            valid = min(QUERIES, length - first_query)
            transpose(q, query, (head * length + first_query) * embedding, valid, embedding, scale)
            largest[:] = lowest
            total[:] = 0
            z[:] = 0
            for first_key in range(0, source, KEYS):
                if causal and first_key > first_query + valid - 1:
                    break
                count = min(KEYS, source - first_key)
                cut = causal and first_key + count - 1 > first_query
                scores(
                    tile, key, head * source * embedding, q, embedding, count, first_key, first_query, valid, mask,
                    mask_starts[head], length, cut,
                )  # fmt: skip
                shrink[:] = largest
                for i in range(count):
                    row = tile[i * QUERIES : (i + 1) * QUERIES]
                    for j in range(QUERIES):
                        largest[j] = row[j] if row[j] > largest[j] else largest[j]
                for j in range(QUERIES):
                    # Nothing seen but -inf: any finite number in the place of the maximum gives weights 0.
                    shift[j] = largest[j] if largest[j] > lowest else kind(0)
                    shrink[j] = exp(shrink[j] - shift[j])
                    total[j] *= shrink[j]
                for i in range(count):
                    row = tile[i * QUERIES : (i + 1) * QUERIES]
                    for j in range(QUERIES):
                        row[j] = exp(row[j] - shift[j])
                        total[j] += row[j]
                for f in range(features):
                    row = z[f * QUERIES : (f + 1) * QUERIES]
                    for j in range(QUERIES):
                        row[j] *= shrink[j]
                at = (head * source + first_key) * features
                product(z, 0, QUERIES, value, at, 1, features, tile, 0, QUERIES, (features, count, QUERIES), True)
            for j in range(valid):
                at = (head * length + first_query + j) * features
                factor = kind(0) if total[j] == kind(0) else kind(1) / total[j]
                row = out[at : at + features]
                for f in range(features):
                    row[f] = z[f * QUERIES + j] * factor
                # Where no key may be seen, exp(-inf - inf) makes the weights 0 again.
                log = kind(np.inf) if total[j] == kind(0) else largest[j] + kind(math.log(total[j]))
                logs[head * length + first_query + j] = log
        head = take(counter)


@njit(**OPTIONS)
def backward(
    counter, grad, query, key, value, mask, mask_starts, logs, shares, grad_query, grad_key, grad_value, sizes,
    scale, causal,
):  # fmt: skip
    """One thread. As `forward`; grad, query, key and value have their last size filled up to a multiple of a tile's columns.

    shares: D, flat (heads, L).
    """
    heads, length, source, embedding, features = sizes
    kind, dtype = query.dtype.type, query.dtype
    q, g = np.empty(embedding * QUERIES, dtype), np.empty(features * QUERIES, dtype)
    p, d = np.empty(KEYS * QUERIES, dtype), np.empty(KEYS * QUERIES, dtype)
    dq = np.empty(embedding * QUERIES, dtype)
    log, share = np.empty(QUERIES, dtype), np.empty(QUERIES, dtype)
    head = take(counter)
    while head < heads:
        for first_query in range(0, length, QUERIES):
            valid = min(QUERIES, length - first_query)
            rows_q, rows_g = (head * length + first_query) * embedding, (head * length + first_query) * features
            transpose(q, query, rows_q, valid, embedding, scale)
            transpose(g, grad, rows_g, valid, features, 1.0)
            log[:] = np.inf
            share[:] = 0
            for j in range(valid):
                log[j] = logs[head * length + first_query + j]
                share[j] = shares[head * length + first_query + j]
            dq[:] = 0
            for first_key in range(0, source, KEYS):
                if causal and first_key > first_query + valid - 1:
                    break
                count = min(KEYS, source - first_key)
                cut = causal and first_key + count - 1 > first_query
                scores(
                    p, key, head * source * embedding, q, embedding, count, first_key, first_query, valid, mask,
                    mask_starts[head], length, cut,
                )  # fmt: skip
                at_k, at_v = (head * source + first_key) * embedding, (head * source + first_key) * features
                product(d, 0, QUERIES, value, at_v, features, 1, g, 0, QUERIES, (count, features, QUERIES), False)
                for i in range(count):
                    weights, slopes = p[i * QUERIES : (i + 1) * QUERIES], d[i * QUERIES : (i + 1) * QUERIES]
                    for j in range(QUERIES):
                        weights[j] = exp(weights[j] - log[j])
                        slopes[j] = weights[j] * (slopes[j] - share[j])
                sizes_v, sizes_k = (count, valid, features), (count, valid, embedding)
                product(grad_value, at_v, features, p, 0, QUERIES, 1, grad, rows_g, features, sizes_v, True)
                product(grad_key, at_k, embedding, d, 0, QUERIES, 1, query, rows_q, embedding, sizes_k, True)
                product(dq, 0, QUERIES, key, at_k, 1, embedding, d, 0, QUERIES, (embedding, count, QUERIES), True)
            for j in range(valid):
                row = grad_query[rows_q + j * embedding : rows_q + (j + 1) * embedding]
                for k in range(embedding):
                    row[k] = dq[k * QUERIES + j] * kind(scale)
        row = grad_key[head * source * embedding : (head + 1) * source * embedding]
        for i in range(len(row)):
            row[i] *= kind(scale)
        head = take(counter)


def mask_table(mask, batch, length, source, dtype):
    """(the mask as flat numbers [.., key, query], where each head's part begins in it)."""
    heads = math.prod(batch)
    if mask is None:
        return np.empty(0, dtype), np.zeros(heads, np.int64)
    mask = np.broadcast_to(mask, (*mask.shape[:-2], length, source))
    mask = np.ascontiguousarray(mask.swapaxes(-2, -1), dtype)
    starts = np.zeros(batch, np.int64)
    for d, step in enumerate(np.broadcast_to(mask, (*batch, source, length)).strides[: len(batch)]):
        starts += (np.arange(batch[d]) * (step // mask.itemsize)).reshape(-1, *[1] * (len(batch) - 1 - d))
    return mask.reshape(-1), starts.reshape(-1)


def filled(array, columns):
    """The array with its last size filled up with zeros to a multiple of `columns`, in C order."""
    missing = -array.shape[-1] % columns
    if not missing:
        return plain(array)
    return np.concatenate((array, np.zeros((*array.shape[:-1], missing), array.dtype)), -1)


@accelerates("attention")
def attention(query, key, value, mask=None, *, scale, causal):
    """(z, the log-sum-exp of each row of scores)."""
    *batch, length, embedding = query.shape
    source, features = value.shape[-2:]
    dtype = query.dtype
    out, logs = np.empty((*batch, length, features), dtype), np.empty((*batch, length), dtype)
    heads = math.prod(batch)
    arrays = [plain(a).reshape(-1) for a in (query, key, value)]
    work = heads * length * source * (embedding + features)
    threads.run(
        forward, threads.threads_for(work), *arrays, *mask_table(mask, tuple(batch), length, source, dtype), out.reshape(-1),
        logs.reshape(-1), (heads, length, source, embedding, features), scale, causal,
    )  # fmt: skip
    return out, logs


@accelerates("attention_backward")
def attention_backward(grad, grad_logs, query, key, value, out, logs, mask=None, *, scale, causal):
    """The gradients of query, key and value."""
    *batch, length, embedding = query.shape
    source, features = value.shape[-2:]
    dtype = query.dtype
    columns = VECTORS * BITS // (8 * dtype.itemsize)
    inner_products = np.einsum("...f,...f->...", grad, out) - grad_logs
    grad, query, key, value = (filled(a, columns) for a in (grad, query, key, value))
    results = [np.zeros(a.shape, dtype) for a in (query, key, value)]
    heads = math.prod(batch)
    work = 5 * heads * length * source * embedding
    threads.run(
        backward, threads.threads_for(work), *[a.reshape(-1) for a in (grad, query, key, value)],
        *mask_table(mask, tuple(batch), length, source, dtype), plain(logs).reshape(-1), inner_products.reshape(-1),
        *[a.reshape(-1) for a in results], (heads, length, source, query.shape[-1], value.shape[-1]), scale, causal,
    )  # fmt: skip
    return tuple([a[..., :n] for a, n in zip(results, (embedding, embedding, features), strict=True)])
