"""Chapter 10: the Transformer."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import positive, sizes, tensors

few = st.integers(1, 3)


@exercise(
    length=st.integers(1, 5),
    d=st.integers(1, 3).map(lambda half: 2 * half),
    mistake=lambda length, d: torch.cat(
        [
            (torch.arange(length).float()[:, None] / 10000 ** (torch.arange(0, d, 2) / d)).sin(),
            (torch.arange(length).float()[:, None] / 10000 ** (torch.arange(0, d, 2) / d)).cos(),
        ],
        1,
    ),
    within=1e-4,
)
def positional_encoding(length, d):
    r"""The positional encoding (位置编码): (`length`, `d`), `d` even, with $PE(p, 2i) = \sin(p / 10000^{2i/d})$ and
    $PE(p, 2i+1) = \cos(p / 10000^{2i/d})$. Sines and cosines take turns."""
    angle = torch.arange(length).float()[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
    return torch.stack([angle.sin(), angle.cos()], 2).reshape(length, d)


@exercise(
    st.tuples(few, st.integers(2, 4)).flatmap(
        lambda shape: st.fixed_dictionaries({"x": tensors(*shape), "part": tensors(*shape), "eps": positive})
    ),
    mistake=lambda x, part, eps: x + torch.nn.functional.layer_norm(part, part.shape[-1:], eps=eps),
    within=1e-4,
)
def add_and_norm(x, part, eps):
    """Add & Norm as the paper and the notes have it: layer norm, without weight and bias, of the sum of `x` (L,
    d) and `part` (L, d), the output of attention or of the feed-forward network. You may call
    `torch.nn.functional.layer_norm`."""
    return torch.nn.functional.layer_norm(x + part, x.shape[-1:], eps=eps)


@exercise(
    st.tuples(few, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries(
            {
                "x": tensors(s[0], s[1]),
                "W1": tensors(s[1], s[2]),
                "b1": tensors(s[2]),
                "W2": tensors(s[2], s[1]),
                "b2": tensors(s[1]),
            }
        )
    ),
    mistake=lambda x, W1, b1, W2, b2: ((x @ W1 + b1).relu() @ W2 + b2).relu(),
)
def feed_forward(x, W1, b1, W2, b2):
    r"""The feed-forward network (前馈网络) of a Transformer's layer, $\max(0, x W_1 + b_1) W_2 + b_2$, of each row
    of `x` (L, d)."""
    return (x @ W1 + b1).relu() @ W2 + b2


@exercise(
    st.tuples(few, st.integers(1, 4)).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "sentences": tensors(*shape, numbers=st.integers(3, 9), dtype=torch.int64),
                "start": st.just(1),
                "end": st.just(2),
            }
        )
    ),
    mistake=lambda sentences, start, end: (sentences, sentences),
)
def given_and_wanted(sentences, start, end):
    """Teacher forcing (教师强制): from the right translations `sentences`, int64 (N, T), all of one length, the
    pair of what the decoder is given, `start` and then the words, and what it has to say, the words and then
    `end`. Both are (N, T + 1)."""
    ends = torch.full((len(sentences), 1), end)
    starts = torch.full((len(sentences), 1), start)
    return torch.cat([starts, sentences], 1), torch.cat([sentences, ends], 1)
