"""Scaled dot-product attention without the matrix of scores, forward and backward.

    S = scale Q K^T + mask        P = softmax(S)        Z = P V        Q (L, E), K (S, E), V (S, Ev), for every head

S has L * S numbers a head: for a thousand tokens, sixteen times what Q has. Written to memory and read again by softmax and
by the second product it costs more than the arithmetic. But a row of Z needs a row of S only, and that only piece by
piece: keep for every query the largest score m so far and the sum l of exp(score - m), and when a larger one comes, shrink
what was summed up by exp(m_old - m_new) (M. Milakov, N. Gimelshein: Online normalizer calculation for softmax, 2018;
M. Rabe, C. Staats: Self-attention does not need O(n^2) memory, 2021; T. Dao et al.: FlashAttention, 2022).

                 KEYS columns                    for each block of keys: K^T and V are packed into panels, once for all
                +------------------+             queries of the head
      some rows |  S -> P          |               for each few rows of queries
                +------------------+                 S = Q K^T: rows of Q as they are, panels of K^T
       Q K^T        Z += P V                         softmax along the rows, which are runs of memory
                                                     Z += P V: rows of P, panels of V

Most sequences fit one block of keys, where nothing has ever to be shrunk. Both products have the form of simd.outer_tile, whose
left operand may lie anywhere: heads that are slices of one projection are read where they are. Where every query sees the keys
before it only, each tile leaves out what no query of it sees.

The backward pass (algorithm 4 of the paper) computes P again from Q, K and the row's log-sum-exp, which the forward pass
kept. With D = the row sums of dZ * Z:

    dP = dZ V^T        dS = scale P (dP - D)        dV = P^T dZ        dK = dS^T Q        dQ = dS K

Multiply-adds: 2 L S E forward and 5 L S E backward. Memory: panels and tiles of some 200 KB a thread. A head is one task.
"""

import functools
import math

import numpy as np

from ..ops.attention import head_by_head, like_queries
from . import threads
from .elementary import add, exp, larger
from .jit import inner, njit, plain, take
from .moves import pack_panel, zero_run
from .registry import accelerates
from .simd import BITS, ROWS, VECTORS, outer_tile

__all__ = ["attention", "attention_backward"]

KEYS = 256  # keys of a block: its panels stay in the L2 cache
QUERIES = 4 * ROWS  # queries of a tile of scores
CHAIN = 64  # products of weights and values that are added up one by one: rounding grows with their number
KEYS_BACK, QUERIES_BACK = 128, 8 * ROWS  # the gradients of keys and values sum over the queries of a tile: more of them
OPTIONS = dict(fastmath={"contract"}, error_model="numpy")


