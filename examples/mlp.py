"""A multilayer perceptron on three interleaved spirals.

h_1 = dropout(relu(W_1 x + b_1)),  h_2 = ...,  logits = W_3 h_2 + b_3

He initialisation keeps the variance of the activations from layer to layer (He et al. 2015, "Delving deep into
rectifiers"), which the forward hooks below measure; dropout is Srivastava et al. 2014; the learning rate rises and
falls once (Smith and Topin 2018, "Super-convergence").
"""

import argparse

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def spirals(n, classes=3):
    """x: (n, 2), y: (n,) with arms that turn by one and a half circles."""
    y = torch.arange(n) % classes
    radius = torch.rand(n).sqrt()
    angle = 2 * torch.pi * (y / classes + 0.75 * radius) + 0.15 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), y


def build(inputs, hidden, outputs, dropout):
    model = nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, outputs),
    )

    def initialise(module):
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.constant_(module.bias, 0.01)

    return model.apply(initialise)


def accuracy(model, dataset):
    model.eval()
    with torch.no_grad():
        x, y = dataset[:]
        return (model(x).argmax(dim=1) == y).sum().item() / len(y)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dropout", type=float, default=0.1)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    train, test = random_split(TensorDataset(*spirals(1200)), [900, 300])
    loader = DataLoader(train, batch_size=128, shuffle=True, drop_last=True)
    model = build(2, 64, 3, args.dropout)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=args.steps)

    spread = {}  # layer -> standard deviation of what it gives at the first step

    def watch(name):
        def hook(module, inputs, output):
            spread.setdefault(name, output.std().item())

        return hook

    hooks = [m.register_forward_hook(watch(i)) for i, m in enumerate(model) if isinstance(m, nn.Linear)]

    losses = []
    while len(losses) < args.steps:
        model.train()
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    for hook in hooks:
        hook.remove()
    print("spread at the start: " + ", ".join(f"layer {i} {s:.3f}" for i, s in spread.items()))
    print(f"accuracy: train {accuracy(model, train):.3f} test {accuracy(model, test):.3f}")
    print(f"last learning rate {scheduler.get_last_lr()[0]:.2e}")
    return losses


if __name__ == "__main__":
    main()
