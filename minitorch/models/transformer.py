"""The Transformer: attention (注意力) from its formula, encoder and decoder.

Vaswani et al., "Attention is all you need" (NeurIPS 2017), section 3. Names of parameters as in `nn.Transformer`, so
that its checkpoints load; there stands the version with all of torch's options, here the one to read.
"""

from __future__ import annotations

import math

from .. import Tensor, arange, cat, full, nn, no_grad, ones, zeros
from ..nn import functional as F

Cache = dict[str, Tensor]


def attention(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention: Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V  (equation 1).

    query: (..., L, d_k), key: (..., S, d_k), value: (..., S, d_v) -> output (..., L, d_v), weights (..., L, S).

    Each of the L queries asks with its vector; the S keys say what each place is about, the values what it holds. The
    dot product says how well a key fits, softmax makes shares of it, and the output is the values' mean under these
    shares. Without the root, sums of d_k products would grow with sqrt(d_k) and drive softmax to where its gradient
    vanishes. visible: bool, broadcast to (..., L, S); what a query may not see gets the score -inf, so the share 0.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights


def causal(length: int, past: int = 0) -> Tensor:
    """bool (length, past + length): place i, after `past` earlier ones, sees those and the places up to itself."""
    return ones(length, past + length).tril(past).bool()


class MultiheadAttention(nn.Module):
    """MultiHead(Q, K, V) = concat(head_1, ..., head_h) W_O, head_i = attention(Q W_Qi, K W_Ki, V W_Vi)  (section 3.2.2).

    query: (N, L, d), key and value: (N, S, d) -> (N, L, d). Each head looks at its own d / h dimensions of the projected
    vectors: cut apart, attended to, joined again. `in_proj_weight` holds W_Q, W_K and W_V one below the other.

    Its three uses (section 3.2.3):
        encoder          query = key = value = x                     every place sees every place
        decoder          query = key = value = y, causal mask        a place sees itself and what came before it
        between them     query = y, key = value = encoder's output   what is written looks at what was read
    """

    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {num_heads} heads do not divide {embed_dim} dimensions")
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(zeros(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(zeros(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        q, k, v = self.project(query, key, value)
        if cache is not None:
            k, v = remember(cache, k, v)
        output, _ = attention(q, k, v, visible)
        return self.out_proj(output.transpose(1, 2).flatten(2))

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Q W_Q, K W_K and V W_V, each cut into heads: (N, L, d) -> (N, h, L, d / h)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        projected = [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
        return [x.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for x in projected]

    def weights(self, query: Tensor, key: Tensor, visible: Tensor | None = None) -> Tensor:
        """Who looks at whom: (N, h, L, S), each row a distribution over the S keys."""
        q, k, v = self.project(query, key, key)
        return attention(q, k, v, visible)[1]


def remember(cache: Cache, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (N, h, S, d / h) of all places so far; the new ones join those in the cache."""
    if cache:
        key, value = cat([cache["key"], key], 2), cat([cache["value"], value], 2)
    cache["key"], cache["value"] = key, value
    return key, value


class EncoderLayer(nn.Module):
    """x = norm1(x + attention(x, x, x)); x = norm2(x + FFN(x)): (N, S, d) -> (N, S, d); Add & Norm around both parts.

    FFN(x) = max(0, x W_1 + b_1) W_2 + b_2, at each place for itself (equation 2).
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, dropout: float):
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        x = self.norm1(x + self.dropout(self.self_attn(x, x, x, visible)))
        return self.norm2(x + self.dropout(self.linear2(self.dropout(self.linear1(x).relu()))))


class DecoderLayer(nn.Module):
    """As the encoder's layer, with attention to the encoder's output in the middle: (N, T, d), (N, S, d) -> (N, T, d)."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, dropout: float):
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead)
        self.multihead_attn = MultiheadAttention(d_model, nhead)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, y: Tensor, memory: Tensor, visible: Tensor | None, memory_visible: Tensor | None) -> Tensor:
        y = self.norm1(y + self.dropout(self.self_attn(y, y, y, visible)))
        y = self.norm2(y + self.dropout(self.multihead_attn(y, memory, memory, memory_visible)))
        return self.norm3(y + self.dropout(self.linear2(self.dropout(self.linear1(y).relu()))))


class Stack(nn.Module):
    """Layers one after the other, and a last layer norm."""

    def __init__(self, layers: list[nn.Module], d_model: int):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, *context: Tensor | None) -> Tensor:
        for layer in self.layers:
            x = layer(x, *context)
        return self.norm(x)


class Transformer(nn.Module):
    """src: (N, S, d), tgt: (N, T, d) -> (N, T, d). The decoder is causal; src_visible: bool (N, S), False for padding."""

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
    ):
        super().__init__()
        sizes = (d_model, nhead, dim_feedforward, dropout)
        self.encoder = Stack([EncoderLayer(*sizes) for _ in range(num_encoder_layers)], d_model)
        self.decoder = Stack([DecoderLayer(*sizes) for _ in range(num_decoder_layers)], d_model)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, src: Tensor, tgt: Tensor, src_visible: Tensor | None = None) -> Tensor:
        visible = None if src_visible is None else src_visible[:, None, None, :]  # for every head and query
        memory = self.encoder(src, visible)
        return self.decoder(tgt, memory, causal(tgt.shape[1]), visible)


def positional_encoding(length: int, d_model: int) -> Tensor:
    """Where a token stands: (length, d_model), to be added to its embedding (section 3.5).

    PE(p, 2i) = sin(p / 10000^(2i / d)),  PE(p, 2i + 1) = cos(p / 10000^(2i / d))

    Attention itself is blind to order. Each pair of dimensions is the hand of a clock of its own speed, so PE(p + k) is
    PE(p) turned by a matrix that depends on k alone.
    """
    place = arange(length).float()[:, None]
    speed = (arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model)).exp()
    encoding = zeros(length, d_model)
    encoding[:, 0::2] = (place * speed).sin()
    encoding[:, 1::2] = (place * speed[: d_model // 2]).cos()
    return encoding


class Translator(nn.Module):
    """Tokens to tokens: src (N, S), tgt (N, T), int64 -> logits (N, T, vocabulary), for the token after each of tgt.

    Embeddings are scaled by sqrt(d_model) (section 3.4), so that the encoding of the place does not outshout them.
    """

    def __init__(self, src_vocabulary: int, tgt_vocabulary: int, longest: int, d_model: int, padding: int = 0, **sizes):
        super().__init__()
        self.padding = padding
        self.d_model = d_model
        self.source = nn.Embedding(src_vocabulary, d_model)
        self.target = nn.Embedding(tgt_vocabulary, d_model)
        self.register_buffer("places", positional_encoding(longest, d_model))
        self.transformer = Transformer(d_model, **sizes)
        self.out = nn.Linear(d_model, tgt_vocabulary)

    def embed(self, table: nn.Embedding, tokens: Tensor) -> Tensor:
        return table(tokens) * math.sqrt(self.d_model) + self.places[: tokens.shape[1]]

    def forward(self, src: Tensor, tgt: Tensor) -> Tensor:
        x, y = self.embed(self.source, src), self.embed(self.target, tgt)
        return self.out(self.transformer(x, y, src != self.padding))

    @no_grad()
    def translate(self, src: Tensor, start: int, end: int, longest: int) -> Tensor:
        """The likeliest token again and again (greedy), from `start`: (N, at most `longest`); `end` and padding after it."""
        tgt = full((len(src), 1), start)
        finished = full((len(src),), False)
        while tgt.shape[1] < longest and not bool(finished.all()):
            token = self(src, tgt)[:, -1].argmax(-1).masked_fill(finished, self.padding)
            finished = finished | (token == end)
            tgt = cat([tgt, token[:, None]], 1)
        return tgt
