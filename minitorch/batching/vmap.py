"""vmap: a function of one example made a function of a batch of them (torch.func.vmap).

vmap(f)(x)[i] = f(x[i])       f runs once, on a stand-in of one example; every primitive works on all of them
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import trees
from ..core.tensor import Tensor
from ..ops.join import cat
from ..ops.split import tensor_split
from .batched import Mapping

KEPT = "kept"  # an out_dim: the same for all examples, so that one of them is returned (as it is, if it is no tensor)
RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """`func` over a batch: all its tensors get one more dimension, over which the calls are independent.

    in_dims: which dimension of each argument runs over the examples (None: the same for all): an int, or a tree like
    the arguments that may stop early. out_dims: where that dimension goes in the results, likewise. randomness: what
    random operations do: "error", "same" numbers for all examples, or "different" ones. chunk_size: how many examples
    are worked on at a time (None: all).
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def batched(*args, **kwargs):
        leaves, dims, structure, size = _arguments(func, in_dims, args)
        if chunk_size is None or size <= chunk_size:
            return _run(func, leaves, dims, structure, size, out_dims, randomness, kwargs)
        chunks = _chunks(leaves, dims, -(-size // chunk_size))
        results = [_run(func, chunk, dims, structure, count, out_dims, randomness, kwargs) for chunk, count in chunks]
        return _joined(func, results, out_dims)

    return batched


def _name(func) -> str:
    return getattr(func, "__name__", repr(func))


def _arguments(func, in_dims, args) -> tuple:
    """(leaves of the arguments, the mapped dimension of each or None, their structure, the number of examples)."""
    name = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{name}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    leaves, structure = trees.flatten(args)
    dims = trees.spread(in_dims, args)
    if dims is None:
        raise ValueError(
            f"{name}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{trees.text(in_dims)} but inputs has structure {trees.text(args)}."
        )
    dims = [_checked(name, x, dim) for x, dim in zip(leaves, dims, strict=True)]
    sizes = [x.array.shape[dim] for x, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError("vmap: at least one tensor must be mapped over: every in_dim is None")
    if any([n != sizes[0] for n in sizes]):
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return leaves, dims, structure, sizes[0]


def _checked(name: str, x, dim):
    """The mapped dimension of `x`, counted from the front. ValueError where there is none."""
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(
            f"{name}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
        )
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{name}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap over "
            "non-Tensor arguments, please use None as the respective in_dim"
        )
    ndim = x.array.ndim
    if not -ndim <= dim < ndim:
        raise ValueError(
            f"{name}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {ndim} so expected "
            f"in_dim to satisfy -{ndim} <= in_dim < {ndim}."
        )
    return dim + ndim if dim < 0 else dim


def _run(func, leaves, dims, structure, size: int, out_dims, randomness: str, kwargs):
    with Mapping(size, randomness) as level:
        shown = [x if dim is None else level.example_of(x, dim) for x, dim in zip(leaves, dims, strict=True)]
        result = func(*trees.unflatten(shown, structure), **kwargs)
        outputs, shape = trees.flatten(result)
        places = _places(func, out_dims, result)
        whole = [_unwrapped(func, level, z, dim) for z, dim in zip(outputs, places, strict=True)]
    return trees.unflatten(whole, shape)


def _places(func, out_dims, result) -> list:
    places = trees.spread(out_dims, result)
    if places is None and type(out_dims) is tuple and len(out_dims) == 1 and isinstance(result, Tensor):
        places = [out_dims[0]]
    if places is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
            f"`outputs`. out_dims has structure {trees.text(out_dims)} but outputs has structure {trees.text(result)}."
        )
    return places


def _unwrapped(func, level: Mapping, z, dim):
    if dim is KEPT:
        return z if not isinstance(z, Tensor) else level.whole(z)[0] if level.is_mapped(z) else level.below(z)
    if not isinstance(z, Tensor):
        if dim is None:
            return z
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(z)}. Did you mean to "
            "set out_dims= to None for output?"
        )
    if dim is None:
        if level.is_mapped(z):
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None"
            )
        return level.below(z)
    if not isinstance(dim, int) or not -z.array.ndim - 1 <= dim <= z.array.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-z.array.ndim - 1}, {z.array.ndim}], but got {dim})"
        )
    return level.whole(z, dim)


# In chunks.


def _chunks(leaves, dims, count: int) -> list:
    """The arguments of every chunk, and its number of examples."""
    columns = [[x] * count if dim is None else tensor_split(x, count, dim) for x, dim in zip(leaves, dims, strict=True)]
    some = next(i for i, dim in enumerate(dims) if dim is not None)
    return [(list(row), row[some].array.shape[dims[some]]) for row in zip(*columns, strict=True)]


def _joined(func, results: list, out_dims):
    flat = [trees.flatten(result) for result in results]
    places = _places(func, out_dims, results[0])
    columns = zip(*[leaves for leaves, _ in flat], strict=True)
    joined = [
        column[0] if dim is None or dim is KEPT else cat(column, dim)
        for column, dim in zip(columns, places, strict=True)
    ]
    return trees.unflatten(joined, flat[0][1])
