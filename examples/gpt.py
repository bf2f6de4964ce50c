"""GPT: a decoder-only Transformer (Radford et al. 2019, "Language models are unsupervised multitask learners").

    x <- x + attention(norm(x)),   x <- x + mlp(norm(x)),   attention = softmax(Q K^T / sqrt(d) + causal mask) V

Characters of text are predicted from those before them. As in GPT-2: norms before the sublayers, learned positions,
output weights tied to the embedding, projections into the residual stream scaled by 1/sqrt(2 layers). The batch is
made of several small ones, whose gradients add up.
"""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

TEXT = " ".join(
    """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness,
    it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of
    Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing
    before us, we were all going direct to Heaven, we were all going direct the other way - in short, the period was
    so far like the present period, that some of its noisiest authorities insisted on its being received, for good or
    for evil, in the superlative degree of comparison only. There were a king with a large jaw and a queen with a
    plain face, on the throne of England; there were a king with a large jaw and a queen with a fair face, on the
    throne of France. In both countries it was clearer than crystal to the lords of the State preserves of loaves and
    fishes, that things in general were settled for ever.""".split()
)  # Charles Dickens, "A Tale of Two Cities" (1859)
ALPHABET = sorted(set(TEXT))


class CausalSelfAttention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.resid_dropout = nn.Dropout(dropout)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.c_attn(x).split(width, dim=2)
        q, k, v = (t.view(n, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))  # (N, heads, L, d)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(n, length, width)
        return self.resid_dropout(self.c_proj(y))


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), CausalSelfAttention(width, heads, dropout)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, width=64, heads=4, layers=2, dropout=0.1):
        super().__init__()
        self.context = context
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocabulary, width),
            "wpe": nn.Embedding(context, width),
            "drop": nn.Dropout(dropout),
            "h": nn.ModuleList([Block(width, heads, dropout) for _ in range(layers)]),
            "ln_f": nn.LayerNorm(width),
        })  # fmt: skip
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.transformer.wte.weight
        self.apply(self.initialise)
        for name, p in self.named_parameters():
            if name.endswith(("c_proj.weight", "mlp.2.weight")):
                nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * layers))

    @staticmethod
    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, x, targets=None):
        """x: (N, L) -> logits (N, L, vocabulary) and, with targets, the loss"""
        position = torch.arange(x.shape[1], device=x.device)
        t = self.transformer
        h = t.drop(t.wte(x) + t.wpe(position))
        for block in t.h:
            h = block(h)
        logits = self.lm_head(t.ln_f(h))
        loss = None if targets is None else F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, x, new, temperature=0.8, top_k=5):
        """x: (N, L) with `new` characters appended, each drawn from the top_k likeliest."""
        for _ in range(new):
            logits, _ = self(x[:, -self.context :])
            logits = logits[:, -1] / temperature
            least = logits.topk(top_k).values[:, -1:]
            logits[logits < least] = -float("inf")
            x = torch.cat((x, torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return x


def configure(model, lr, weight_decay):
    """Matrices decay, norms and biases do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))


def cosine_with_warmup(step, warmup, total, least=0.1):
    if step < warmup:
        return (step + 1) / warmup
    return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accumulate", type=int, default=2)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    context, batch = 32, 6
    data = torch.tensor([ALPHABET.index(c) for c in TEXT])
    model = GPT(len(ALPHABET), context)
    optimizer = configure(model, lr=3e-3, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_with_warmup(step, 10, args.steps))

    def get_batch():
        start = torch.randint(len(data) - context, (batch,))
        x = torch.stack([data[i : i + context] for i in start])
        y = torch.stack([data[i + 1 : i + context + 1] for i in start])
        return x, y

    losses = []
    model.train()
    for step in range(1, args.steps + 1):
        total = 0.0
        for _ in range(args.accumulate):
            _, loss = model(*get_batch())
            loss = loss / args.accumulate
            loss.backward()
            total += loss.item()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
        print(f"step {step} loss {total:.6f} gradient {norm.item():.4f}")

    model.eval()
    start = torch.tensor([[ALPHABET.index(c) for c in "it was "]])
    print(repr("".join(ALPHABET[i] for i in model.generate(start, 60)[0].tolist())))
    return losses


if __name__ == "__main__":
    main()
