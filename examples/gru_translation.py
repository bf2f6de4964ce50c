"""Translation with attention (Bahdanau, Cho and Bengio 2015, "Neural machine translation by jointly learning to align
and translate"): from dates as people write them to ISO 8601.

Encoder:    h_j = [GRU forward; GRU backward]
Attention:  e_tj = v . tanh(W s_{t-1} + U h_j),  a_t = softmax(e_t),  context c_t = sum_j a_tj h_j
Decoder:    s_t = GRU(s_{t-1}, [embedding of y_{t-1}; c_t])

Sentences differ in length: the encoder reads a packed sequence, the attention is masked where a sentence is padded,
and the loss leaves padding out.
"""

import argparse
import datetime

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader

CHARACTERS = ["<pad>", "<start>", *" ,-./0123456789abcdefghijklmnopqrstuvwxyz"]
PAD, START = 0, 1
FORMATS = ["%d %B %Y", "%B %d, %Y", "%A %d %b %Y", "%d.%m.%Y", "%d/%m/%y", "%b %d %y"]


def encode(text):
    return torch.tensor([CHARACTERS.index(character) for character in text.lower()])


def decode(indices):
    return "".join(CHARACTERS[i] for i in indices if i > START)


def dates(n):
    """n pairs (source, target), such as ("tuesday 3 mar 1998", "1998-03-03"), as tensors of characters."""
    days = torch.randint(0, 36525, (n,))
    formats = torch.randint(len(FORMATS), (n,))
    pairs = []
    for day, written in zip(days.tolist(), formats.tolist(), strict=True):
        date = datetime.date(1950, 1, 1) + datetime.timedelta(days=day)
        pairs.append((encode(date.strftime(FORMATS[written])), encode(date.isoformat())))
    return pairs


def collate(pairs):
    """Longest first, as packing wants them, and padded. sources: (S, N), their lengths: (N,), targets: (10, N)"""
    sources, targets = zip(*sorted(pairs, key=lambda pair: -len(pair[0])), strict=True)
    lengths = torch.tensor([len(source) for source in sources])
    return pad_sequence(sources, padding_value=PAD), lengths, torch.stack(targets, dim=1)


class Encoder(nn.Module):
    def __init__(self, characters, width):
        super().__init__()
        self.embedding = nn.Embedding(characters, width, padding_idx=PAD)
        self.gru = nn.GRU(width, width, bidirectional=True)
        self.bridge = nn.Linear(width, width)

    def forward(self, sources, lengths):
        """(S, N) -> annotations (S, N, 2 width), the decoder's first state (N, width)"""
        packed = pack_padded_sequence(self.embedding(sources), lengths)
        packed, last = self.gru(packed)  # last: (2, N, width)
        annotations, _ = pad_packed_sequence(packed)
        return annotations, torch.tanh(self.bridge(last[1]))  # the backward half has read to the beginning


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(2 * width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, state, keys, annotations, padded):
        energy = self.score(torch.tanh(self.query(state) + keys)).squeeze(-1)  # (S, N)
        weights = energy.masked_fill(padded, float("-inf")).softmax(dim=0)
        return torch.einsum("sn,snc->nc", weights, annotations), weights


class Decoder(nn.Module):
    def __init__(self, characters, width, dropout=0.1):
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.attention = Attention(width)
        self.cell = nn.GRUCell(3 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(3 * width, characters)

    def forward(self, annotations, state, padded, length, targets=None):
        """Logits (length, N, characters); fed with the targets while they are given, else with its own guesses."""
        keys = self.attention.key(annotations)  # W h_j, the same at every step
        previous = torch.full((annotations.shape[1],), START)
        logits = []
        for t in range(length):
            context, _ = self.attention(state, keys, annotations, padded)
            x = self.dropout(self.embedding(previous))
            state = self.cell(torch.cat([x, context], dim=1), state)
            logits.append(self.readout(torch.cat([state, context], dim=1)))
            previous = logits[-1].argmax(dim=1) if targets is None else targets[t]
        return torch.stack(logits)


class Translator(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.encoder = Encoder(len(CHARACTERS), width)
        self.decoder = Decoder(len(CHARACTERS), width)

    def forward(self, sources, lengths, targets=None, length=10):
        annotations, state = self.encoder(sources, lengths)
        return self.decoder(annotations, state, sources == PAD, length, targets)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(dates(2000), batch_size=32, shuffle=True, collate_fn=collate)
    test = collate(dates(100))
    model = Translator()
    optimizer = torch.optim.RAdam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)

    losses = []
    while len(losses) < args.steps:
        model.train()
        for sources, lengths, targets in train:
            logits = model(sources, lengths, targets)
            loss = criterion(logits.permute(1, 2, 0), targets.t())  # (N, characters, 10) against (N, 10)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    sources, lengths, targets = test
    with torch.no_grad():
        guesses = model(sources, lengths).argmax(dim=2)  # (10, N), greedy
    whole = (guesses == targets).all(dim=0).sum().item()
    single = F.one_hot((guesses == targets).long().flatten(), 2).sum(dim=0)[1].item()
    print(f"right: {whole} of {targets.shape[1]} dates, {single} of {targets.numel()} characters")
    for i in range(3):
        print(f"{decode(sources[:, i].tolist())!r:32} -> {decode(guesses[:, i].tolist())}")
    return losses


if __name__ == "__main__":
    main()
