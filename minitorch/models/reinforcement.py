"""Reinforcement learning (强化学习): REINFORCE, actor-critic, and deep Q-learning.

An agent in state s takes action a, gets reward r and comes to s'. It is to maximise the return
G_t = r_(t+1) + discount r_(t+2) + discount^2 r_(t+3) + ...  Sutton, Barto, "Reinforcement learning" (2nd edition, 2018).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .. import Tensor, from_numpy, nn, no_grad, optim, tensor
from ..nn import functional as F


class Environment(Protocol):
    """What `environments` has."""

    actions: int
    observation_size: int

    def reset(self) -> np.ndarray: ...

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool]: ...


def network(inputs: int, outputs: int, hidden: Sequence[int] = (64,)) -> nn.Sequential:
    """(N, inputs) -> (N, outputs): linear layers with tanh in between."""
    sizes = (inputs, *hidden)
    layers: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


@dataclass
class Episode:
    """One run: states s_0 .. s_(T-1), actions, rewards r_1 .. r_T, and the last state, with whether it was the end."""

    states: list[np.ndarray] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    last: np.ndarray = field(default_factory=lambda: np.zeros(0))
    terminated: bool = False

    def tensors(self) -> tuple[Tensor, Tensor]:
        """states: float32 (T, D), actions: int64 (T,)."""
        return from_numpy(np.array(self.states, np.float32)), tensor(self.actions)


Policy = Callable[[np.ndarray], int]


def play(environment: Environment, policy: Policy) -> Episode:
    """One episode under `policy`, which maps an observation to an action."""
    episode, observation, over = Episode(), environment.reset(), False
    while not over:
        action = policy(observation)
        after, reward, terminated, truncated = environment.step(action)
        episode.states.append(observation)
        episode.actions.append(action)
        episode.rewards.append(reward)
        episode.last, episode.terminated, observation = after, terminated, after
        over = terminated or truncated
    return episode


def sampling(actor: nn.Module, random: np.random.RandomState) -> Policy:
    """Draw the action from pi(a | s) = softmax(actor(s))."""

    @no_grad()
    def policy(observation: np.ndarray) -> int:
        p = actor(from_numpy(observation.astype(np.float32))).softmax(-1).numpy().astype(float)
        return int(np.searchsorted(np.cumsum(p), random.rand() * p.sum(), side="right"))

    return policy


def greedy(scores: nn.Module) -> Policy:
    """The action with the largest score: the likeliest one of an actor, the best one of a Q-network."""

    @no_grad()
    def policy(observation: np.ndarray) -> int:
        return int(scores(from_numpy(observation.astype(np.float32))).argmax())

    return policy


def mean_return(environment: Environment, policy: Policy, episodes: int) -> float:
    """The mean sum of rewards, without discount."""
    return float(np.mean([sum(play(environment, policy).rewards) for _ in range(episodes)]))


def discounted_returns(rewards: Sequence[float], discount: float, after: float = 0.0) -> np.ndarray:
    """G_t = r_(t+1) + discount G_(t+1), from the end backwards; G_T = `after`. float64 (T,)."""
    returns = np.zeros(len(rewards))
    for t in reversed(range(len(rewards))):
        returns[t] = after = rewards[t] + discount * after
    return returns


# REINFORCE


def policy_gradient_loss(logits: Tensor, actions: Tensor, weights: Tensor) -> Tensor:
    """L = -mean_t weight_t log pi(a_t | s_t), logits (T, A), actions and weights (T,).

    The policy gradient theorem (chapter 13; Williams 1992): grad E[G] = E[sum_t G_t grad log pi(a_t | s_t)], so its
    gradient is an estimate of the return's, with a minus: what led to more than usual becomes likelier.
    """
    return (F.cross_entropy(logits, actions, reduction="none") * weights).mean()


def standardised(values: np.ndarray) -> Tensor:
    """(v - mean) / standard deviation: a baseline, which changes no expectation of the gradient, and a scale."""
    return from_numpy(((values - values.mean()) / (values.std() + 1e-8)).astype(np.float32))


def falling(optimizer: optim.Optimizer, updates: int) -> optim.lr_scheduler.LRScheduler:
    """The learning rate along a line to 0: lr (1 - k / updates) at update k.

    Once every episode goes well, what tells better from worse is noise, and standardised noise is as large as a lesson:
    with steps of one size a good policy is soon lost again.
    """
    return optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 - k / updates)


def reinforce(
    environment: Environment,
    actor: nn.Module,
    updates: int,
    episodes: int = 5,
    discount: float = 0.99,
    lr: float = 0.01,
    seed: int = 0,
) -> list[float]:
    """REINFORCE (section 13.3): play `episodes`, weigh each action by the return that followed, step; the mean return of
    each of the `updates`. The steps shrink (`falling`)."""
    optimizer = optim.Adam(actor.parameters(), lr=lr)
    schedule = falling(optimizer, updates)
    policy = sampling(actor, np.random.RandomState(seed))
    history = []
    for _ in range(updates):
        played = [play(environment, policy) for _ in range(episodes)]
        weights = standardised(np.concatenate([discounted_returns(e.rewards, discount) for e in played]))
        states = from_numpy(np.concatenate([np.array(e.states, np.float32) for e in played]))
        actions = tensor([a for e in played for a in e.actions])
        optimizer.zero_grad()
        policy_gradient_loss(actor(states), actions, weights).backward()
        optimizer.step()
        schedule.step()
        history.append(float(np.mean([sum(e.rewards) for e in played])))
    return history


# Actor-critic


def advantages(rewards: Sequence[float], values: np.ndarray, last: float, discount: float, decay: float) -> np.ndarray:
    """How much better than expected: A_t = sum_k (discount decay)^k delta_(t+k), delta_t = r_(t+1) + discount V_(t+1) - V_t.

    Schulman et al., "High-dimensional continuous control using generalized advantage estimation" (ICLR 2016), equation
    16. values: V(s_0) .. V(s_(T-1)); last: V(s_T), 0 where the episode has ended. decay 0 trusts the critic after one
    step; decay 1 is the return minus V.
    """
    following = np.append(values[1:], last)
    delta = np.asarray(rewards) + discount * following - values
    return discounted_returns(delta.tolist(), discount * decay)


def actor_critic(
    environment: Environment,
    actor: nn.Module,
    critic: nn.Module,
    updates: int,
    episodes: int = 5,
    discount: float = 0.99,
    decay: float = 0.95,
    lr: float = 0.01,
    critic_steps: int = 20,
    seed: int = 0,
) -> list[float]:
    """Actor-critic (section 13.5): a second network learns V(s), what a state is worth, and the actor is told how much
    better than that its actions were. The critic's loss is (V(s_t) - (A_t + V_t))^2. Returns as `reinforce` does.

    The critic takes `critic_steps` for each one of the actor. A step of Adam moves a weight by about `lr`, but a good
    state is worth up to 1 / (1 - discount) rewards: with a step for a step the critic would never get there, and
    advantages over a V that is far too small are not advantages.
    """
    optimizer = optim.Adam(actor.parameters(), lr=lr)
    critics_optimizer = optim.Adam(critic.parameters(), lr=lr)
    schedule = falling(optimizer, updates)
    policy = sampling(actor, np.random.RandomState(seed))
    history = []
    for _ in range(updates):
        played = [play(environment, policy) for _ in range(episodes)]
        better, worth = [], []
        for episode in played:
            path = from_numpy(np.array([*episode.states, episode.last], np.float32))
            with no_grad():
                *values, last = critic(path)[:, 0].numpy().astype(float)
            found = advantages(episode.rewards, np.array(values), 0.0 if episode.terminated else last, discount, decay)
            better.append(found)
            worth.append(found + values)
        states = from_numpy(np.concatenate([np.array(e.states, np.float32) for e in played]))
        actions = tensor([a for e in played for a in e.actions])
        optimizer.zero_grad()
        policy_gradient_loss(actor(states), actions, standardised(np.concatenate(better))).backward()
        optimizer.step()
        schedule.step()
        goal = from_numpy(np.concatenate(worth).astype(np.float32))
        for _ in range(critic_steps):
            critics_optimizer.zero_grad()
            F.mse_loss(critic(states)[:, 0], goal).backward()
            critics_optimizer.step()
        history.append(float(np.mean([sum(e.rewards) for e in played])))
    return history


# Deep Q-learning


class Replay:
    """The last `capacity` transitions; batches of them are drawn with replacement, so that neighbours in time, which are
    alike, seldom meet in one batch."""

    def __init__(self, capacity: int, observation_size: int):
        self.states = np.zeros((capacity, observation_size), np.float32)
        self.after = np.zeros((capacity, observation_size), np.float32)
        self.actions = np.zeros(capacity, np.int64)
        self.rewards = np.zeros(capacity, np.float32)
        self.terminated = np.zeros(capacity, np.float32)
        self.count = 0

    def __len__(self) -> int:
        return min(self.count, len(self.actions))

    def add(self, state: np.ndarray, action: int, reward: float, after: np.ndarray, terminated: bool) -> None:
        i = self.count % len(self.actions)
        self.states[i], self.actions[i], self.rewards[i] = state, action, reward
        self.after[i], self.terminated[i] = after, terminated
        self.count += 1

    def sample(self, size: int, random: np.random.RandomState) -> tuple[Tensor, ...]:
        """states (size, D), actions, rewards, states after, terminated (1 or 0)."""
        i = random.randint(len(self), size=size)
        return tuple(from_numpy(a[i]) for a in (self.states, self.actions, self.rewards, self.after, self.terminated))


def q_learning_loss(q: nn.Module, target: nn.Module, batch: tuple[Tensor, ...], discount: float) -> Tensor:
    """The Bellman equation as a regression: Q(s, a) towards r + discount max_a' Q'(s', a'), r alone where it is over.

    Q' is the target network, a copy that is renewed now and then: a goal that does not run away with every step. The
    Huber loss bounds the gradient (Mnih et al., "Human-level control through deep reinforcement learning", Nature 518,
    2015, "Training details").
    """
    states, actions, rewards, after, terminated = batch
    with no_grad():
        goal = rewards + discount * (1 - terminated) * target(after).max(1).values
    chosen = q(states).gather(1, actions[:, None])[:, 0]
    return F.smooth_l1_loss(chosen, goal)


def dqn(
    environment: Environment,
    q: nn.Module,
    steps: int,
    discount: float = 0.99,
    lr: float = 1e-3,
    batch: int = 64,
    capacity: int = 50_000,
    warm_up: int = 500,
    renew: int = 250,
    explore: tuple[float, float, int] = (1.0, 0.05, 3000),
    seed: int = 0,
) -> list[float]:
    """Deep Q-learning: one step in the world, one on a batch of `Replay`; the return of each finished episode.

    explore = (a, b, n): the share of random actions falls from a to b over the first n steps.
    """
    random = np.random.RandomState(seed)
    optimizer = optim.Adam(q.parameters(), lr=lr)
    target = copy.deepcopy(q)
    replay = Replay(capacity, environment.observation_size)
    best = greedy(q)
    returns, total, state = [], 0.0, environment.reset()
    for step in range(steps):
        share = explore[0] + (explore[1] - explore[0]) * min(1.0, step / explore[2])
        action = int(random.randint(environment.actions)) if random.rand() < share else best(state)
        after, reward, terminated, truncated = environment.step(action)
        replay.add(state, action, reward, after, terminated)
        total, state = total + reward, after
        if terminated or truncated:
            returns.append(total)
            total, state = 0.0, environment.reset()
        if step >= warm_up:
            optimizer.zero_grad()
            q_learning_loss(q, target, replay.sample(batch, random), discount).backward()
            optimizer.step()
        if step % renew == 0:
            target.load_state_dict(q.state_dict())
    return returns
