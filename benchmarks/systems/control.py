"""Reinforcement learning: three ways to learn to act, each in a built-in world."""

from __future__ import annotations

import minitorch
from minitorch.models.environments import CartPole, GridWorld
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
    seed: int = 0,
    updates: int = 100,
    episodes: int = 6,
    discount: float = 0.99,
    decay: float = 0.95,
    lr: float = 0.01,
    critic_steps: int = 20,
) -> Reached:
    """Actor-critic balances the pole."""
    minitorch.manual_seed(seed)
    actor, critic = network(4, 2), network(4, 1)
    before = final_return(actor, 20)
    how = (updates, episodes, discount, decay, lr, critic_steps, seed)
    history = learn_actor_critic(CartPole(seed), actor, critic, *how)
    return Reached(final_return(actor), before, {"return": history})


MAZE = ("...#...G", ".#.#.#X.", ".#...#..", ".####.#.", "S...X...")


@system(
    metric="return of the learnt policy in a grid of 40 cells, less the best possible one, found by value iteration",
    at_least=-1e-6,
    baseline="the same for the network before learning, which runs into a wall until its time is up",
)
def dqn(
    seed: int = 0, steps: int = 8000, discount: float = 0.95, lr: float = 2e-3, batch: int = 32, renew: int = 100
) -> Reached:
    """Deep Q-learning finds the shortest way through a maze with pits."""
    minitorch.manual_seed(seed)
    world = GridWorld(MAZE, most=60)
    best = float(world.optimal_values(1.0)[world.start])
    q = network(world.observation_size, world.actions, (64,))
    before = mean_return(world, greedy(q), 1)
    explore = (1.0, 0.1, steps // 2)
    history = learn_dqn(world, q, steps, discount, lr, batch, warm_up=200, renew=renew, explore=explore, seed=seed)
    states = minitorch.eye(world.observation_size)
    with minitorch.no_grad():
        learnt = q(states).max(1).values
    details = {"return": history, "best": best, "rows": MAZE, "Q": learnt.tolist()}
    details["V*"] = world.optimal_values(discount).tolist()
    return Reached(mean_return(world, greedy(q), 1) - best, before - best, details)
