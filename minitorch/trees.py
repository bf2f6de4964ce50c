"""Nested tuples, lists and dictionaries ("trees") and the values at their leaves, as the transformations take them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

CONTAINERS = (tuple, list, dict)


def is_namedtuple(value) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def children(tree) -> tuple[list, Any] | None:
    """(values, what to rebuild the container from), None for a leaf."""
    if isinstance(tree, dict) and type(tree) in (dict, OrderedDict, defaultdict):
        return list(tree.values()), tree
    if type(tree) in (tuple, list) or is_namedtuple(tree):
        return list(tree), tree
    return None


def rebuilt(like, values: list):
    """A container like `like` around other values."""
    if isinstance(like, defaultdict):
        return defaultdict(like.default_factory, zip(like, values, strict=True))
    if isinstance(like, dict):
        return type(like)(zip(like, values, strict=True))
    return type(like)(*values) if is_namedtuple(like) else type(like)(values)


def flatten(tree) -> tuple[list, Any]:
    """(leaves, structure); `unflatten` is the inverse."""
    parts = children(tree)
    if parts is None:
        return [tree], None
    flat: list = []
    structures = []
    for value in parts[0]:
        leaves, structure = flatten(value)
        flat += leaves
        structures.append((structure, len(leaves)))
    return flat, (rebuilt(parts[1], [None] * len(structures)), structures)


def unflatten(leaves: list, structure):
    """The tree of that structure with these leaves."""
    if structure is None:
        return leaves[0]
    like, structures = structure
    values, start = [], 0
    for part, count in structures:
        values.append(unflatten(leaves[start : start + count], part))
        start += count
    return rebuilt(like, values)


def map_leaves(function, tree, *others):
    """The tree of function(leaf, ...) over trees of one structure."""
    leaves, structure = flatten(tree)
    columns = [flatten(other)[0] for other in others]
    return unflatten([function(*row) for row in zip(leaves, *columns, strict=True)], structure)


def spread(prefix, tree, is_leaf=lambda value: children(value) is None) -> list | None:
    """`prefix`, a tree that stops at or above the leaves of `tree`, with one entry for each of those leaves: what
    stands where it stops holds for everything below. None where it does not fit."""
    parts = children(tree)
    if children(prefix) is None or is_leaf(prefix):
        return [prefix] * len(flatten(tree)[0])
    if parts is None:
        return None
    given = children(prefix)
    if given is None or len(given[0]) != len(parts[0]) or isinstance(given[1], dict) != isinstance(parts[1], dict):
        return None
    if type(given[1]) is not type(parts[1]) and not is_namedtuple(parts[1]):
        return None
    if isinstance(given[1], dict) and set(given[1]) != set(parts[1]):
        return None
    entries: list = []
    values = [given[1][key] for key in parts[1]] if isinstance(given[1], dict) else given[0]
    for entry, value in zip(values, parts[0], strict=True):
        below = spread(entry, value, is_leaf)
        if below is None:
            return None
        entries += below
    return entries


def text(tree) -> str:
    """The structure as torch prints it, * for a leaf."""
    parts = children(tree)
    if parts is None:
        return "*"
    inner = ", ".join([text(value) for value in parts[0]])
    context = list(tree) if isinstance(tree, dict) else None
    return f"TreeSpec({type(tree).__name__}, {context}, [{inner}])"
