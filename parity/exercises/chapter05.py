"""Chapter 05: graphs, orders, and a walk of one's own."""

from __future__ import annotations

from hypothesis import strategies as st

from .exercise import exercise
from .strategies import halves


def _graphs(least: int = 1):
    """users-first graphs: node k has edges to older nodes only."""
    return st.integers(least, 5).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(0, k - 1), max_size=2) if k else st.just([]) for k in range(n)])
    )


@exercise(
    edges=_graphs(),
    mistake=lambda edges: sum(map(len, edges)) + 1,
)
def nodes_reached(edges):
    r"""A graph is given by `edges`: `edges[k]` is the list of the nodes (numbers below k) that node k has edges to. How many
    nodes does a backward pass from the last node visit, itself included?"""
    reached = {len(edges) - 1}
    for k in reversed(range(len(edges))):
        if k in reached:
            reached.update(edges[k])
    return len(reached)


@exercise(
    edges=_graphs(),
    mistake=lambda edges: [float(k == len(edges) - 1 or k in edges[-1]) for k in range(len(edges))],
)
def gradients_of_sums(edges):
    r"""The same kind of graph, where each node with edges is the *sum* of the nodes that its edges lead to (a node that
    occurs twice counts twice). The list of the derivatives of the last node with respect to every node, itself included
    (its own is 1). Walk from the youngest node to the oldest."""
    gradient = [0] * len(edges)
    gradient[-1] = 1
    for k in reversed(range(len(edges))):
        for edge in edges[k]:
            gradient[edge] += gradient[k]
    return gradient


@exercise(
    st.lists(st.tuples(st.sampled_from("+*"), st.integers(0, 5), st.integers(0, 5)), max_size=4).flatmap(
        lambda steps: st.fixed_dictionaries(
            {
                "x": halves,
                "program": st.just([(kind, a % (k + 1), b % (k + 1)) for k, (kind, a, b) in enumerate(steps)]),
            }
        )
    ),
    mistake=lambda x, program: float(len(program)) + 1,
)
def derivative(x, program):
    r"""A tiny engine. Value 0 is the number `x`; each step `(kind, a, b)` of `program` appends value a + value b (kind "+")
    or value a * value b (kind "*"), where a and b are places in the list of values so far. The derivative of the last value with
    respect to `x`."""
    values = [x]
    for kind, a, b in program:
        values.append(values[a] + values[b] if kind == "+" else values[a] * values[b])
    gradient = [0.0] * len(values)
    gradient[-1] = 1.0
    for k in reversed(range(len(program))):
        kind, a, b = program[k]
        g = gradient[k + 1]
        gradient[a] += g * (1 if kind == "+" else values[b])
        gradient[b] += g * (1 if kind == "+" else values[a])
    return gradient[0]
