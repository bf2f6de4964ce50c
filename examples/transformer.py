"""The Transformer (Vaswani et al. 2017, "Attention is all you need"): encoder and decoder learn to sort.

A line of digits goes in, the same digits in order come out. All positions are trained at once: the decoder is given
the right answer shifted by one, and a causal mask hides what is to come.

    PE(p, 2i) = sin(p / 10000^(2i/d)),  PE(p, 2i+1) = cos(p / 10000^(2i/d))
    learning rate = d^-0.5 min(step^-0.5, step warmup^-1.5)
"""

import argparse
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

PAD, START, END = 10, 11, 12
SYMBOLS = 13


class Sorting(Dataset):
    """source: (10,) digits, padded; target: (12,) START, the digits in order, END, padded"""

    def __init__(self, n, longest=10):
        self.source = torch.randint(0, 10, (n, longest))
        lengths = torch.randint(4, longest + 1, (n, 1))
        self.source.masked_fill_(torch.arange(longest) >= lengths, PAD)  # PAD is larger than all digits: it sorts last
        self.target = torch.full((n, longest + 2), PAD)
        self.target[:, 0] = START
        self.target[:, 1:-1] = self.source.sort(dim=1).values
        self.target.scatter_(1, lengths + 1, END)

    def __len__(self):
        return len(self.source)

    def __getitem__(self, i):
        return {"source": self.source[i], "target": self.target[i]}


class PositionalEncoding(nn.Module):
    def __init__(self, width, dropout, longest=64):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        position = torch.arange(longest).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(longest, width)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table)

    def forward(self, x):  # (N, L, width)
        return self.dropout(x + self.table[: x.size(1)])


class Sorter(nn.Module):
    def __init__(self, width=32, heads=4, layers=2, dropout=0.05):
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(SYMBOLS, width)
        self.position = PositionalEncoding(width, dropout)
        sizes = {"dim_feedforward": 4 * width, "dropout": dropout, "batch_first": True}
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, heads, **sizes), layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.transformer = nn.Transformer(width, heads, num_decoder_layers=layers, custom_encoder=encoder, **sizes)
        self.generator = nn.Linear(width, SYMBOLS)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def embed(self, x):
        return self.position(self.embedding(x) * math.sqrt(self.width))

    def forward(self, source, target):
        """source: (N, S), target: (N, T) -> logits (N, T, symbols)"""
        ahead = nn.Transformer.generate_square_subsequent_mask(target.size(1), dtype=self.generator.weight.dtype)
        padded = torch.zeros(source.shape).masked_fill_(source == PAD, float("-inf"))  # added to the scores
        out = self.transformer(
            self.embed(source), self.embed(target), tgt_mask=ahead,
            src_key_padding_mask=padded, memory_key_padding_mask=padded,
        )  # fmt: skip
        return self.generator(out)

    @torch.no_grad()
    def sort(self, source, longest):
        """Greedy: the likeliest symbol, one after the other."""
        answer = torch.full((len(source), 1), START)
        for _ in range(longest):
            symbol = self(source, answer)[:, -1:].argmax(dim=-1)
            answer = torch.cat([answer, symbol], dim=1)
        return answer


def noam(width, warmup):
    return lambda step: width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(Sorting(1600), batch_size=32, shuffle=True)
    test = Sorting(64)
    model = Sorter()
    criterion = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5, betas=(0.9, 0.98), eps=1e-6)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, noam(model.width, warmup=60))

    losses = []
    while len(losses) < args.steps:
        model.train()
        for batch in train:
            target = batch["target"]
            logits = model(batch["source"], target[:, :-1])
            loss = criterion(logits.reshape(-1, SYMBOLS), target[:, 1:].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    answer = model.sort(test.source, longest=11)
    counts = test.target != PAD
    right = ((answer == test.target) | ~counts).all(dim=1)
    print(f"sorted rightly: {right.sum().item()} of {len(test)}")
    for source, given in zip(test.source[:3].tolist(), answer[:3].tolist(), strict=True):
        digits = given[1 : given.index(END)] if END in given else given[1:]
        print([i for i in source if i != PAD], "->", digits)
    return losses


if __name__ == "__main__":
    main()
