"""Chapter 11: tokens, language models, the cache."""

from __future__ import annotations

import math

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import positive, tensors

few = st.integers(1, 3)
letters = st.lists(st.integers(1, 3), min_size=2, max_size=8)


def _pairs_that_overlap(tokens):
    counts = {}
    for pair in zip(tokens, tokens[1:], strict=False):
        counts[pair] = counts.get(pair, 0) + 1
    return min(counts, key=counts.get)


@exercise(tokens=letters, mistake=_pairs_that_overlap)
def most_frequent_pair(tokens):
    """The pair of neighbours that occurs most often in the list `tokens` (two of them at least), as a tuple;
    among equally frequent ones the one that occurs first. This is the step that byte pair encoding (字节对编码)
    learns by."""
    counts = {}
    for pair in zip(tokens, tokens[1:], strict=False):
        counts[pair] = counts.get(pair, 0) + 1
    return max(counts, key=counts.get)


@exercise(
    tokens=letters,
    mistake=lambda tokens, pair, new: [
        new if p == pair else p[0] for p in zip(tokens, [*tokens[1:], None], strict=True)
    ],
    pair=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    new=st.just(256),
)
def merged(tokens, pair, new):
    """The list `tokens` with each occurrence of `pair`, from the left, replaced by the one token `new`. Of 1,
    1, 1 and the pair (1, 1) there remain `new`, 1."""
    out, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


@exercise(
    st.tuples(few, st.integers(1, 4)).flatmap(
        lambda shape: st.fixed_dictionaries(
            {"logits": tensors(*shape), "temperature": positive, "k": st.integers(1, shape[1])}
        )
    ),
    mistake=lambda logits, temperature, k: (
        (logits / temperature).softmax(1).masked_fill(logits < logits.topk(k, 1).values[:, -1:], 0.0)
    ),
)
def probabilities(logits, temperature, k):
    r"""What the next token is drawn from: softmax(`logits` / `temperature`) of (N, vocabulary) over the `k`
    likeliest tokens only. The others get 0, and every row adds up to 1. Tokens as likely as the k-th stay
    in."""
    least = logits.topk(k, 1).values[:, -1:]
    return (logits.masked_fill(logits < least, -math.inf) / temperature).softmax(1)


@exercise(
    st.tuples(few, few).flatmap(
        lambda s: st.fixed_dictionaries(
            {
                "query": tensors(1, s[1]),
                "key": tensors(1, s[1]),
                "value": tensors(1, s[1]),
                "keys": tensors(s[0], s[1]),
                "values": tensors(s[0], s[1]),
            }
        )
    ),
    mistake=lambda query, key, value, keys, values: (
        (query @ keys.t() / math.sqrt(query.shape[1])).softmax(1) @ values,
        torch.cat([keys, key]),
        torch.cat([values, value]),
    ),
)
def attend_with_cache(query, key, value, keys, values):
    """One step of writing with a KV cache (键值缓存): `query`, `key` and `value` (1, d) of the new token, `keys`
    and `values` (t, d) of the t tokens before. The triple of the attention's output (1, d) and the new cache's
    keys and values (t + 1, d). The new token sees itself."""
    keys, values = torch.cat([keys, key]), torch.cat([values, value])
    weights = (query @ keys.t() / math.sqrt(query.shape[1])).softmax(1)
    return weights @ values, keys, values
