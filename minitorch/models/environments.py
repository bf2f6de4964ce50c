"""Worlds to act in, for reinforcement learning (强化学习): the pole on the cart, and a grid.

Both have one interface: `reset()` gives the first observation; `step(action)` gives (observation, reward, terminated,
truncated): over because of what happened, or cut off because time is up.
"""

from __future__ import annotations

import math

import numpy as np

Step = tuple[np.ndarray, float, bool, bool]


class CartPole:
    """A pole hinged to a cart that is pushed left (action 0) or right (1); 1 for every step that it stands.

    Barto, Sutton, Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems", IEEE
    Transactions on Systems, Man, and Cybernetics 13 (1983), appendix, without friction. With F = +-10 N:

        theta'' = (g sin theta - cos theta (F + m l theta'^2 sin theta) / M) / (l (4/3 - m cos^2 theta / M))
        x''     = (F + m l (theta'^2 sin theta - theta'' cos theta)) / M

    m, l: mass and half length of the pole, M: mass of cart and pole; Euler steps of 0.02 s. Observation: float64 (4,),
    x, x', theta, theta'. It is over when the cart is more than 2.4 m off or the pole leans by more than 12 degrees, and cut
    off after `most` steps. It starts with four numbers uniform in +-0.05, drawn from the stream of `seed`.
    """

    actions, observation_size = 2, 4
    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, SECONDS = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    FARTHEST, STEEPEST = 2.4, math.radians(12)

    def __init__(self, seed: int = 0, most: int = 500):
        self.random = np.random.RandomState(seed)
        self.most = most
        self.steps = 0
        self.state = np.zeros(4)

    def reset(self) -> np.ndarray:
        self.steps = 0
        self.state = self.random.uniform(-0.05, 0.05, 4)
        return self.state.copy()

    def step(self, action: int) -> Step:
        """ValueError for an action that is neither 0 nor 1."""
        if action not in (0, 1):
            raise ValueError(f"CartPole: the actions are 0 and 1, not {action}")
        self.state = self.state + self.SECONDS * self.derivative(self.state, self.FORCE if action else -self.FORCE)
        self.steps += 1
        x, _, theta, _ = self.state
        terminated = bool(abs(x) > self.FARTHEST or abs(theta) > self.STEEPEST)
        return self.state.copy(), 1.0, terminated, self.steps >= self.most

    def derivative(self, state: np.ndarray, force: float) -> np.ndarray:
        """d/dt (x, x', theta, theta')."""
        _, velocity, theta, spin = state
        sin, cos = math.sin(theta), math.cos(theta)
        mass, lever = self.CART + self.POLE, self.POLE * self.HALF_LENGTH
        push = (force + lever * spin**2 * sin) / mass
        swing = (self.GRAVITY * sin - cos * push) / (self.HALF_LENGTH * (4 / 3 - self.POLE * cos**2 / mass))
        return np.array([velocity, push - lever * swing * cos / mass, spin, swing])


class GridWorld:
    """A map of `#` walls, `S` the start, `G` the goal (+1), `X` a pit (-1); goal and pit end it, each step costs `cost`.

    Actions: 0 up, 1 right, 2 down, 3 left; into a wall or over the edge leaves one standing. Observation: float64
    (cells,), 1 where one stands. Sutton, Barto, "Reinforcement learning" (2nd edition, 2018), section 3.5.
    """

    MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
    actions = len(MOVES)

    def __init__(self, rows: tuple[str, ...] = ("...G", ".#.X", "S..."), cost: float = 0.04, most: int = 50):
        if len({len(row) for row in rows}) != 1 or "".join(rows).count("S") != 1 or "G" not in "".join(rows):
            raise ValueError("GridWorld: rows of one length with one S and a G")
        self.rows, self.cost, self.most = rows, cost, most
        self.width = len(rows[0])
        self.observation_size = len(rows) * self.width
        self.start = "".join(rows).index("S")
        self.cell, self.steps = self.start, 0

    def reset(self) -> np.ndarray:
        self.cell, self.steps = self.start, 0
        return self.observation()

    def observation(self) -> np.ndarray:
        return np.eye(self.observation_size)[self.cell]

    def step(self, action: int) -> Step:
        """ValueError for an action outside 0 to 3."""
        if action not in range(4):
            raise ValueError(f"GridWorld: the actions are 0 to 3, not {action}")
        self.cell = self.after(self.cell, action)
        self.steps += 1
        reward, terminated = self.outcome(self.cell)
        return self.observation(), reward, terminated, self.steps >= self.most

    def after(self, cell: int, action: int) -> int:
        """The cell one stands on after `action`."""
        down, right = self.MOVES[action]
        row, column = cell // self.width + down, cell % self.width + right
        inside = 0 <= row < len(self.rows) and 0 <= column < self.width
        return row * self.width + column if inside and self.rows[row][column] != "#" else cell

    def outcome(self, cell: int) -> tuple[float, bool]:
        """(reward, over) of arriving at `cell`."""
        what = self.rows[cell // self.width][cell % self.width]
        return {"G": 1.0, "X": -1.0}.get(what, 0.0) - self.cost, what in "GX"

    def optimal_values(self, discount: float) -> np.ndarray:
        """V*(s) by value iteration (section 4.4): V(s) <- max_a (r + discount V(s')); float64 (cells,), 0 where it is over."""
        values = np.zeros(self.observation_size)
        for _ in range(1000):
            values = np.array([self._best(cell, values, discount) for cell in range(self.observation_size)])
        return values

    def _best(self, cell: int, values: np.ndarray, discount: float) -> float:
        if self.outcome(cell)[1]:
            return 0.0
        arrivals = (self.after(cell, action) for action in range(4))
        return max(
            reward + discount * values[to] * (not over) for to in arrivals for reward, over in [self.outcome(to)]
        )
