"""Attention, Transformer and GPT against torch; the cache against computing anew; tokenizers against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_against_torch import TOLERANCE, assert_same_model, random_images, same_weights
from nn_against_torch import to_ours
from torch import nn

import minitorch
from minitorch.models.gpt import GPT, from_gpt2
from minitorch.models.tokenizer import BytePairTokenizer, CharacterTokenizer
from minitorch.models.transformer import (
    MultiheadAttention,
    Transformer,
    Translator,
    attention,
    causal,
    positional_encoding,
)


def test_attention_is_torchs():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((2, 3, 7, 4)), rng.standard_normal((2, 3, 7, 6))
    visible = rng.random((2, 1, 5, 7)) < 0.6
    visible[..., 0] = True
    output, weights = attention(*(minitorch.tensor(x) for x in (q, k, v)), minitorch.tensor(visible))
    torch_args = [torch.tensor(x) for x in (q, k, v)]
    expected = nn.functional.scaled_dot_product_attention(*torch_args, attn_mask=torch.tensor(visible))
    np.testing.assert_allclose(output.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(weights.sum(-1).numpy(), 1, rtol=1e-14)
    assert (weights.numpy()[~np.broadcast_to(visible, weights.shape)] == 0).all()


def test_causal_places_see_the_past_and_themselves():
    assert causal(3, past=2).tolist() == [[j <= i + 2 for j in range(5)] for i in range(3)]


class TorchAttention(nn.MultiheadAttention):
    def forward(self, q, k, v, hidden):
        return super().forward(q, k, v, attn_mask=hidden, need_weights=False)[0]


class Hidden(MultiheadAttention):
    """torch's masks say who is hidden."""

    def forward(self, q, k, v, hidden):
        return super().forward(q, k, v, ~hidden)


def test_multihead_attention_is_torchs():
    hidden = torch.tensor(np.random.default_rng(1).random((4, 6)) < 0.3)
    hidden[:, 0] = False
    x, y, z = random_images(2, 4, 12), random_images(2, 6, 12, seed=1), random_images(2, 6, 12, seed=2)
    assert_same_model(Hidden(12, 3), TorchAttention(12, 3, batch_first=True), x, y, z, hidden)
    mine, true = MultiheadAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    same_weights(mine, true)
    _, weights = true(x, y, y, attn_mask=hidden, average_attn_weights=False)
    ours = mine.weights(*to_ours([x, y]), ~to_ours(hidden))
    np.testing.assert_allclose(ours.detach().numpy(), weights.detach().numpy(), rtol=TOLERANCE, atol=1e-12)


class TorchTransformer(nn.Transformer):
    def forward(self, src, tgt, visible):
        mask = self.generate_square_subsequent_mask(tgt.shape[1], dtype=torch.float64)
        mask = mask != 0
        return super().forward(src, tgt, tgt_mask=mask, src_key_padding_mask=~visible, memory_key_padding_mask=~visible)


def visible_places(lengths, longest):
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


def test_transformer_is_torchs():
    sizes = dict(d_model=8, nhead=2, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=12, dropout=0.0)
    true = TorchTransformer(**sizes, batch_first=True)
    inputs = random_images(3, 5, 8), random_images(3, 4, 8, seed=1), visible_places([5, 3, 1], 5)
    assert_same_model(Transformer(**sizes), true, *inputs)


def test_positional_encoding_by_its_formula_and_as_clock_hands():
    encoding = positional_encoding(30, 8).numpy()
    for p in range(30):
        expected = [f(p / 10000 ** (2 * i / 8)) for i in range(4) for f in (math.sin, math.cos)]
        np.testing.assert_allclose(encoding[p], expected, atol=2e-6)
    # PE(p + k) is PE(p) turned: the scalar product of two places depends on their distance only.
    products = encoding @ encoding.T
    for k in range(10):
        np.testing.assert_allclose(np.diagonal(products, k), products[0, k], atol=1e-5)


