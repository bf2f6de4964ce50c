"""What the transformations do with the arguments and results of the functions that they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import trees
from ..core.tensor import Tensor, wrap


def zeros_of(x: Tensor) -> Tensor:
    return wrap(np.zeros(x.array.shape, x.array.dtype))


def ones_of(x: Tensor) -> Tensor:
    return wrap(np.ones(x.array.shape, x.array.dtype))


def _positions(args: tuple, argnums) -> list[int]:
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if isinstance(argnums, tuple) and not argnums:
        raise RuntimeError("argnums must be non-empty")
    positions = []
    for i in argnums if isinstance(argnums, tuple) else (argnums,):
        if not isinstance(i, int):
            raise RuntimeError(f"argnums elements must be integers, got: {type(i)}")
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
        if i % len(args) in positions:
            raise RuntimeError(f"argnums elements must be unique, got: {argnums}")
        positions.append(i % len(args))
    return positions


def chosen(args: tuple, argnums) -> tuple:
    """The arguments to differentiate by. RuntimeError for numbers that name none."""
    return tuple([args[i] for i in _positions(args, argnums)])


def replaced(args: tuple, argnums, values) -> list:
    """The arguments with others in the place of the chosen ones."""
    changed = list(args)
    for i, value in zip(_positions(args, argnums), values, strict=True):
        changed[i] = value
    return changed


def shared(values: tuple, argnums):
    """One value for one `argnums`, a tuple for several."""
    return values if isinstance(argnums, tuple) else values[0]


def with_aux(name: str, result) -> tuple:
    """(output, aux) of a function that returns both."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return result


def all_tensors(name: str, leaves: list, tree: Any) -> None:
    """RuntimeError where something else than tensors was returned, or nothing."""
    if not leaves:
        raise RuntimeError(f"{name}: Expected f to be a function that has non-empty output (got output = {tree})")
    for z in leaves:
        if not isinstance(z, Tensor):
            raise RuntimeError(f"{name}: Expected f(*primals) to return only tensors, got unsupported type {type(z)}")


def basis(tensors: list) -> list:
    """The unit vectors of the space of all the tensors together: one tensor (N, *shape) for each."""
    total = sum([x.array.size for x in tensors])
    vectors, start = [], 0
    for x in tensors:
        block = np.zeros((total, x.array.size), x.array.dtype)
        np.fill_diagonal(block[start : start + x.array.size], 1)
        vectors.append(wrap(block.reshape(total, *x.array.shape)))
        start += x.array.size
    return vectors


def same_structure(name: str, given, expected) -> None:
    """RuntimeError where two trees differ in structure."""
    if trees.text(given) != trees.text(expected):
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {trees.text(expected)} and tangents "
            f"with structure {trees.text(given)}"
        )
