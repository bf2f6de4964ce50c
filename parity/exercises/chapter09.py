"""Chapter 09: attention."""

from __future__ import annotations

import math

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import sizes, tensors

few = st.integers(1, 3)


@exercise(
    st.tuples(few, few, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries(
            {"query": tensors(s[0], s[2]), "key": tensors(s[1], s[2]), "value": tensors(s[1], s[3])}
        )
    ),
    mistake=lambda query, key, value: (query @ key.t()).softmax(1) @ value,
)
def attention(query, key, value):
    """Scaled dot-product attention (缩放点积注意力): `query` (n, d_k), `key` (m, d_k), `value` (m, d_v) give (n, d_v).
    Do not call `torch.nn.functional.scaled_dot_product_attention`."""
    weights = (query @ key.t() / math.sqrt(query.shape[1])).softmax(1)
    return weights @ value


@exercise(
    st.integers(1, 4).flatmap(lambda n: st.fixed_dictionaries({"scores": tensors(n, n)})),
    mistake=lambda scores: scores.softmax(1).tril(),
)
def causal_weights(scores):
    """The weights of masked self-attention (掩码自注意力) from the `scores` (n, n), which are scaled already: query i
    sees the keys 0 to i, the others get weight 0, and every row adds up to 1."""
    future = torch.ones_like(scores).triu(1).bool()
    return scores.masked_fill(future, -math.inf).softmax(1)


@exercise(
    st.tuples(few, few, few, few).flatmap(
        lambda s: st.fixed_dictionaries({"x": tensors(s[0], s[1], s[2] * s[3]), "heads": st.just(s[2])})
    ),
    mistake=lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
)
def split_heads(x, heads):
    """Cut the last dimension of `x` (N, L, d) into `heads` parts that lie side by side: (N, heads, L, d /
    heads). Head 0 gets the first d / heads features of *every* word. One `reshape` alone mixes words and
    features."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


@exercise(
    st.tuples(few, few, few).flatmap(
        lambda s: st.fixed_dictionaries({"y": tensors(s[0], s[2]), "memory": tensors(s[1], s[2])})
    ),
    mistake=lambda y, memory: y + ((y @ y.t() / math.sqrt(y.shape[1])).softmax(1) @ y),
)
def cross_attention(y, memory):
    """The third use of attention, with one head, without projections and norm: what is written, `y` (T, d),
    asks, what was read, `memory` (S, d), answers, and the answer is added to `y`. The result is (T, d)."""
    weights = (y @ memory.t() / math.sqrt(y.shape[1])).softmax(1)
    return y + weights @ memory
