"""Forward mode as functions of functions: jvp, jacfwd, hessian, linearize (torch.func)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import trees
from ..autograd.backward import grad as gradients
from ..autograd.dual import Dual, Forward, primal_of, tangent_of
from ..batching.vmap import KEPT, vmap
from ..core.levels import at_level
from ..core.tensor import Tensor, node_of, wrap
from ..tape import bare, follow, own_tape
from .arguments import all_tensors, basis, chosen, replaced, same_structure, shared, with_aux, zeros_of
from .reverse import Pullback, jacrev


def _check_pairs(name: str, primals: list, tangents: list) -> None:
    for x, t in zip(primals, tangents, strict=True):
        for value in (x, t):
            if not isinstance(value, Tensor):
                raise ValueError(f"{name}: Expected primals and tangents to be Tensors, got {type(value)}")
        if not x.dtype.is_floating_point or not t.dtype.is_floating_point:
            raise ValueError("Expected primal and tangent to be floating point or complex")
        if x.array.shape != t.array.shape:
            raise RuntimeError(
                f"{name}: Expected tangent of shape {list(t.array.shape)} to have the same shape as its primal, "
                f"{list(x.array.shape)}"
            )


def _pushed(name: str, func: Callable, primals: list, tangents: list, strict: bool, has_aux: bool):
    """(outputs, tangents of the outputs, aux): `func` run once on dual numbers."""
    with Forward() as level:
        result = func(*[wrap(Dual(level, x, t)) for x, t in zip(primals, tangents, strict=True)])
        outputs, aux = with_aux(name, result) if has_aux else (result, None)
        all_tensors(name, trees.flatten(outputs)[0], outputs)

        def tangent(z):
            t = tangent_of(z, level)
            if t is None and strict:
                raise RuntimeError(f"{name}: output is independent of its inputs, which strict=True does not allow")
            return zeros_of(primal_of(z, level)) if t is None else t

        def below(z):
            return primal_of(z, level) if isinstance(z, Tensor) else z

        pushed = trees.map_leaves(tangent, outputs)
        return trees.map_leaves(below, outputs), pushed, trees.map_leaves(below, aux)


def jvp(func: Callable, primals, tangents, *, strict: bool = False, has_aux: bool = False):
    """(func(*primals), J t): the derivative of `func` in the direction of `tangents`, which are shaped like `primals`.

    strict: RuntimeError for an output that does not depend on the primals. has_aux: `func` returns (output, aux), and
    (output, J t, aux) comes back.
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple) or not primals:
        raise RuntimeError(
            f"{name}: Expected primals to be a non-empty tuple. E.g. it should be valid to call f(*primals)."
        )
    same_structure(name, tangents, primals)
    flat, structure = trees.flatten(primals)
    directions, _ = trees.flatten(tangents)
    _check_pairs(name, flat, directions)
    output, pushed, aux = _pushed(
        name, lambda *leaves: func(*trees.unflatten(list(leaves), structure)), flat, directions, strict, has_aux
    )
    return (output, pushed, aux) if has_aux else (output, pushed)


def jacfwd(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable:
    """The Jacobian of `func` by forward mode: one column after the other, all at once under a vmap.

    For an output of shape S and an argument of shape T it has the shape S + T; trees for several of either.
    """

    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        leaves, structure = trees.flatten(chosen(args, argnums))
        _check_pairs("jacfwd", leaves, leaves)

        def at(*values):
            return func(*replaced(args, argnums, trees.unflatten(list(values), structure)), **kwargs)

        def push(*tangents):
            _, pushed, aux = _pushed("jacfwd(f, *primals)", at, leaves, list(tangents), False, has_aux)
            return pushed, aux

        # What comes along is the same for every direction: it is not mapped, or the first one's is taken.
        columns, aux = vmap(push, randomness=randomness, chunk_size=chunk_size, out_dims=(0, KEPT))(*basis(leaves))
        sizes = [x.array.size for x in leaves]

        def blocks(columns_of_output: Tensor):
            shape = columns_of_output.array.shape[1:]
            parts: Any = columns_of_output.split(sizes)
            found = [part.movedim(0, -1).reshape(*shape, *x.array.shape) for part, x in zip(parts, leaves, strict=True)]
            return shared(trees.unflatten(found, structure), argnums)

        result = trees.map_leaves(blocks, columns)
        return (result, aux) if has_aux else result

    return jacobian


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """The Hessian of `func`: forward mode over reverse mode. S + T + T for an output of shape S, an argument of T."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable, *primals):
    """(func(*primals), push): push(*t) is J t, and the function is not run again for it.

    v -> v'J is linear in v, and its own vjp, taken at t, is J t: what was recorded once serves for every t.
    """
    pullback = Pullback("linearize", func, primals)
    all_tensors("linearize(f, *primals)", pullback.flat, pullback.raw)
    with own_tape(pullback.level):
        live = [z for z in pullback.flat if node_of(z) is not None]
        probes = [follow(at_level(zeros_of(z), z)) for z in live]
        pulled = gradients(live, pullback.leaves, probes, create_graph=True, allow_unused=True) if live else ()

    def push(*tangents):
        flat, _ = trees.flatten(tangents)
        same_structure("linearize(f, *primals)", tangents, primals)
        pairs = [(g, t) for g, t in zip(pulled, flat, strict=True) if g is not None and node_of(g) is not None]
        found: tuple = (None,) * len(probes)
        if pairs:
            with own_tape(pullback.level):
                found = gradients(
                    [g for g, _ in pairs], probes, [t for _, t in pairs], retain_graph=True,
                    create_graph=pullback.recorded, allow_unused=True,
                )  # fmt: skip
        known = {id(z): g for z, g in zip(live, found, strict=True)}
        results = [known.get(id(z)) for z in pullback.flat]
        results = [zeros_of(z) if g is None else g for z, g in zip(pullback.flat, results, strict=True)]
        return trees.unflatten([g if pullback.recorded else bare(g) for g in results], pullback.structure)

    return pullback.outputs, push
