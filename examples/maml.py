"""Learning to learn sine waves (Finn, Abbeel and Levine 2017, "Model-agnostic meta-learning for fast adaptation of deep
networks").

A task is to fit A sin(x + phi) from ten points. Wanted are weights w from which one step of gradient descent leads far:

    w_i = w - a grad L_i(w)  on the ten points of task i,   minimise  sum_i L_i(w_i)  on ten others

The gradient of the second loss goes through the first gradient. With torch.func the model is a function of its
weights, so the inner step is `grad` of a function, and all tasks at once are its `vmap`.
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap


def tasks(n, points=10):
    """x, y: (n, 2, points, 1): to adapt to, and to be judged by"""
    amplitude = torch.empty(n, 1, 1, 1).uniform_(0.5, 3)
    phase = torch.empty(n, 1, 1, 1).uniform_(0, torch.pi)
    x = torch.empty(n, 2, points, 1).uniform_(-4, 4)
    return x, amplitude * torch.sin(x + phase)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inner-lr", type=float, default=0.05)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    model = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    weights = dict(model.named_parameters())
    optimizer = torch.optim.Adam(weights.values(), lr=3e-3)

    def loss_of(weights, x, y):
        return F.mse_loss(functional_call(model, weights, (x,)), y)

    def adapt(weights, x, y):
        gradients = grad(loss_of)(weights, x, y)
        return {name: w - args.inner_lr * gradients[name] for name, w in weights.items()}

    def loss_after_adapting(weights, x, y):  # of one task; x, y: (2, points, 1)
        return loss_of(adapt(weights, x[0], y[0]), x[1], y[1])

    over_tasks = vmap(loss_after_adapting, in_dims=(None, 0, 0))

    losses = []
    for step in range(1, args.steps + 1):
        loss = over_tasks(weights, *tasks(16)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(f"step {step} loss {losses[-1]:.6f}")

    weights = {name: w.detach() for name, w in weights.items()}
    x, y = tasks(100)
    before = vmap(loss_of, in_dims=(None, 0, 0))(weights, x[:, 1], y[:, 1]).mean()
    print(f"new tasks: loss {before.item():.3f} before, {over_tasks(weights, x, y).mean().item():.3f} after one step")
    return losses


if __name__ == "__main__":
    main()
