"""Deep Q-learning finds its way through a grid (Mnih et al. 2015, "Human-level control through deep reinforcement
learning"; van Hasselt et al. 2016, "Deep reinforcement learning with double Q-learning"; Wang et al. 2016, "Dueling").

    Q(s, a) = V(s) + A(s, a) - mean_a A(s, a)
    target = r + gamma Q'(s', argmax_a Q(s', a)) unless the episode is over;  loss = huber(Q(s, a) - target)

Q' is a copy of Q that is renewed now and then. Transitions are kept in a ring of tensors and drawn at random.
"""

import argparse
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

LAKE = ["S..#..", ".#...#", ".#.#..", "...##.", ".#....", ".##.#G"]
MOVES = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])  # up, down, left, right


class Grid:
    """n walkers from S to G; walls and the border stop them; a step costs 0.02, the goal is worth 1. State: (n, 2)"""

    def __init__(self, n):
        self.n, self.size = n, len(LAKE)
        self.wall = torch.tensor([[c == "#" for c in row] for row in LAKE])
        self.goal = torch.tensor([self.size - 1, self.size - 1])
        free = (~self.wall).nonzero()  # (cells, 2)
        self.starts = free[(free != self.goal).any(dim=1)]
        self.place = self.random_places(n)

    def random_places(self, n):
        return self.starts[torch.randint(len(self.starts), (n,))]

    def step(self, action):
        """action: (n,) -> where they are then, the reward, whether they are there (and begin somewhere else)"""
        wanted = self.place + MOVES[action]
        inside = ((wanted >= 0) & (wanted < self.size)).all(dim=1)
        clamped = wanted.clamp(0, self.size - 1)
        free = inside & ~self.wall[clamped[:, 0], clamped[:, 1]]
        after = torch.where(free.unsqueeze(1), wanted, self.place)
        done = (after == self.goal).all(dim=1)
        self.place = torch.where(done.unsqueeze(1), self.random_places(self.n), after)
        return after, torch.where(done, 1.0, -0.02), done


class Replay:
    """The last `capacity` transitions."""

    def __init__(self, capacity):
        self.capacity, self.count = capacity, 0
        self.state = torch.zeros(capacity, 2, dtype=torch.int64)
        self.action = torch.zeros(capacity, dtype=torch.int64)
        self.after = torch.zeros_like(self.state)
        self.reward = torch.zeros(capacity)
        self.done = torch.zeros(capacity, dtype=torch.bool)

    def push(self, *transitions):
        where = (self.count + torch.arange(len(transitions[0]))) % self.capacity
        for ring, new in zip((self.state, self.action, self.after, self.reward, self.done), transitions, strict=True):
            ring[where] = new.to(ring.dtype)
        self.count += len(where)

    def sample(self, n):
        drawn = torch.randint(min(self.count, self.capacity), (n,))
        return (ring[drawn] for ring in (self.state, self.action, self.after, self.reward, self.done))


class DuelingQ(nn.Module):
    def __init__(self, size, hidden=64):
        super().__init__()
        self.size = size
        self.body = nn.Sequential(nn.Linear(2 * size, hidden), nn.LayerNorm(hidden), nn.SELU())
        self.value, self.advantage = nn.Linear(hidden, 1), nn.Linear(hidden, 4)

    def forward(self, place):
        rows_and_columns = F.one_hot(place, self.size).flatten(1).to(self.value.weight.dtype)  # (N, 12)
        h = self.body(rows_and_columns)
        advantage = self.advantage(h)
        return self.value(h) + advantage - advantage.mean(dim=1, keepdim=True)


def explore(q, place, epsilon):
    greedy = q(place).argmax(dim=1)
    blind = torch.randint(4, greedy.shape)
    return torch.where(torch.rand(greedy.shape) < epsilon, blind, greedy)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gamma", type=float, default=0.95)
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    grid, replay = Grid(16), Replay(2000)
    q = DuelingQ(grid.size)
    target_q = copy.deepcopy(q).requires_grad_(False)
    optimizer = torch.optim.Adam(q.parameters(), lr=3e-3)

    losses = []
    for step in range(1, args.steps + 1):
        epsilon = max(0.05, 1 - step / (0.5 * args.steps))
        with torch.no_grad():
            for _ in range(4):
                place = grid.place
                action = explore(q, place, epsilon)
                replay.push(place, action, *grid.step(action))

        state, action, after, reward, done = replay.sample(64)
        chosen = q(state).gather(1, action.unsqueeze(1)).squeeze(1)  # Q(s, a)
        with torch.no_grad():
            best = q(after).argmax(dim=1, keepdim=True)  # chosen by Q, valued by Q'
            following = target_q(after).gather(1, best).squeeze(1)
            target = reward + args.gamma * following * ~done
        loss = F.smooth_l1_loss(chosen, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            target_q.load_state_dict(q.state_dict())
        losses.append(loss.item())
        print(f"step {step} loss {losses[-1]:.6f}")

    with torch.no_grad():
        cells = torch.cartesian_prod(torch.arange(grid.size), torch.arange(grid.size))
        arrows = ["^v<>"[a] for a in q(cells).argmax(dim=1).tolist()]
    place, length = torch.tensor([[0, 0]]), 0
    walker = Grid(1)
    walker.place = place
    with torch.no_grad():
        done = torch.tensor([False])
        while not done and length < 50:
            _, _, done = walker.step(q(walker.place).argmax(dim=1))
            length += 1
    print(f"from S to G in {length} steps" if done else "does not arrive")
    for i, row in enumerate(LAKE):
        print("".join(c if c in "#SG" else arrows[i * grid.size + j] for j, c in enumerate(row)))
    return losses


if __name__ == "__main__":
    main()