class TorchTranslator(nn.Module):
    def __init__(self, src, tgt, longest, d_model, **sizes):
        super().__init__()
        self.source, self.target = nn.Embedding(src, d_model), nn.Embedding(tgt, d_model)
        self.register_buffer("places", torch.zeros(longest, d_model))
        self.transformer = TorchTransformer(d_model, batch_first=True, **sizes)
        self.out = nn.Linear(d_model, tgt)

    def forward(self, src, tgt):
        root = math.sqrt(self.out.in_features)
        x = self.source(src) * root + self.places[: src.shape[1]]
        y = self.target(tgt) * root + self.places[: tgt.shape[1]]
        return self.out(self.transformer(x, y, src != 0))


def test_translator_is_torchs_and_translates_greedily():
    sizes = dict(nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=12, dropout=0.0)
    mine, true = Translator(9, 11, 6, 8, **sizes), TorchTranslator(9, 11, 6, 8, **sizes)
    src = torch.tensor([[3, 4, 5, 8], [7, 2, 0, 0], [1, 1, 1, 0]])
    tgt = torch.tensor([[1, 4, 5], [1, 2, 10], [1, 9, 0]])
    assert_same_model(mine, true, src, tgt)
    written = mine.translate(to_ours(src), start=1, end=10, longest=6)
    for row, source in zip(written.tolist(), src, strict=True):
        expected = [1]
        while len(expected) < written.shape[1] and expected[-1] != 10:
            expected.append(int(true(source[None], torch.tensor([expected]))[0, -1].argmax()))
        assert row == expected + [0] * (written.shape[1] - len(expected))


# GPT


class TorchBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(d)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(d, 3 * d), "c_proj": nn.Linear(d, d)})
        self.ln_2 = nn.LayerNorm(d)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(d, 4 * d), "c_proj": nn.Linear(4 * d, d)})

    def forward(self, x):
        n, length, d = x.shape
        q, k, v = self.attn["c_attn"](self.ln_1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](mixed.transpose(1, 2).reshape(n, length, d))
        return x + self.mlp["c_proj"](nn.functional.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class TorchGPT(nn.Module):
    def __init__(self, vocabulary, context, d, heads, layers):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, d), nn.Embedding(context, d)
        self.h = nn.ModuleList([TorchBlock(d, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(d)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


SIZES = (11, 10, 8, 2, 2)


def twins():
    mine, true = GPT(*SIZES), TorchGPT(*SIZES)
    same_weights(mine, true)
    return mine, true


def test_gpt_is_torchs():
    tokens = torch.tensor(np.random.default_rng(3).integers(0, 11, (3, 8)))
    assert_same_model(GPT(*SIZES), TorchGPT(*SIZES), tokens)
    mine, true = twins()
    expected = nn.functional.cross_entropy(true(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert mine.loss(to_ours(tokens)).item() == pytest.approx(expected.item(), rel=1e-12)


def test_released_weights_load():
    """GPT-2's files: linear weights (in, out), a prefix, masks, and the output layer once more."""
    mine, true = twins()
    released = {"transformer." + name: value for name, value in to_ours(dict(true.state_dict())).items()}
    for name in [n for n in released if n.rsplit(".", 2)[-2].startswith("c_") and n.endswith("weight")]:
        released[name] = released[name].t().contiguous()
    released |= {"transformer.h.0.attn.bias": minitorch.ones(1, 1, 10, 10), "lm_head.weight": mine.wte.weight}
    fresh = GPT(*SIZES).double()
    fresh.load_state_dict(from_gpt2(released))
    tokens = minitorch.tensor([[1, 2, 3]])
    np.testing.assert_array_equal(fresh(tokens).detach().numpy(), mine(tokens).detach().numpy())


def test_the_cache_changes_nothing():
    mine, _ = twins()
    tokens = minitorch.tensor(np.random.default_rng(4).integers(0, 11, (2, 9)))
    caches = [{} for _ in mine.h]
    parts = [mine(tokens[:, a:b], caches) for a, b in ((0, 4), (4, 5), (5, 9))]
    np.testing.assert_allclose(
        minitorch.cat(parts, 1).detach().numpy(), mine(tokens).detach().numpy(), rtol=1e-11, atol=1e-12
    )
    with pytest.raises(RuntimeError, match="11 tokens do not fit into a context of 10"):
        mine(tokens[:, :2], caches)


def test_generation_is_the_likeliest_token_again_and_again():
    mine, true = twins()
    start = [[1, 2], [7, 7]]
    written = mine.generate(minitorch.tensor(start), 8, temperature=0)
    expected = torch.tensor(start)
    for _ in range(8):
        expected = torch.cat([expected, true(expected)[:, -1].argmax(-1, keepdim=True)], 1)
    assert written.tolist() == expected.tolist()
    assert mine.generate(minitorch.tensor(start), 30, temperature=0).shape == (2, 32)  # past the context
    same = [mine.generate(minitorch.tensor(start), 9, top_k=1, generator=minitorch.Generator()).tolist() for _ in "ab"]
    greedy = mine.generate(minitorch.tensor(start), 9, temperature=0).tolist()
    assert same[0] == same[1] == greedy


def test_sampling_follows_the_probabilities():
    mine, true = twins()
    tokens = [[3, 1, 4]]
    drawn = mine.generate(minitorch.tensor(tokens * 4000), 1, 0.7, generator=minitorch.Generator().manual_seed(0))
    p = (true(torch.tensor(tokens))[0, -1] / 0.7).softmax(-1).detach().numpy()
    shares = np.bincount(drawn[:, -1].numpy(), minlength=11) / 4000
    assert (abs(shares - p) < 5 * np.sqrt(p * (1 - p) / 4000) + 1e-9).all()


# Tokenizers


def test_characters():
    tokenizer = CharacterTokenizer("hello")
    assert (
        tokenizer.encode("hole") == [1, 3, 2, 0]
        and tokenizer.decode([1, 0, 2, 2, 3]) == "hello"
        and len(tokenizer) == 4
    )
    with pytest.raises(ValueError, match="'x', 'y'"):
        tokenizer.encode("lyx")


def replaced(tokens, pair, new):
    """Every `pair` from the left, by the string replacement of a text with one character per token."""
    text = "".join(map(chr, tokens))
    return [ord(c) for c in text.replace(chr(pair[0]) + chr(pair[1]), chr(new))]


SMALL = st.text(st.sampled_from("ab c"), max_size=24)


@settings(max_examples=40, deadline=None)
@given(SMALL, st.one_of(SMALL, st.text(max_size=20)))
def test_byte_pairs_by_their_definition(text, other):
    tokenizer = BytePairTokenizer(text, 270)
    tokens = list(text.encode())
    for k, pair in enumerate(tokenizer.merges):
        counts = [
            sum(tokens[i : i + 2] == list(p) for i in range(len(tokens))) for p in zip(tokens, tokens[1:], strict=False)
        ]
        assert sum(tokens[i : i + 2] == list(pair) for i in range(len(tokens))) == max(counts) >= 2
        tokens = replaced(tokens, pair, 256 + k)
    assert tokenizer.encode(text) == tokens
    encoded = list(other.encode())
    for k, pair in enumerate(tokenizer.merges):
        encoded = replaced(encoded, pair, 256 + k)
    assert tokenizer.encode(other) == encoded
    assert tokenizer.decode(tokenizer.encode(other)) == other


def test_byte_pairs_stop_when_nothing_repeats():
    tokenizer = BytePairTokenizer("abab", 300)
    assert tokenizer.merges == [(97, 98)] and len(tokenizer) == 257 and tokenizer.encode("aab") == [97, 256]
    assert tokenizer.decode([256, 0xC3]) == "ab�"
    with pytest.raises(ValueError, match="256"):
        BytePairTokenizer("a", 100)
