"""Worlds against their equations, losses against finite sums, agents against the optimal policy of a small grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import minitorch
from minitorch.models import reinforcement as R
from minitorch.models.environments import CartPole, GridWorld

SMALL = ("..G", "S.X")


def lagrangian(state, force, pole=0.1, cart=1.0, half=0.5, g=9.8):
    """The accelerations from the coupled equations of motion, solved as a linear system: cart and rod with moment of
    inertia m l^2 / 3 about its centre."""
    _, _, theta, spin = state
    sin, cos = np.sin(theta), np.cos(theta)
    matrix = np.array([[cart + pole, pole * half * cos], [pole * half * cos, 4 / 3 * pole * half**2]])
    x, turn = np.linalg.solve(matrix, [force + pole * half * spin**2 * sin, pole * g * half * sin])
    return x, turn


def test_cart_pole_follows_the_equations_of_motion():
    rng = np.random.default_rng(0)
    world = CartPole()
    for _ in range(20):
        state, force = rng.standard_normal(4), rng.choice([-10.0, 10.0])
        x, turn = lagrangian(state, force)
        np.testing.assert_allclose(world.derivative(state, force), [state[1], x, state[3], turn], rtol=1e-11)


def test_cart_pole_ends_when_it_falls_and_when_time_is_up():
    world = CartPole(seed=3, most=200)
    first = world.reset()
    assert (abs(first) <= 0.05).all() and first.shape == (4,)
    fallen = R.play(world, lambda state: 1)
    assert fallen.terminated and len(fallen.rewards) < 15 and abs(fallen.last[2]) > world.STEEPEST
    assert all(abs(s[2]) <= world.STEEPEST for s in fallen.states)
    balanced = R.play(world, lambda s: int(s[2] + 0.5 * s[3] + 0.02 * s[0] + 0.05 * s[1] > 0))  # a tuned straight line
    assert not balanced.terminated and len(balanced.rewards) == 200
    np.testing.assert_array_equal(CartPole(seed=3).reset(), first)
    with pytest.raises(ValueError, match="actions"):
        world.step(2)


def test_grid_world_by_hand():
    world = GridWorld(("#G", "SX"), cost=0.1, most=3)
    assert world.reset().tolist() == [0, 0, 1, 0]
    assert world.step(0)[0].tolist() == [0, 0, 1, 0]  # into the wall
    assert world.step(3)[1:] == (-0.1, False, False)  # over the edge
    observation, reward, terminated, truncated = world.step(1)
    assert observation.tolist() == [0, 0, 0, 1] and (reward, terminated, truncated) == (-1.1, True, True)
    with pytest.raises(ValueError, match="actions"):
        world.step(4)
    with pytest.raises(ValueError, match="one S"):
        GridWorld(("..", "G."))


def test_optimal_values_solve_the_bellman_equation():
    """V*: from the start of the default grid, five steps to the goal, the last with its reward."""
    world = GridWorld()
    values = world.optimal_values(0.9)
    assert values[world.start] == pytest.approx(sum(-0.04 * 0.9**k for k in range(5)) + 0.9**4)
    for cell in range(world.observation_size):
        if not world.outcome(cell)[1]:
            choices = []
            for action in range(4):
                to = world.after(cell, action)
                reward, over = world.outcome(to)
                choices.append(reward + 0.9 * values[to] * (not over))
            assert values[cell] == pytest.approx(max(choices), abs=1e-12)


def test_returns_and_advantages_are_their_sums():
    rng = np.random.default_rng(1)
    rewards, values, last = rng.standard_normal(7), rng.standard_normal(7), 0.6
    g, lam = 0.9, 0.8
    expected = [sum(g ** (k - t) * rewards[k] for k in range(t, 7)) + g ** (7 - t) * last for t in range(7)]
    np.testing.assert_allclose(R.discounted_returns(list(rewards), g, last), expected, rtol=1e-12)
    path = [*values, last]
    delta = [rewards[t] + g * path[t + 1] - path[t] for t in range(7)]
    found = [sum((g * lam) ** (k - t) * delta[k] for k in range(t, 7)) for t in range(7)]
    np.testing.assert_allclose(R.advantages(list(rewards), values, last, g, lam), found, rtol=1e-12)
    np.testing.assert_allclose(R.advantages(list(rewards), values, last, g, 1.0), expected - values, rtol=1e-12)


def test_the_policy_gradient_is_the_gradient_of_the_expected_reward():
    """One step, three actions with known rewards: the expectation of the estimate over all actions is the true gradient."""
    logits, rewards = np.array([0.3, -0.5, 0.1]), np.array([1.0, 2.0, -1.0])
    theta = torch.tensor(logits, requires_grad=True)
    (theta.softmax(0) * torch.tensor(rewards)).sum().backward()
    p = np.exp(logits) / np.exp(logits).sum()
    mean = np.zeros(3)
    for action in range(3):
        x = minitorch.tensor(logits[None], requires_grad=True)
        R.policy_gradient_loss(x, minitorch.tensor([action]), minitorch.tensor(rewards[[action]])).backward()
        mean -= p[action] * x.grad.numpy()[0]
    np.testing.assert_allclose(mean, theta.grad.numpy(), rtol=1e-12)


def test_sampling_draws_from_the_policy():
    actor = minitorch.nn.Linear(2, 3)
    policy = R.sampling(actor, np.random.RandomState(0))
    state = np.array([0.4, -1.0])
    p = actor(minitorch.tensor(state).float()).softmax(-1).detach().numpy()
    drawn = np.bincount([policy(state) for _ in range(1500)], minlength=3) / 1500
    assert (abs(drawn - p) < 5 * np.sqrt(p * (1 - p) / 1500)).all()
    assert R.greedy(actor)(state) == p.argmax()


def test_replay_keeps_the_last_and_draws_whole_transitions():
    replay = R.Replay(4, 1)
    for i in range(7):
        replay.add(np.array([i]), i % 2, 10.0 * i, np.array([i + 0.5]), i == 5)
    assert len(replay) == 4
    states, actions, rewards, after, terminated = (t.numpy() for t in replay.sample(200, np.random.RandomState(0)))
    assert set(states[:, 0]) == {3, 4, 5, 6}
    np.testing.assert_array_equal(actions, states[:, 0] % 2)
    np.testing.assert_array_equal(rewards, 10 * states[:, 0])
    np.testing.assert_array_equal(after[:, 0], states[:, 0] + 0.5)
    np.testing.assert_array_equal(terminated, states[:, 0] == 5)


def test_q_learning_loss_is_the_bellman_error():
    rng = np.random.default_rng(2)
    q, target = minitorch.nn.Linear(2, 3).double(), minitorch.nn.Linear(2, 3).double()
    s, t, a, r = (
        rng.standard_normal((5, 2)),
        rng.standard_normal((5, 2)),
        rng.integers(0, 3, 5),
        3 * rng.standard_normal(5),
    )
    over = np.array([0.0, 1, 0, 0, 1])
    loss = R.q_learning_loss(q, target, tuple(minitorch.tensor(v) for v in (s, a, r, t, over)), 0.9)
    loss.backward()
    assert target.weight.grad is None
    weight, bias = (torch.tensor(p.detach().numpy(), requires_grad=True) for p in q.parameters())
    w, b = (p.detach().numpy() for p in target.parameters())
    goal = r + 0.9 * (1 - over) * (t @ w.T + b).max(1)
    chosen = (torch.tensor(s) @ weight.T + bias)[range(5), a]
    error = (chosen - torch.tensor(goal)).abs()
    expected = torch.where(error < 1, error**2 / 2, error - 0.5).mean()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(q.weight.grad.numpy(), weight.grad.numpy(), rtol=1e-9, atol=1e-15)


def best_return(rows, cost=0.04):
    world = GridWorld(rows, cost)
    return world.optimal_values(1.0)[world.start]


def networks(*outputs, seed=0):
    minitorch.manual_seed(seed)
    return [R.network(6, n, (16,)) for n in outputs]


def test_reinforce_finds_the_way():
    (actor,) = networks(4)
    history = R.reinforce(GridWorld(SMALL, most=12), actor, 60, episodes=4, lr=0.03)
    assert len(history) == 60
    assert R.mean_return(GridWorld(SMALL), R.greedy(actor), 1) == pytest.approx(best_return(SMALL))


def test_actor_critic_finds_the_way():
    actor, critic = networks(4, 1)
    R.actor_critic(GridWorld(SMALL, most=12), actor, critic, 60, episodes=4, lr=0.03)
    assert R.mean_return(GridWorld(SMALL), R.greedy(actor), 1) == pytest.approx(best_return(SMALL))


def test_dqn_finds_the_way_and_what_it_is_worth():
    (q,) = networks(4)
    returns = R.dqn(
        GridWorld(SMALL, most=12), q, 1500, 0.9, lr=3e-3, batch=32, warm_up=100, renew=50, explore=(1.0, 0.3, 800)
    )
    assert len(returns) > 100
    world = GridWorld(SMALL)
    assert R.mean_return(world, R.greedy(q), 1) == pytest.approx(best_return(SMALL))
    start = minitorch.tensor(world.reset()).float()
    assert float(q(start).max()) == pytest.approx(world.optimal_values(0.9)[world.start], abs=0.05)
