"""GPT: a language model that predicts the next token, and so writes.

Radford et al., "Language models are unsupervised multitask learners" (2019), section 2.3, for the layers; Vaswani et
al. (2017) for attention. Names of parameters are the ones of the released GPT-2 (`wte`, `h.0.attn.c_attn`, ...), but
linear layers hold their weight as (out, in), the transpose of GPT-2's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .. import Generator, Tensor, arange, cat, multinomial, nn, no_grad
from ..nn import functional as F
from .transformer import Cache, attention, causal, remember


class CausalSelfAttention(nn.Module):
    """(N, L, d) -> (N, L, d): multi-head attention in which each place sees itself and what came before.

    With a cache only the new tokens come in; the keys and values of the earlier ones lie in the cache, where they stay
    what they were, since no place ever sees a later one.
    """

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        if d_model % num_heads:
            raise ValueError(f"GPT: {num_heads} heads do not divide {d_model} dimensions")
        self.num_heads = num_heads
        self.c_attn = nn.Linear(d_model, 3 * d_model)
        self.c_proj = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        q, k, v = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, -1))
        if cache is not None:
            k, v = remember(cache, k, v)
        output, _ = attention(q, k, v, causal(x.shape[1], k.shape[2] - x.shape[1]))
        return self.c_proj(output.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """(N, L, d) -> (N, L, d): at each place, linear to 4 d, GELU, linear back."""

    def __init__(self, d_model: int):
        super().__init__()
        self.c_fc = nn.Linear(d_model, 4 * d_model)
        self.c_proj = nn.Linear(4 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """x = x + attention(norm(x)); x = x + mlp(norm(x)): the norms stand inside, so the sum runs free from end to end."""

    def __init__(self, d_model: int, num_heads: int, dropout: float):
        super().__init__()
        self.ln_1 = nn.LayerNorm(d_model)
        self.attn = CausalSelfAttention(d_model, num_heads)
        self.ln_2 = nn.LayerNorm(d_model)
        self.mlp = MLP(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        x = x + self.dropout(self.attn(self.ln_1(x), cache))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """Tokens (N, L), int64, L <= context -> logits (N, L, vocabulary): place t holds log p(token t+1 | tokens 0..t) + const.

    The last linear layer is the table of embeddings itself: what a token looks like coming in, it looks like going out.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int = 64,
        d_model: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.context = context
        self.wte = nn.Embedding(vocabulary, d_model)
        self.wpe = nn.Embedding(context, d_model)
        self.h = nn.ModuleList([Block(d_model, num_heads, dropout) for _ in range(num_layers)])
        self.ln_f = nn.LayerNorm(d_model)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):  # 2 per block are added up: the sum keeps its size
                nn.init.normal_(parameter, 0, 0.02 / math.sqrt(2 * num_layers))
            elif parameter.dim() > 1:
                nn.init.normal_(parameter, 0, 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor, caches: list[Cache] | None = None) -> Tensor:
        past = caches[0]["key"].shape[2] if caches and caches[0] else 0
        length = tokens.shape[1]
        if past + length > self.context:
            raise RuntimeError(f"GPT: {past + length} tokens do not fit into a context of {self.context}")
        x = self.wte(tokens) + self.wpe(arange(past, past + length))
        per_block: Sequence[Cache | None] = caches or [None] * len(self.h)
        for block, cache in zip(self.h, per_block, strict=True):
            x = block(x, cache)
        return F.linear(self.ln_f(x), self.wte.weight)

    def loss(self, tokens: Tensor) -> Tensor:
        """The mean of -log p(token t+1 | tokens 0..t), in nats: tokens (N, L + 1)."""
        logits = self(tokens[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    @no_grad()
    def generate(
        self,
        tokens: Tensor,
        count: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """`tokens` (N, L) and `count` more. temperature 0: the likeliest; else drawn from softmax(logits / temperature),
        from the `top_k` likeliest only, if given.

        Each step computes one new token, against the cached keys and values of all before: O(L) instead of O(L^2).
        Once the context is full, it begins anew from its second half.
        """
        caches: list[Cache] = [{} for _ in self.h]
        fresh = tokens[:, -self.context :]
        for _ in range(count):
            cached = caches[0]["key"].shape[2] if caches[0] else 0
            if cached + fresh.shape[1] > self.context:
                caches = [{} for _ in self.h]
                fresh = tokens[:, -(self.context // 2 + 1) :]
            fresh = choose(self(fresh, caches)[:, -1], temperature, top_k, generator)
            tokens = cat([tokens, fresh], 1)
        return tokens


def choose(logits: Tensor, temperature: float, top_k: int | None, generator: Generator | None) -> Tensor:
    """logits: (N, vocabulary) -> one token for each: (N, 1)."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    if top_k is not None:
        least = logits.topk(top_k, -1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    return multinomial((logits / temperature).softmax(-1), 1, generator=generator)


def from_gpt2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state_dict of a released GPT-2 as `GPT` has it: linear weights turned to (out, in), masks and copies left out."""
    names = [name for name in state if not name.endswith((".attn.bias", ".attn.masked_bias", "lm_head.weight"))]
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return {
        name.removeprefix("transformer."): state[name].t() if name.endswith(turned) else state[name] for name in names
    }
