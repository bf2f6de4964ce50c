"""Reverse mode as functions of functions: grad, grad_and_value, vjp, jacrev (torch.func).

Each runs the function on the tape of the level that it is called at (core/levels.py), and walks that tape backward. The
walk is recorded in turn only where its result can be differentiated again: when something older than the call went
into the outputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import trees
from ..autograd.backward import grad as gradients
from ..batching import vmap
from ..core.levels import current, lifted
from ..core.state import state, tick
from ..core.tensor import Tensor, node_of
from ..tape import bare, follow, is_recorded, own_tape
from .arguments import all_tensors, basis, chosen, ones_of, replaced, shared, with_aux, zeros_of


def _depends_on_older(tensors, birth: int) -> bool:
    """Whether what the tensors were computed from leads to anything recorded before tick `birth`."""
    stack = [node for node in map(node_of, tensors) if node is not None]
    seen = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if node.birth < birth:
            return True
        seen.add(node)
        stack += [edge for edge in node.edges if edge is not None]
    return False


class Pullback:
    """`func` run once at `primals`, ready to pull cotangents back through it: v -> v'J."""

    def __init__(self, name: str, func: Callable, primals: tuple, has_aux: bool = False):
        self.level, self.recording = current(), state.grad
        birth = tick()
        with own_tape(self.level):
            self.primals = trees.map_leaves(self._start, primals)
            result = func(*self.primals)
            outputs, aux = with_aux(name, result) if has_aux else (result, None)
            self.leaves, _ = trees.flatten(self.primals)
            self.flat, self.structure = trees.flatten(outputs)
        self.raw = outputs
        self.recorded = self.recording and _depends_on_older([z for z in self.flat if isinstance(z, Tensor)], birth)
        self.outputs = self._leave(outputs, self.recorded)
        self.aux = self._leave(aux, self.recorded)

    def _start(self, x):
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if self.level is not None:
            x = lifted(x, self.level)
        return follow(x if self.recording else bare(x))

    def _leave(self, tree, recorded: bool):
        """Results without the tape that is left behind, unless the one around it goes on in it."""
        return tree if recorded else trees.map_leaves(lambda x: bare(x) if isinstance(x, Tensor) else x, tree)

    def pull(self, cotangents, keep: bool) -> list:
        """The gradient for every leaf of the primals."""
        recorded = self.recorded or (state.grad and any([is_recorded(v, self.level) for v in cotangents]))
        pairs = [(z, v) for z, v in zip(self.flat, cotangents, strict=True) if node_of(z) is not None]
        found: tuple = (None,) * len(self.leaves)
        if pairs:
            with own_tape(self.level):
                found = gradients(
                    [z for z, _ in pairs], self.leaves, [v for _, v in pairs], retain_graph=keep or recorded,
                    create_graph=recorded, allow_unused=True,
                )  # fmt: skip
        grads = [zeros_of(x) if g is None else g for x, g in zip(self.leaves, found, strict=True)]
        return self._leave(grads, recorded)

    def pull_tree(self, cotangents, keep: bool = True):
        """The gradients as a tree like the primals, for cotangents as a tree like the outputs."""
        flat, structure = trees.flatten(cotangents)
        if trees.text(cotangents) != trees.text(self.raw):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {trees.text(cotangents)}, primal output: {trees.text(self.raw)}"
            )
        return trees.unflatten(self.pull(flat, keep), trees.flatten(self.primals)[1])


def vjp(func: Callable, *primals, has_aux: bool = False):
    """(func(*primals), pull): pull(v) is v'J, the product of a cotangent shaped like the output with the Jacobian.

    `pull` returns a tuple with a gradient for every primal. has_aux: func returns (output, aux), and
    (output, pull, aux) comes back.
    """
    pullback = Pullback("vjp", func, primals, has_aux)
    all_tensors("vjp(f, *primals)", pullback.flat, pullback.raw)

    def pull(*cotangents, retain_graph: bool = True, create_graph: bool | None = None):
        return pullback.pull_tree(cotangents[0] if len(cotangents) == 1 else cotangents, retain_graph)

    return (pullback.outputs, pull, pullback.aux) if has_aux else (pullback.outputs, pull)


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns (gradient, value) of `func`, whose output is a scalar.

    argnums: the argument, or arguments, to differentiate by: tensors, or trees of them. has_aux: `func` returns
    (output, aux), and the value is that pair.
    """

    @functools.wraps(func)
    def both(*args, **kwargs):
        name = "grad_and_value(f)(*args)"
        pullback = Pullback(
            name,
            lambda *wanted: func(*replaced(args, argnums, wanted), **kwargs),
            chosen(args, argnums),
            has_aux,
        )
        output = pullback.raw
        if not isinstance(output, Tensor):
            raise RuntimeError(f"{name}: Expected f(*args) to return a Tensor, got {type(output)}")
        if output.array.ndim:
            raise RuntimeError(
                f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with {output.array.ndim} dims. Maybe "
                "you wanted to use the vjp or jacrev APIs instead?"
            )
        grads = trees.unflatten(pullback.pull([ones_of(output)], False), trees.flatten(pullback.primals)[1])
        value = pullback.outputs
        return shared(grads, argnums), (value, pullback.aux) if has_aux else value

    return both


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The gradient of `func`, whose output is a scalar, as a function of the same arguments.

    argnums: the argument, or arguments, to differentiate by: tensors, or trees of them. has_aux: `func` returns
    (output, aux), and (gradient, aux) comes back.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args, **kwargs):
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return gradient


def jacrev(
    func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable:
    """The Jacobian of `func` by reverse mode: one row after the other, all at once under a vmap.

    For an output of shape S and an argument of shape T it has the shape S + T; trees for several of either.
    chunk_size: how many rows are worked on at a time (None: all).
    """

    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        pullback = Pullback(
            "jacrev",
            lambda *wanted: func(*replaced(args, argnums, wanted), **kwargs),
            chosen(args, argnums),
            has_aux,
        )
        all_tensors("jacrev(f, *primals)", pullback.flat, pullback.raw)
        starts = basis(pullback.flat)
        rows = vmap(lambda *v: tuple(pullback.pull(v, True)), chunk_size=chunk_size)(*starts)
        sizes = [z.array.size for z in pullback.flat]
        parts: list[Any] = [g.split(sizes) for g in rows]
        structure = trees.flatten(pullback.primals)[1]
        by_output = []
        for k, z in enumerate(pullback.flat):
            blocks = [
                part[k].reshape(*z.array.shape, *x.array.shape) for part, x in zip(parts, pullback.leaves, strict=True)
            ]
            by_output.append(shared(trees.unflatten(blocks, structure), argnums))
        result = trees.unflatten(by_output, pullback.structure)
        return (result, pullback.aux) if has_aux else result

    return jacobian
