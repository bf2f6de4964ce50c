"""torch.utils._pytree: nested tuples, lists and dictionaries as a list of leaves and a description to rebuild them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import trees

__all__ = [
    "TreeSpec",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]


@dataclass
class TreeSpec:
    """What is left of a tree without its leaves."""

    structure: Any
    num_leaves: int

    def unflatten(self, leaves: list) -> Any:
        """The tree with these leaves. ValueError for another number of them."""
        return tree_unflatten(leaves, self)


def tree_flatten(tree: Any) -> tuple[list, TreeSpec]:
    """(leaves from left to right, structure)."""
    leaves, structure = trees.flatten(tree)
    return leaves, TreeSpec(structure, len(leaves))


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree that `tree_flatten` took apart, with other leaves. ValueError for another number of them."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"treespec.unflatten(leaves): `leaves` has length {len(leaves)}, expected {treespec.num_leaves}"
        )
    return trees.unflatten(leaves, treespec.structure)


def tree_leaves(tree: Any) -> list:
    """The leaves from left to right."""
    return trees.flatten(tree)[0]


def tree_structure(tree: Any) -> TreeSpec:
    """The structure without the leaves."""
    return tree_flatten(tree)[1]


def tree_map(func: Callable, tree: Any, *rests: Any) -> Any:
    """The tree of func(leaf, ...) over trees of one structure."""
    return trees.map_leaves(func, tree, *rests)


def tree_map_only(kind: Any, func: Callable, tree: Any) -> Any:
    """As `tree_map`, for the leaves of one type; the others stay."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def tree_all(pred: Callable, tree: Any) -> bool:
    """Whether `pred` holds for every leaf."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable, tree: Any) -> bool:
    """Whether `pred` holds for some leaf."""
    return any(map(pred, tree_leaves(tree)))
