"""A word-level language model of two LSTM layers (Zaremba, Sutskever and Vinyals 2014, "Recurrent neural network
regularization"; Merity, Keskar and Socher 2018, "Regularizing and optimizing LSTM language models").

    i, f, o = sigmoid(...),  g = tanh(...),  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t)

From the papers: dropout between the layers but not along time, variational dropout (one mask for all time steps),
whole words dropped from the embedding, output weights tied to the embedding, activations kept small, gradients
clipped by their norm, the weights of the last steps averaged. The language is a small grammar, so its entropy, below
which no model can go, is known.
"""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

#          what a symbol can become, all equally likely
GRAMMAR = {
    "sentence": ["the noun verb the noun", "the noun that verb the noun verb", "the adjective noun verb", "noun and noun verb"],
    "noun": ["cat", "dog", "bird", "fish"],
    "verb": ["sees", "hears", "likes", "follows", "fears"],
    "adjective": ["small", "old", "happy"],
}  # fmt: skip
WORDS = ["<end>", "the", "that", "and", *GRAMMAR["noun"], *GRAMMAR["verb"], *GRAMMAR["adjective"]]


def choose(symbol, generator):
    options = GRAMMAR[symbol]
    return options[torch.randint(len(options), (), generator=generator).item()]


def corpus(sentences, seed):
    """The numbers of the words of so many sentences, one after the other. (L,)"""
    generator = torch.Generator().manual_seed(seed)
    words = []
    for _ in range(sentences):
        for word in choose("sentence", generator).split():
            words.append(choose(word, generator) if word in GRAMMAR else word)
        words.append("<end>")
    return torch.tensor([WORDS.index(word) for word in words])


def entropy_per_word():
    """Of the grammar, in nats: the mean log of the number of choices, divided by the mean length."""
    bits, length = math.log(4), 0.0
    for sentence in GRAMMAR["sentence"]:
        words = sentence.split()
        bits += sum(math.log(len(GRAMMAR[word])) for word in words if word in GRAMMAR) / 4
        length += (len(words) + 1) / 4
    return bits / length


class LockedDropout(nn.Module):
    """One mask for all time steps. x: (T, N, C)"""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        mask = torch.bernoulli(torch.full_like(x[:1], 1 - self.p)) / (1 - self.p)
        return x * mask

    def extra_repr(self):
        return f"p={self.p}"


class LanguageModel(nn.Module):
    def __init__(self, words, width, layers=2, dropout=0.2, word_dropout=0.05):
        super().__init__()
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(words, width)
        self.locked = LockedDropout(dropout)
        self.lstm = nn.LSTM(width, width, num_layers=layers, dropout=dropout)
        self.decoder = nn.Linear(width, words)
        self.decoder.weight = self.embedding.weight  # tied
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                with torch.no_grad():
                    parameter[width : 2 * width].fill_(1.0)  # forget little at first (Jozefowicz et al. 2015)

    def embed(self, x):
        weight = self.embedding.weight
        if self.training:  # a dropped word is dropped everywhere in the batch
            weight = weight * F.dropout(torch.ones(len(weight), 1), self.word_dropout)
        return F.embedding(x, weight)

    def forward(self, x, state=None):
        """x: (T, N) -> logits (T, N, words), the last layer's output (T, N, width), the state (h, c)"""
        raw, state = self.lstm(self.locked(self.embed(x)), state)
        return self.decoder(self.locked(raw)), raw, state


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    batch, through, width = 10, 12, 48
    data = corpus(500, seed=1)
    columns = data[: len(data) // batch * batch].view(batch, -1).t().contiguous()
    test = corpus(200, seed=2).unsqueeze(1)  # (L, 1)
    model = LanguageModel(len(WORDS), width)
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=args.steps, power=1.0)
    average = AveragedModel(model)  # of the weights of the last quarter

    losses = []
    while len(losses) < args.steps:
        state = None
        for start in range(0, len(columns) - through, through):
            x, y = columns[start : start + through], columns[start + 1 : start + through + 1]
            logits, raw, state = model(x, state)
            state = tuple(s.detach() for s in state)
            loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
            temporal = (raw[1:] - raw[:-1]).pow(2).mean()  # the state should change slowly
            optimizer.zero_grad()
            (loss + 1e-2 * raw.pow(2).mean() + 1e-2 * temporal).backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            if 4 * len(losses) > 3 * args.steps:
                average.update_parameters(model)
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    for name, trained in (("last weights", model), ("their average", average)):
        trained.eval()
        with torch.no_grad():
            logits, _, _ = trained(test[:-1])
            perplexity = F.cross_entropy(logits.squeeze(1), test[1:, 0]).exp()
        print(f"test perplexity, {name}: {perplexity.item():.3f}")
    print(f"of the grammar itself: {math.exp(entropy_per_word()):.3f}")
    return losses


if __name__ == "__main__":
    main()
