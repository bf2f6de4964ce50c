"""Logistic regression with a ridge penalty, minimised by L-BFGS.

Model:   P(y = 1 | x) = sigmoid(phi(x) w + b), with phi the polynomials up to degree 3 of two coordinates
Loss:    mean of -[c y log p + (1 - y) log(1 - p)] + lambda |w|^2    (c balances rare positives)
Method:  limited-memory BFGS with a strong-Wolfe line search (Nocedal and Wright, "Numerical optimization", 2006, ch. 7)

The loss is convex, so a quasi-Newton method gets to the minimum in a few steps, each of which calls the closure
as often as its line search needs.
"""

import argparse

import torch
import torch.nn as nn


def two_moons(n, noise=0.15):
    """Two half circles, one inside the other's opening; a quarter of the points are positive. x: (n, 2), y: (n,)."""
    y = (torch.arange(n) % 4 == 0).to(torch.get_default_dtype())
    angle = torch.pi * torch.rand(n)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    x = torch.where(y[:, None] == 1, lower, upper) + noise * torch.randn(n, 2)
    order = torch.randperm(n)
    return x[order], y[order]


def polynomials(x, degree=3):
    """All x1^i x2^j with 1 <= i + j <= degree. x: (N, 2) -> (N, 9)"""
    powers = [(i, total - i) for total in range(1, degree + 1) for i in range(total + 1)]
    return torch.stack([x[:, 0] ** i * x[:, 1] ** j for i, j in powers], dim=-1)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ridge", type=float, default=1e-3)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    x, y = two_moons(600)
    features = polynomials(x)
    train, test = slice(0, 400), slice(400, 600)
    mean, std = features[train].mean(dim=0), features[train].std(dim=0)
    features.sub_(mean).div_(std)  # in place: nobody needs the raw ones any more

    model = nn.Linear(features.shape[1], 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    positives = y[train].mean()
    criterion = nn.BCEWithLogitsLoss(pos_weight=(1 - positives) / positives)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=4, history_size=10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        logits = model(features[train]).squeeze(1)  # (400,)
        loss = criterion(logits, y[train]) + args.ridge * model.weight.square().sum()
        loss.backward()
        return loss

    losses = []
    for step in range(1, args.steps + 1):
        loss = optimizer.step(closure)  # the loss before the step
        losses.append(loss.item())
        print(f"step {step} loss {losses[-1]:.6f}")

    with torch.no_grad():
        predicted = torch.sigmoid(model(features[test]).squeeze(1)) > 0.5
    actual = y[test] == 1
    hits = (predicted & actual).sum()
    precision, recall = hits / predicted.sum().clamp(min=1), hits / actual.sum()
    print(f"test accuracy {(predicted == actual).to(x.dtype).mean().item():.3f}")
    print(f"precision {precision.item():.3f} recall {recall.item():.3f}")
    return losses


if __name__ == "__main__":
    main()