@inner
def blocks_of(count, most, multiple):
    """The size of equal blocks of at most `most`, a multiple of `multiple`."""
    blocks = (count + most - 1) // most
    return ((count + blocks - 1) // blocks + multiple - 1) // multiple * multiple


@inner
def pack_across(panels, x, start, row_step, count, size, width, lanes):
    """Rows (count, size) as the columns of panels (ceil(count / width), size, width)."""
    for j in range(0, count, width):
        pack_panel(panels, j * size, x, start + j * row_step, 1, row_step, size, min(width, count - j), lanes)


@inner
def pack_along(panels, x, start, row_step, count, size, width, lanes):
    """Rows (count, size) as panels (ceil(size / width), count, width)."""
    for j in range(0, size, width):
        pack_panel(panels, j * count, x, start + j, row_step, 1, count, min(width, size - j), lanes)


@inner
def product(out, to, pitch, left, at, row_step, k_step, panels, spare, sizes, accumulate, width):
    """out[to + r * pitch + j] (+)= sum over k of left[at + r * row_step + k * k_step] * panel[k, j]

    for (rows, k, columns, steps) = sizes, of panels that have `steps` rows each.
    """
    rows, count, columns, steps = sizes
    for j in range(0, columns, width):
        for r in range(0, rows, ROWS):
            whole = j + width <= columns
            for k in range(0, max(1, count), CHAIN):
                start, a, few = j * steps + k * width, at + r * row_step + k * k_step, min(CHAIN, count - k)
                if whole:
                    outer_tile(
                        out, to + r * pitch + j, pitch, left, a, row_step, k_step, panels, start, width, few, rows - r,
                        accumulate or k > 0,
                    )  # fmt: skip
                else:  # a tile stores whole vectors: not past the end of a row
                    outer_tile(
                        spare, 0, width, left, a, row_step, k_step, panels, start, width, few, rows - r, k > 0
                    )  # fmt: skip
            if not whole:
                for i in range(r, min(r + ROWS, rows)):
                    for f in range(columns - j):
                        place = to + i * pitch + j + f
                        out[place] = spare[(i - r) * width + f] + (out[place] if accumulate else 0)


@inner
def seen(row, first_key, count, causal):
    """How many keys of a block that begins at first_key the query `row` may look at."""
    return max(0, min(count, row + 1 - first_key)) if causal else count


@inner(**OPTIONS)
def dots(tile, pitch, left, at, row_step, panels, first_query, rows, first_key, count, size, causal, width):
    """tile[r, j] = left[first_query + r] . column j of the panels, for the keys that some query of the same ROWS sees."""
    for j in range(0, count, width):
        for r in range(0, rows, ROWS):
            last = first_query + min(r + ROWS, rows) - 1
            if seen(last, first_key, count, causal) > j:
                outer_tile(
                    tile, r * pitch + j, pitch, left, at + r * row_step, row_step, 1, panels, j * size, width, size,
                    rows - r, False,
                )  # fmt: skip


@inner(**OPTIONS)
def score(row, scale, mask, mask_at):
    """The products of a query with the keys it may see become its scores: scaled and masked. Returns the largest."""
    kind = row.dtype.type
    factor, greatest = kind(scale), kind(-np.inf)
    if len(mask):
        added = mask[mask_at : mask_at + len(row)]
        for j in range(len(row)):
            row[j] = row[j] * factor + added[j]
            greatest = larger(row[j], greatest)
    else:
        for j in range(len(row)):
            row[j] *= factor
            greatest = larger(row[j], greatest)
    return greatest


@njit(**OPTIONS)
def forward(counter, query, key, value, mask, starts, steps, out, logs, sizes, scale, causal, lanes):
    """One thread. query (heads, L, E), key (heads, S, E), value (heads, S, Ev), out (heads, L, Ev): flat memory, in which head h
    begins at starts[h] and rows follow each other by `steps`, in this order, the mask last. logs: (heads, L).

    mask: numbers to be added, [.., query, key], empty for none.
    """
    heads, length, source, embedding, features = sizes
    kind, dtype, width = query.dtype.type, query.dtype, VECTORS * lanes
    lowest = kind(-np.inf)
    block = blocks_of(source, KEYS, width)
    across = np.empty(block * embedding, dtype)
    along = np.empty((features + width - 1) // width * width * block, dtype)
    tile, spare = np.empty(QUERIES * block, dtype), np.empty(ROWS * width, dtype)
    largest, total = np.empty(length, dtype), np.empty(length, dtype)
    head = take(counter, heads)
    while head < heads:
        query_at, key_at, value_at, out_at, mask_at = starts[head]
        largest[:] = lowest
        total[:] = 0
        for first_key in range(0, source, block):
            count = min(block, source - first_key)
            pack_across(across, key, key_at + first_key * steps[1], steps[1], count, embedding, width, lanes)
            pack_along(along, value, value_at + first_key * steps[2], steps[2], count, features, width, lanes)
            for first in range(first_key // ROWS * ROWS if causal else 0, length, QUERIES):
                rows = min(QUERIES, length - first)
                at = query_at + first * steps[0]
                dots(
                    tile, block, query, at, steps[0], across, first, rows, first_key, count, embedding, causal, width
                )  # fmt: skip
                for r in range(rows):
                    i = first + r
                    visible = seen(i, first_key, count, causal)
                    reach = seen(first + min(r // ROWS * ROWS + ROWS, rows) - 1, first_key, count, causal)
                    row = tile[r * block : r * block + reach]
                    before = largest[i]
                    found = score(row[:visible], scale, mask, mask_at + i * steps[4] + first_key)
                    greatest = larger(found, before)
                    # Nothing seen but -inf: any finite number in the place of the maximum gives weights 0.
                    shift = greatest if greatest > lowest or greatest != greatest else kind(0)
                    part = kind(0)
                    for j in range(visible):
                        row[j] = exp(row[j] - shift)
                        part = add(part, row[j])
                    row[visible:] = 0
                    if first_key > 0:
                        shrink = exp(before - shift)
                        part += total[i] * shrink
                        z = out[out_at + i * steps[3] : out_at + i * steps[3] + features]
                        for f in range(features):
                            z[f] *= shrink
                    largest[i], total[i] = greatest, part
                for r in range(0, rows, ROWS):
                    few = min(ROWS, rows - r)
                    product(
                        out, out_at + (first + r) * steps[3], steps[3], tile, r * block, block, 1, along, spare,
                        (few, seen(first + r + few - 1, first_key, count, causal), features, count), first_key > 0, width,
                    )  # fmt: skip
        for i in range(length):
            z = out[out_at + i * steps[3] : out_at + i * steps[3] + features]
            factor = kind(0) if total[i] == kind(0) else kind(1) / total[i]
            for f in range(features):
                z[f] *= factor
            # Where no key may be seen, exp(-inf - inf) makes the weights 0 again.
            log = kind(np.inf) if total[i] == kind(0) else largest[i] + kind(math.log(total[i]))
            logs[head * length + i] = log
        head = take(counter, heads)


@njit(**OPTIONS)
def backward(
    counter, grad, query, key, value, out, mask, starts, steps, logs, grad_logs, grad_query, grad_key, grad_value, sizes,
    scale, causal, lanes,
):  # fmt: skip
    """One thread. As `forward`; starts and steps: of grad, query, key, value, out, their gradients, the mask."""
    heads, length, source, embedding, features = sizes
    kind, dtype, width = query.dtype.type, query.dtype, VECTORS * lanes
    block, tall = blocks_of(source, KEYS_BACK, width), blocks_of(length, QUERIES_BACK, ROWS)
    wide_e, wide_f = (embedding + width - 1) // width * width, (features + width - 1) // width * width
    key_across, value_across = np.empty(block * embedding, dtype), np.empty(block * features, dtype)
    key_along = np.empty(block * wide_e, dtype)
    query_along, grad_along = np.empty(tall * wide_e, dtype), np.empty(tall * wide_f, dtype)
    p, d = np.empty(tall * block, dtype), np.empty(tall * block, dtype)
    spare = np.empty(ROWS * width, dtype)
    head = take(counter, heads)
    while head < heads:
        g_at, query_at, key_at, value_at, out_at, to_query, to_key, to_value, mask_at = starts[head]
        g_step, q_step, k_step, v_step, out_step, step_to_q, step_to_k, step_to_v, mask_step = steps
        for first_key in range(0, source, block):
            count = min(block, source - first_key)
            at_k, at_v = key_at + first_key * k_step, value_at + first_key * v_step
            pack_across(key_across, key, at_k, k_step, count, embedding, width, lanes)
            pack_across(value_across, value, at_v, v_step, count, features, width, lanes)
            pack_along(key_along, key, at_k, k_step, count, embedding, width, lanes)
            to_k, to_v = to_key + first_key * step_to_k, to_value + first_key * step_to_v
            for j in range(count):
                zero_run(grad_key, to_k + j * step_to_k, embedding)
                zero_run(grad_value, to_v + j * step_to_v, features)
            for first in range(first_key // ROWS * ROWS if causal else 0, length, tall):
                rows = min(tall, length - first)
                at_q, at_g = query_at + first * q_step, g_at + first * g_step
                pack_along(query_along, query, at_q, q_step, rows, embedding, width, lanes)
                pack_along(grad_along, grad, at_g, g_step, rows, features, width, lanes)
                reach = seen(first + rows - 1, first_key, count, causal)
                dots(p, block, query, at_q, q_step, key_across, first, rows, first_key, reach, embedding, causal, width)
                dots(d, block, grad, at_g, g_step, value_across, first, rows, first_key, reach, features, causal, width)
                for r in range(rows):
                    i = first + r
                    g = grad[at_g + r * g_step : at_g + r * g_step + features]
                    z = out[out_at + i * out_step : out_at + i * out_step + features]
                    share = -grad_logs[head * length + i]
                    for f in range(features):
                        share = add(share, g[f] * z[f])
                    weights, slopes = p[r * block : r * block + reach], d[r * block : r * block + reach]
                    visible = seen(i, first_key, count, causal)
                    score(weights[:visible], scale, mask, mask_at + i * mask_step + first_key)
                    log, factor = logs[head * length + i], kind(scale)
                    for j in range(visible):
                        weights[j] = exp(weights[j] - log)
                        slopes[j] = weights[j] * (slopes[j] - share) * factor
                    weights[visible:] = 0
                    slopes[visible:] = 0
                by_keys_f, by_keys_e = (reach, rows, features, rows), (reach, rows, embedding, rows)
                product(grad_value, to_v, step_to_v, p, 0, 1, block, grad_along, spare, by_keys_f, True, width)
                product(grad_key, to_k, step_to_k, d, 0, 1, block, query_along, spare, by_keys_e, True, width)
                by_queries, to_q = (rows, reach, embedding, count), to_query + first * step_to_q
                product(grad_query, to_q, step_to_q, d, 0, block, 1, key_along, spare, by_queries, first_key > 0, width)
        head = take(counter, heads)


def memory(array):
    """An array whose rows are runs of memory, and its memory from the first element on, flat; any other is copied before."""
    flags, itemsize = array.flags, array.itemsize
    if flags.carray:
        return array, array.reshape(-1)
    if min(array.strides) < 0 or array.strides[-1] != itemsize or not (flags.writeable and flags.aligned):
        array = array.copy(order="C")
        return array, array.reshape(-1)
    span = 1 + sum([(n - 1) * (step // itemsize) for n, step in zip(array.shape, array.strides, strict=True)])
    return array, np.lib.stride_tricks.as_strided(array, (span,), (itemsize,))


@functools.lru_cache(256)
def places(batch, itemsize, *strides):
    """(where each head starts in the memory of arrays with these strides: (heads, arrays), the step from row to row in each)."""
    starts = np.zeros((*batch, len(strides)), np.int64)
    for i, steps in enumerate(strides):
        for d, n in enumerate(batch):
            starts[..., i] += (np.arange(n) * (steps[d] // itemsize)).reshape(-1, *[1] * (len(batch) - 1 - d))
    return starts.reshape(-1, len(strides)), tuple([steps[-2] // itemsize for steps in strides])


def mask_rows(mask, shape, dtype):
    """The mask as numbers whose rows are runs of memory, its memory, and its strides when it is broadcast to `shape`."""
    if mask is None:
        return np.empty(0, dtype), (0,) * len(shape)
    mask = plain(np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-1], shape[-1])), dtype))
    return mask.reshape(-1), np.broadcast_to(mask, shape).strides


@accelerates("attention")
def attention(query, key, value, mask=None, *, scale, causal):
    """(z, the log-sum-exp of each row of scores); z lies in memory as the queries do."""
    *batch, length, embedding = query.shape
    source, features = value.shape[-2:]
    dtype, itemsize = query.dtype, query.itemsize
    out, logs = like_queries(query, features), np.empty(query.shape[:-1], dtype)
    (query, q), (key, k), (value, v), (_, z) = memory(query), memory(key), memory(value), memory(out)
    mask, mask_strides = mask_rows(mask, (*batch, length, source), dtype)
    heads = math.prod(batch)
    threads.run(
        forward, threads.threads_for(1.7 * heads * length * source * (embedding + features)), q, k, v, mask,
        *places(tuple(batch), itemsize, query.strides, key.strides, value.strides, out.strides, mask_strides), z,
        logs.reshape(-1), (heads, length, source, embedding, features), scale, causal, BITS // (8 * itemsize),
    )  # fmt: skip
    return out, logs


@accelerates("attention_backward")
def attention_backward(grad, grad_logs, query, key, value, out, logs, mask=None, *, scale, causal):
    """The gradients of query, key and value, as the reference has them."""
    *batch, length, embedding = query.shape
    source, features = value.shape[-2:]
    results = [head_by_head(a) for a in (query, key, value)]
    arrays, memories = zip(*[memory(a) for a in (grad, query, key, value, out, *results)], strict=True)
    mask, mask_strides = mask_rows(mask, (*batch, length, source), query.dtype)
    heads = math.prod(batch)
    threads.run(
        backward, threads.threads_for(7 * heads * length * source * embedding), *memories[:5], mask,
        *places(tuple(batch), query.itemsize, *[a.strides for a in arrays], mask_strides), plain(logs).reshape(-1),
        plain(grad_logs).reshape(-1), *memories[5:], (heads, length, source, embedding, features), scale, causal,
        BITS // (8 * query.itemsize),
    )  # fmt: skip
    return tuple(results)
