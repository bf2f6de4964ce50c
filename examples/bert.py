"""A masked language model (Devlin et al. 2019, "BERT: pre-training of deep bidirectional Transformers").

15 % of the words are chosen; of these 80 % are replaced by [MASK], 10 % by a random word, 10 % stay; the model has to
say what stood there, and, from the [CLS] position, whether the second sentence follows from the first. The
sentences count: "3 4 5 6", and one follows the other when it goes on with the same stride.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

PAD, CLS, SEP, MASK = 0, 1, 2, 3
FIRST = 4  # the word of the number 0
NUMBERS = 40
LENGTH = 16


def pairs(n):
    """words: (n, 16) = [CLS] a [SEP] b [SEP] [PAD]..., segments: (n, 16) 0 for a and 1 for b, follows: (n,)"""
    words = torch.full((n, LENGTH), PAD)
    segments = torch.zeros_like(words)
    follows = torch.rand(n).lt(0.5)
    for i in range(n):
        first, second = torch.randint(4, 7, (2,)).tolist()
        stride, start = torch.randint(1, 4, ()).item(), torch.randint(NUMBERS, ()).item()
        a = start + stride * torch.arange(first)
        other = a[-1] + stride if follows[i] else torch.randint(NUMBERS, ())
        b = other + stride * torch.arange(second)
        words[i, 0] = CLS
        words[i, 1 : first + 1] = FIRST + a % NUMBERS
        words[i, first + 1] = SEP
        words[i, first + 2 : first + second + 2] = FIRST + b % NUMBERS
        words[i, first + second + 2] = SEP
        segments[i, first + 2 : first + second + 3] = 1
    return words, segments, follows.long()


def mask_words(words):
    """(what the model sees, what it has to say: -100 where it has to say nothing)"""
    chosen = torch.bernoulli(torch.full(words.shape, 0.15)).bool() & (words >= FIRST)
    labels = torch.where(chosen, words, -100)
    fate = torch.rand(words.shape)
    seen = words.masked_fill(chosen & (fate < 0.8), MASK)
    changed = chosen & (fate >= 0.8) & (fate < 0.9)
    return torch.where(changed, torch.randint(FIRST, FIRST + NUMBERS, words.shape), seen), labels


class BERT(nn.Module):
    def __init__(self, width=48, heads=4, layers=2, dropout=0.1):
        super().__init__()
        vocabulary = FIRST + NUMBERS
        self.word = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.position = nn.Parameter(torch.empty(LENGTH, width))
        self.segment = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, dim_feedforward=4 * width, dropout=dropout, activation="gelu", batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, num_layers=layers, enable_nested_tensor=False)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.pooler = nn.Linear(width, width)
        self.next = nn.Linear(width, 2)
        for parameter in (self.word.weight, self.position, self.segment.weight):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, words, segments):
        """(N, L) twice -> scores of the words (N, L, vocabulary), of "follows" (N, 2)"""
        x = self.dropout(self.norm(self.word(words) + self.position + self.segment(segments)))
        h = self.encoder(x, src_key_padding_mask=words == PAD)
        scores = F.linear(self.transform(h), self.word.weight, self.bias)  # the embedding read backwards
        return scores, self.next(torch.tanh(self.pooler(h[:, 0])))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*pairs(800)), batch_size=32, shuffle=True)
    test_words, test_segments, test_follows = pairs(100)
    model = BERT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=2e-3,
        total_steps=args.steps + 1,
        pct_start=0.1,
        anneal_strategy="linear",
        cycle_momentum=False,
    )

    losses = []
    while len(losses) < args.steps:
        model.train()
        for words, segments, follows in train:
            seen, labels = mask_words(words)
            scores, relation = model(seen, segments)
            loss = F.cross_entropy(scores.transpose(1, 2), labels) + F.cross_entropy(relation, follows)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    model.eval()
    hidden = test_words.clone()
    hidden[:, 3] = MASK  # the third number of the first sentence
    with torch.no_grad():
        scores, relation = model(hidden, test_segments)
    found = (scores[:, 3].argmax(dim=-1) == test_words[:, 3]).sum().item()
    ranks = (scores[:, 3] > scores[:, 3].gather(1, test_words[:, 3:4])).sum(dim=1)
    told = (relation.argmax(dim=-1) == test_follows).sum().item()
    print(f"hidden word found in {found} of 100, among the first five in {(ranks < 5).sum().item()}")
    print(f"told whether the second follows the first in {told} of 100")
    return losses


if __name__ == "__main__":
    main()
