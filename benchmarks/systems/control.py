"""Reinforcement learning: three ways to learn to act, each in a built-in world."""

from __future__ import annotations

import minitorch
from minitorch.models.environments import CartPole
from minitorch.models.reinforcement import actor_critic as learn_actor_critic
from minitorch.models.reinforcement import dqn as learn_dqn
from minitorch.models.reinforcement import greedy, mean_return, network
from minitorch.models.reinforcement import reinforce as learn_reinforce

from .system import Reached, system

METRIC = "mean return of 100 episodes of CartPole under the learnt policy (500 is the most there is)"
BASELINE = "mean return before learning"
TEST_SEED = 1000  # of the world in which the policy is tested: other starts than those learnt from


def final_return(scores: minitorch.nn.Module, episodes: int = 100) -> float:
    return mean_return(CartPole(TEST_SEED), greedy(scores), episodes)


@system(metric=METRIC, at_least=450, baseline=BASELINE)
def reinforce(
    seed: int = 0, updates: int = 100, episodes: int = 6, discount: float = 0.99, lr: float = 0.01
) -> Reached:
    """REINFORCE balances the pole."""
    minitorch.manual_seed(seed)
    actor = network(4, 2)
    before = final_return(actor, 20)
    history = learn_reinforce(CartPole(seed), actor, updates, episodes, discount, lr, seed)
    return Reached(final_return(actor), before, {"return": history})


@system(metric=METRIC, at_least=450, baseline=BASELINE)
def actor_critic(
    seed: int = 0, updates: int = 100, episodes: int = 6, discount: float = 0.99, decay: float = 0.95, lr: float = 0.01
) -> Reached:
    """Actor-critic balances the pole."""
    minitorch.manual_seed(seed)
    actor, critic = network(4, 2), network(4, 1)
    before = final_return(actor, 20)
    history = learn_actor_critic(CartPole(seed), actor, critic, updates, episodes, discount, decay, lr, seed=seed)
    return Reached(final_return(actor), before, {"return": history})


@system(metric=METRIC, at_least=450, baseline=BASELINE)
def dqn(seed: int = 0, steps: int = 20_000, discount: float = 0.99, lr: float = 1e-3, batch: int = 64) -> Reached:
    """Deep Q-learning balances the pole."""
    minitorch.manual_seed(seed)
    q = network(4, 2, (64, 64))
    before = final_return(q, 20)
    history = learn_dqn(CartPole(seed), q, steps, discount, lr, batch, seed=seed)
    return Reached(final_return(q), before, {"return": history})
