"""Linear regression, by gradient descent written out by hand and by the closed formula.

Model:      y = x w + b + noise
Loss:       L(w, b) = mean (x w + b - y)^2        (Gauss 1809, least squares)
Gradient:   from autograd.grad, then  w <- w - lr dL/dw
Closed:     the least-squares solution of [x 1] [w; b] = y
"""

import argparse

import torch
from torch.utils.data import DataLoader, TensorDataset


def make_data(n, features):
    """x: (n, features), y: (n, 1) from weights that the regression is to find again."""
    x = torch.randn(n, features)
    weight, bias = torch.randn(features, 1), torch.tensor([0.7])
    return x, x @ weight + bias + 0.1 * torch.randn(n, 1), weight, bias


def mean_squared_error(x, y, weight, bias):
    return (x @ weight + bias - y).pow(2).mean()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    x, y, true_weight, true_bias = make_data(n=512, features=8)
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    weight = torch.zeros(8, 1, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)

    losses = []
    while len(losses) < args.steps:
        for batch_x, batch_y in loader:
            loss = mean_squared_error(batch_x, batch_y, weight, bias)
            weight_gradient, bias_gradient = torch.autograd.grad(loss, (weight, bias))
            with torch.no_grad():  # in place on leaves: allowed only where nothing is recorded
                weight -= args.lr * weight_gradient
                bias.sub_(bias_gradient, alpha=args.lr)
            losses.append(loss.item())
            print(f"step {len(losses)} loss {losses[-1]:.6f}")
            if len(losses) == args.steps:
                break

    design = torch.cat([x, torch.ones(len(x), 1)], dim=1)  # (512, 9): the bias is the weight of a column of ones
    solution = torch.linalg.lstsq(design, y).solution  # (9, 1)
    best = mean_squared_error(x, y, solution[:-1], solution[-1])
    print(f"descent: loss {mean_squared_error(x, y, weight, bias).item():.6f}")
    print(f"closed:  loss {best.item():.6f}, off the true weights by {(solution[:-1] - true_weight).norm().item():.4f}")
    print(f"bias: true {true_bias.item():.3f}, descent {bias.item():.3f}, closed {solution[-1].item():.3f}")
    return losses


if __name__ == "__main__":
    main()
