"""Where things stand: for every group, its members in layers, and in each layer in an order with few crossings.

Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures" (1981). igraph finds the
orders; how wide things are depends on what is open, so the page itself puts them at their places.

Inside its group, an edge from outside begins at a port in the first layer and one to the outside ends at a port in the
last one. A port is known by the tensor that passes it: the entry that made it.
"""

from __future__ import annotations

from collections import defaultdict

from .graph import Graph
from .groups import Group, every


def layouts(graph: Graph, top: Group, home: dict[int, Group]) -> dict[int, dict]:
    """By the group's number: `layers`, lists of items, and `edges`, each with the items that it runs through.

    An item is "n3" (entry 3), "g2" (group 2), "i3" and "o3" (ports of the tensor of entry 3), or "d5", a point at which an
    edge passes a layer. A shape of this kind is what the page's script reads.
    """
    inside: dict[int, dict] = defaultdict(dict)  # group -> (from, to) -> the tensors that go that way
    for edge in graph.edges:
        source_path, target_path = home[edge.source].path(), home[edge.target].path()
        depth = sum(a is b for a, b in zip(source_path, target_path, strict=False))
        tensor, source, target = edge.source, f"n{edge.source}", f"n{edge.target}"
        for group in reversed(source_path[depth:]):
            inside[group.number].setdefault((source, f"o{tensor}"), {})[tensor] = None
            source = f"g{group.number}"
        for group in reversed(target_path[depth:]):
            inside[group.number].setdefault((f"i{tensor}", target), {})[tensor] = None
            target = f"g{group.number}"
        inside[source_path[depth - 1].number].setdefault((source, target), {})[tensor] = None
    births: dict[int, float] = {entry.id: entry.birth for entry in graph.entries}
    for edge in graph.edges:
        if graph.entries[edge.source].kind == "constant":  # just before what uses it first
            births[edge.source] = min(births[edge.source], births[edge.target] - 0.5)
    return {group.number: _layout(group, inside[group.number], births) for group in every(top)}


def _layout(group: Group, edges: dict[tuple[str, str], dict], births: dict[int, float]) -> dict:
    items: dict[str, float] = {
        f"g{m.number}" if isinstance(m, Group) else f"n{m}": _rank(m, births) for m in group.members
    }
    for pair in edges:
        for item in pair:
            items.setdefault(item, -1 if item[0] == "i" else 2**62)
    forward = [(a, b) for a, b in edges if items[a] <= items[b] and a != b]
    layer = _layers(sorted(items, key=items.__getitem__), forward)
    layers, through = _ordered(list(items), forward, layer)
    drawn = [
        {"from": a, "to": b, "tensors": list(tensors), "through": through.get((a, b), [])}
        for (a, b), tensors in edges.items()
        if a != b
    ]
    return {"layers": layers, "edges": drawn}


def _rank(member: int | Group, births: dict[int, float]) -> float:
    return max(_rank(m, births) for m in member.members) if isinstance(member, Group) else births[member]


def _layers(items: list[str], edges: list[tuple[str, str]]) -> dict[str, int]:
    """The longest way from above; then what has nothing above it comes down to where it is needed. Ports keep the rims."""
    before, after = defaultdict(list), defaultdict(list)
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    layer: dict[str, int] = {}
    for item in items:
        layer[item] = max((layer[a] + 1 for a in before[item]), default=0)
    for item in reversed(items):
        if not before[item] and item[0] != "i" and after[item]:
            layer[item] = min(layer[b] for b in after[item]) - 1
    lift = (
        1 - min((n for item, n in layer.items() if item[0] != "i"), default=1) if any(i[0] == "i" for i in items) else 0
    )
    layer = {item: n if item[0] == "i" else n + lift for item, n in layer.items()}
    first = min(layer.values(), default=0)
    last = max((n for item, n in layer.items() if item[0] != "o"), default=0) + 1
    return {item: (last if item[0] == "o" else n) - first for item, n in layer.items()}


def _ordered(items: list[str], edges: list[tuple[str, str]], layer: dict[str, int]):
    try:
        from igraph import Graph as Layered
    except ImportError as error:
        raise ImportError(
            "minitorch.viz.tape lays its graph out with igraph: pip install 'minitorch-lab[viz]'"
        ) from error
    index = {item: k for k, item in enumerate(items)}
    g = Layered(len(items), [(index[a], index[b]) for a, b in edges], directed=True)
    layout = g.layout_sugiyama(layers=[layer[item] for item in items])
    rows: list[list[tuple[float, str]]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for item, (x, _) in zip(items, layout.coords, strict=True):
        rows[layer[item]].append((x, item))
    through, points = {}, 0
    for (a, b), bends in zip(edges, layout.edge_routing, strict=True):
        through[a, b] = [f"d{points + k}" for k in range(len(bends))]
        for k, (x, _) in enumerate(sorted(bends, key=lambda bend: bend[1])):
            rows[layer[a] + 1 + k].append((x, f"d{points + k}"))
        points += len(bends)
    return [[item for _, item in sorted(row)] for row in rows], through
