"""Sequences: numbers translated by the Transformer, and characters predicted by GPT, beside the same GPT in torch."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from typing import Any

import numpy as np

import minitorch
from minitorch import Tensor, from_numpy, no_grad
from minitorch.models import GPT
from minitorch.models.tokenizer import CharacterTokenizer
from minitorch.models.transformer import Translator
from minitorch.nn import functional as F
from minitorch.vision.datasets import draw_scene

from .system import Reached, system
from .training import fit

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
ONES = [*ONES.split(), "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
EINER = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn".split()
EINER += ["siebzehn", "achtzehn", "neunzehn"]
ZEHNER = ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
PADDING, START, END = 0, 1, 2


def english(n: int) -> list[str]:
    """742 -> seven hundred and forty two."""
    if n >= 1000:
        return [*english(n // 1000), "thousand", *(english(n % 1000) if n % 1000 else [])]
    if n >= 100:
        return [ONES[n // 100], "hundred", *(["and", *english(n % 100)] if n % 100 else [])]
    return [ONES[n]] if n < 20 else [TENS[n // 10], *([ONES[n % 10]] if n % 10 else [])]


def german(n: int) -> list[str]:
    """742 -> sieben hundert zwei und vierzig: the ones come before the tens, and alone the one is eins."""
    if n >= 1000:
        return [EINER[n // 1000], "tausend", *(german(n % 1000) if n % 1000 else [])]
    if n >= 100:
        return [EINER[n // 100], "hundert", *(german(n % 100) if n % 100 else [])]
    if n < 20:
        return ["eins" if n == 1 else EINER[n]]
    return [*([EINER[n % 10], "und"] if n % 10 else []), ZEHNER[n // 10]]


class Words:
    """Words as tokens: 0 padding, 1 the start, 2 the end, then the words in alphabetical order."""

    def __init__(self, sentences: list[list[str]]):
        self.words = ["", "<start>", "<end>", *sorted({word for sentence in sentences for word in sentence})]
        self.index = {word: i for i, word in enumerate(self.words)}
        self.longest = max(map(len, sentences)) + 2

    def encode(self, sentences: list[list[str]]) -> Tensor:
        """int64 (N, longest): start, words, end, padding."""
        tokens = np.full((len(sentences), self.longest), PADDING)
        for row, sentence in zip(tokens, sentences, strict=True):
            row[: len(sentence) + 2] = [START, *(self.index[word] for word in sentence), END]
        return from_numpy(tokens)

    def decode(self, tokens: Tensor) -> list[str]:
        """What stands before the end."""
        found = [int(token) for token in tokens]
        found = found[: found.index(END)] if END in found else found
        return [self.words[token] for token in found if token not in (PADDING, START)]


@system(
    metric="share of 500 numbers never trained on that are translated word for word",
    at_least=0.9,
    baseline="the same, where the translation of the nearest number in training is given",
)
def translation(
    seed: int = 0, pairs: int = 3000, d_model: int = 64, epochs: int = 12, batch_size: int = 50, lr: float = 0.002
) -> Reached:
    """Transformer: numbers below 10,000 from English words into German ones."""
    numbers = np.random.RandomState(seed).permutation(10_000)
    train, test = numbers[:pairs], numbers[-500:]
    everything = list(range(10_000))
    source, target = Words([english(n) for n in everything]), Words([german(n) for n in everything])
    src, tgt = source.encode([english(n) for n in train]), target.encode([german(n) for n in train])
    minitorch.manual_seed(seed)
    sizes = {"nhead": 4, "num_encoder_layers": 2, "num_decoder_layers": 2, "dim_feedforward": 128, "dropout": 0.0}
    longest = max(source.longest, target.longest)
    model = Translator(len(source.words), len(target.words), longest, d_model, **sizes)

    def loss(given: Tensor, wanted: Tensor) -> Tensor:
        logits = model(given, wanted[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=PADDING)

    losses = fit(model, loss, [src, tgt], epochs, batch_size, lr)
    model.eval()
    found = model.translate(source.encode([english(n) for n in test]), START, END, target.longest)
    said = [target.decode(row) for row in found]
    right = [words == german(n) for words, n in zip(said, test, strict=True)]
    nearest = [german(train[abs(train - n).argmin()]) == german(n) for n in test]
    examples = [{"english": english(n), "german": words} for n, words in zip(test[:5], said, strict=False)]
    return Reached(float(np.mean(right)), float(np.mean(nearest)), {"train loss": losses, "examples": examples})


def captions(count: int, seed: int) -> str:
    """Scenes of the world of shapes in words, a line each."""
    return "".join(draw_scene(seed, index).caption() + "\n" for index in range(count))


def pair_entropy(text: str) -> float:
    """What a model pays for a character that knows the one before it only, at best: -sum p(a, b) ln p(b | a), in nats."""
    pairs, firsts = Counter(zip(text, text[1:], strict=False)), Counter(text[:-1])
    return -sum(n / (len(text) - 1) * math.log(n / firsts[a]) for (a, _), n in pairs.items())


def train_gpt(torch: Any, model: Any, tokens: np.ndarray, seed: int, steps: int, batch: int, lr: float) -> list[float]:
    """AdamW on random pieces of the text, with either library, at rates that fall along a line to 0; the loss of each step.

    The libraries' roundings differ, and at a constant rate the difference would grow from step to step.
    """
    random = np.random.RandomState(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    losses = []
    for _ in range(steps):
        starts = random.randint(len(tokens) - model.context, size=batch)
        piece = torch.from_numpy(np.stack([tokens[s : s + model.context + 1] for s in starts]))
        loss = model.loss(piece)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@system(
    metric="difference of the loss, averaged over the last 50 steps, from that of the same GPT in torch; relative",
    at_most=0.01,
    baseline="loss of the best model that sees one character only; the trained one's stands in the details",
)
def gpt(
    seed: int = 0, steps: int = 300, batch: int = 16, context: int = 64, d_model: int = 64, lr: float = 0.003
) -> Reached:
    """Character GPT on captions of the world of shapes, beside its copy in torch."""
    text = captions(1500, seed)
    tokenizer = CharacterTokenizer(text)
    tokens = np.array(tokenizer.encode(text), np.int64)
    sizes = (len(tokenizer), context, d_model, 4, 2)
    minitorch.manual_seed(seed)
    model = GPT(*sizes)
    losses = train_gpt(minitorch, model, tokens, seed, steps, batch, lr)
    value = float(np.mean(losses[-50:]))
    with no_grad():
        start = minitorch.tensor([tokenizer.encode("a ")])
        written = tokenizer.decode(model.eval().generate(start, 150, temperature=0).tolist()[0])
    details: dict[str, Any] = {"loss": losses[::10], "last loss": value, "writes": written}
    entropy = pair_entropy(text)
    if importlib.util.find_spec("torch") is None:
        return Reached(float("nan"), entropy, details | {"torch": "not installed"})
    import torch

    from .torch_gpt import GPT as Theirs

    torch.manual_seed(seed)
    theirs = train_gpt(torch, Theirs(*sizes), tokens, seed, steps, batch, lr)
    their_value = float(np.mean(theirs[-50:]))
    details |= {"torch's loss": theirs[::10], "torch's last loss": their_value}
    return Reached(abs(value - their_value) / their_value, entropy, details)
