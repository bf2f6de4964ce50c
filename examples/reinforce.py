"""REINFORCE balances a pole (Williams 1992, "Simple statistical gradient-following algorithms for connectionist
reinforcement learning").

    grad J = E [ sum_t grad log pi(a_t | s_t) (G_t - b) ],   G_t = r_t + gamma G_{t+1}

with the batch's mean return as the baseline b. The cart and the pole are those of Barto, Sutton and Anderson (1983),
many carts at once, written in tensor operations.
"""

import argparse

import torch
import torch.nn as nn
from torch.distributions import Categorical

GRAVITY, CART, POLE, HALF_LENGTH, FORCE, TAU = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02


class CartPoles:
    """n carts; state: (n, 4) = position, velocity, angle, angular velocity; a cart that has fallen stays where it is."""

    def __init__(self, n):
        self.n = n

    def reset(self):
        self.state = torch.empty(self.n, 4).uniform_(-0.05, 0.05)
        self.alive = torch.ones(self.n, dtype=torch.bool)
        return self.state

    def step(self, action):
        """action: (n,) 0 left, 1 right -> the state, the reward (1 while the pole stands)"""
        x, v, angle, spin = self.state.unbind(dim=1)
        total = CART + POLE
        push = torch.where(action == 1, FORCE, -FORCE)
        pull = (push + POLE * HALF_LENGTH * spin**2 * angle.sin()) / total
        turn = (GRAVITY * angle.sin() - angle.cos() * pull) / (HALF_LENGTH * (4 / 3 - POLE * angle.cos() ** 2 / total))
        acceleration = pull - POLE * HALF_LENGTH * turn * angle.cos() / total
        moved = torch.stack([x + TAU * v, v + TAU * acceleration, angle + TAU * spin, spin + TAU * turn], dim=1)
        reward = self.alive.to(moved.dtype)
        self.state = torch.where(self.alive.unsqueeze(1), moved, self.state)
        self.alive = self.alive & (self.state[:, 0].abs() < 2.4) & (self.state[:, 2].abs() < 12 * torch.pi / 180)
        return self.state, reward


class Policy(nn.Module):
    def __init__(self, hidden=32, dropout=0.1):
        super().__init__()
        self.affine1 = nn.Linear(4, hidden)
        self.dropout = nn.Dropout(p=dropout)
        self.affine2 = nn.Linear(hidden, 2)
        nn.init.orthogonal_(self.affine2.weight, gain=0.01)

    def forward(self, state):
        return Categorical(logits=self.affine2(torch.tanh(self.dropout(self.affine1(state)))))


def discounted(rewards, gamma):
    """G_t = r_t + gamma G_{t+1}. rewards: (T, n)"""
    returns = torch.empty_like(rewards)
    following = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        returns[t] = following
    return returns


def play(policy, environment, horizon):
    """One episode of every cart. -> log-probabilities (T, n), rewards (T, n)"""
    state = environment.reset()
    log_probabilities, rewards = [], []
    for _ in range(horizon):
        choice = policy(state)
        action = choice.sample()
        log_probabilities.append(choice.log_prob(action))
        state, reward = environment.step(action)
        rewards.append(reward)
        if not environment.alive.any():
            break
    return torch.stack(log_probabilities), torch.stack(rewards)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gamma", type=float, default=0.98)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    environment, policy = CartPoles(16), Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)

    losses = []
    for step in range(1, args.steps + 1):
        policy.train()
        log_probabilities, rewards = play(policy, environment, horizon=100)
        returns = discounted(rewards, args.gamma)
        played = rewards > 0
        advantage = (returns - returns[played].mean()) / (returns[played].std() + 1e-6)
        loss = -(log_probabilities * advantage)[played].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(f"step {step} loss {losses[-1]:.6f} stands {rewards.sum(dim=0).mean().item():.1f}")

    policy.eval()
    with torch.no_grad():
        state = environment.reset()
        stands = torch.zeros(environment.n)
        for _ in range(200):
            state, reward = environment.step(policy(state).probs.argmax(dim=1))  # no chance now: the likelier action
            stands += reward
    print(f"evaluation: stands for {stands.mean().item():.1f} of 200 steps, the worst for {stands.min().item():.0f}")
    return losses


if __name__ == "__main__":
    main()
