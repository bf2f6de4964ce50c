"""Where a character GPT looks: the attention of every head, and what it expects next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import optim
from ..core.state import no_grad
from ..core.tensor import Tensor, wrap
from ..models import GPT
from ..models.gpt import Block
from ..models.tokenizer import CharacterTokenizer
from ..models.transformer import attention, causal
from ..random import manual_seed
from ..vision.datasets.shapes import draw_scene
from .exhibit import BadRequest, Exhibit

SCENES = 600  # whose captions are the text
LONGEST = 60
LIKELY = 5


class Attention(Exhibit):
    """Request: `text`. Answer: `weights`, [layer][head][place][place], `next`, for every place the likeliest next
    characters with their probabilities, and `continuation`, the likeliest one, character by character.
    """

    name = "attention"
    model: GPT

    def __init__(self, steps: int = 300):
        self.steps = steps

    def settings(self) -> dict[str, Any]:
        return {"steps": self.steps, "scenes": SCENES, "longest": LONGEST}

    def prepare(self) -> bool:
        text = captions(range(SCENES))
        self.tokenizer = CharacterTokenizer(text)
        self.tokens = np.array(self.tokenizer.encode(text))
        manual_seed(0)
        self.model = GPT(len(self.tokenizer), context=LONGEST + 1, d_model=48, num_heads=4, num_layers=2)
        return False

    def train(self, report: Callable[[float, str], None]) -> None:
        optimizer = optim.AdamW(self.model.parameters(), lr=4e-3, weight_decay=0.01)
        starts = self.beginnings(self.tokens)
        rng = np.random.default_rng(0)
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = 4e-3 * min(1, (step + 1) / 20) * (1 - step / self.steps)
            begin = rng.choice(starts, 24)
            loss = self.model.loss(wrap(self.tokens[begin[:, None] + np.arange(LONGEST + 1)]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            report((step + 1) / self.steps, f"loss {loss.item():.3f} nats per character")

    def beginnings(self, tokens: np.ndarray) -> np.ndarray:
        """Where captions begin that have a whole context behind them: so places mean the same in every example."""
        starts = np.array([0, *(np.flatnonzero(tokens == self.tokenizer.index["\n"]) + 1)])
        return starts[starts < len(tokens) - LONGEST - 1]

    @no_grad()
    def describe(self) -> str:
        self.model.eval()
        unseen = np.array(self.tokenizer.encode(captions(range(SCENES, SCENES + 50))))
        loss = self.model.loss(wrap(unseen[self.beginnings(unseen)[:, None] + np.arange(LONGEST + 1)]))
        parameters = sum(p.numel() for p in self.model.parameters())
        return f"GPT of {parameters:,} parameters, loss {loss.item():.2f} nats per character of new captions"

    @no_grad()
    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        text = request.get("text")
        if not isinstance(text, str) or not 1 <= len(text) <= LONGEST:
            raise BadRequest(f"text must have 1 to {LONGEST} characters")
        try:
            tokens = wrap(np.array([self.tokenizer.encode(text)]))
        except ValueError as error:
            raise BadRequest(f"{error}; the model knows only the letters of its captions") from error
        logits, weights = self.run(tokens)
        best = logits[0].softmax(-1).topk(LIKELY, -1)
        written = self.model.generate(tokens, LONGEST - len(text) + 1, temperature=0)[0, len(text) :]
        return {
            "text": text,
            "weights": [[head.round(decimals=4).tolist() for head in layer[0]] for layer in weights],
            "next": [
                [[self.tokenizer.characters[i], round(p, 4)] for i, p in zip(indices, values, strict=True)]
                for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ],
            "continuation": self.tokenizer.decode(written.tolist()).split("\n")[0],
        }

    def run(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and of each layer the weights (1, heads, L, L), from the queries and keys that it computes itself."""
        projected: list[Tensor] = []
        blocks = [block for block in self.model.h if isinstance(block, Block)]
        handles = [
            block.attn.c_attn.register_forward_hook(lambda module, args, output: projected.append(output))
            for block in blocks
        ]
        try:
            logits = self.model(tokens)
        finally:
            for handle in handles:
                handle.remove()
        weights = []
        for block, qkv in zip(blocks, projected, strict=True):
            q, k, v = (part.unflatten(2, (block.attn.num_heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
            weights.append(attention(q, k, v, causal(tokens.shape[1]))[1])
        return logits, weights


def captions(indices: range) -> str:
    """Of these scenes, one a line."""
    return "".join(draw_scene(5, k, most=3).caption() + "\n" for k in indices)
