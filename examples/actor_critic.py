"""Advantage actor-critic swings up a pendulum, with continuous actions (Mnih et al. 2016, "Asynchronous methods for deep
reinforcement learning"; Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
estimation").

    delta_t = r_t + gamma V(s_{t+1}) - V(s_t),     A_t = delta_t + gamma lambda A_{t+1}
    loss = -E [log pi(a|s) A] + c_v E [huber(V(s) - (A + V(s)))] - c_e E [entropy of pi]

The policy is a normal distribution squashed by tanh; TransformedDistribution keeps account of the change of variables.
"""

import argparse

import torch
import torch.nn as nn
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import AffineTransform, TanhTransform

STRONGEST, FASTEST, DT = 2.0, 8.0, 0.05


class Pendulums:
    """n pendulums of length and mass 1, hanging anywhere at first. Observed: (n, 3) = cos, sin of the angle, speed"""

    def __init__(self, n):
        self.n = n

    def observe(self):
        return torch.stack([self.angle.cos(), self.angle.sin(), self.speed / FASTEST], dim=1)

    def reset(self):
        self.angle = torch.empty(self.n).uniform_(-torch.pi, torch.pi)
        self.speed = torch.empty(self.n).uniform_(-1, 1)
        return self.observe()

    def step(self, torque):
        """torque: (n,). The reward is 0 for a pendulum that stands still, upright, without effort; else negative."""
        angle = torch.remainder(self.angle + torch.pi, 2 * torch.pi) - torch.pi
        reward = -(angle**2 + 0.1 * self.speed**2 + 0.001 * torque**2)
        self.speed = (self.speed + DT * (15 * angle.sin() + 3 * torque)).clamp_(-FASTEST, FASTEST)
        self.angle = angle + DT * self.speed
        return self.observe(), reward


class ActorCritic(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, hidden), nn.Mish(), nn.Linear(hidden, hidden), nn.Mish())
        self.mean = nn.Linear(hidden, 1)
        self.log_std = nn.Parameter(torch.full((1,), -0.5))
        self.value = nn.Linear(hidden, 1)
        for module in self.body:
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight, gain=2**0.5)
                nn.init.zeros_(module.bias)

    def forward(self, state):
        """(n, 3) -> the distribution before squashing, the squashed one, the value (n,)"""
        h = self.body(state)
        normal = Independent(Normal(self.mean(h), self.log_std.clamp(-2, 1).exp()), 1)
        squashed = TransformedDistribution(normal, [TanhTransform(cache_size=1), AffineTransform(0.0, STRONGEST)])
        return normal, squashed, self.value(h).squeeze(-1)


def generalized_advantages(rewards, values, last, gamma, decay):
    """rewards, values: (T, n), last: (n,) the value of where it stopped -> (T, n)"""
    following = torch.cat([values[1:], last.unsqueeze(0)])
    deltas = rewards + gamma * following - values
    advantages, running = [], torch.zeros_like(last)
    for delta in deltas.flip(0):
        running = delta + gamma * decay * running
        advantages.insert(0, running)
    return torch.stack(advantages)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    environment, model = Pendulums(32), ActorCritic()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=7e-4, alpha=0.99, eps=1e-3)
    huber = nn.HuberLoss(delta=1.0)

    losses = []
    state = environment.reset()
    for step in range(1, args.steps + 1):
        if step % 20 == 0:
            state = environment.reset()
        log_probabilities, entropies, values, rewards = [], [], [], []
        for _ in range(10):
            normal, squashed, value = model(state)
            action = squashed.sample()  # no gradient through the draw: the score function carries it
            log_probabilities.append(squashed.log_prob(action))
            entropies.append(normal.entropy())
            values.append(value)
            state, reward = environment.step(action.squeeze(1))
            rewards.append(reward / 8)
        values = torch.stack(values)
        with torch.no_grad():
            last = model(state)[2]
            advantages = generalized_advantages(torch.stack(rewards), values, last, gamma=0.97, decay=0.9)
            targets = advantages + values
            scaled = (advantages - advantages.mean()) / advantages.std().clamp_min(1e-3)
        actor = -(torch.stack(log_probabilities) * scaled).mean()
        critic = huber(values, targets)
        loss = actor + 0.5 * critic - 0.002 * torch.stack(entropies).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5, error_if_nonfinite=True)
        optimizer.step()
        losses.append(loss.item())
        print(
            f"step {step} loss {losses[-1]:.6f} critic {critic.item():.4f} reward {torch.stack(rewards).mean().item():.4f}"
        )

    with torch.no_grad():
        state = environment.reset()
        reward = torch.zeros(32)
        for _ in range(100):
            normal, _, _ = model(state)
            state, received = environment.step(STRONGEST * torch.tanh(normal.mean.squeeze(1)))
            reward += received / 100
    print(f"evaluation: reward {reward.mean().item():.4f}, best {reward.max().item():.4f}")
    return losses


if __name__ == "__main__":
    main()
