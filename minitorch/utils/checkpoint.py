"""Checkpointing: less memory for more time (torch.utils.checkpoint).

    z = checkpoint(block, x, use_reentrant=False)

What the rules of `block` would need is not kept: when the backward pass comes to it, `block` is run a second time, with
the same random numbers. Of n blocks of equal size, one is in memory at a time, besides what goes from one to the next
(Chen and others, "Training deep nets with sublinear memory cost", 2016).

Two ways, as in torch. Without `use_reentrant` the block is recorded as ever; then what its nodes keep is let go, to be
taken over from the nodes of the second run when a rule asks for it. With `use_reentrant` the block is one node, whose
rule is a second run and a backward pass through that.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

from .. import trees
from ..autograd.backward import backward
from ..autograd.function import Function
from ..core.node import FREED, Leaf, Output
from ..core.state import enable_grad, state, tick
from ..core.tensor import Tensor, node_of
from ..generator import default_generator

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn", "set_checkpoint_early_stop"]


class CheckpointError(RuntimeError):
    """The second run of a block did something else than the first."""


def noop_context_fn() -> tuple:
    """Two contexts that do nothing: for the first run, and for the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def set_checkpoint_early_stop(enable: bool) -> contextlib.AbstractContextManager:
    """A context in which torch does, or does not, end a second run as soon as it has given what is needed.

    Here a second run always goes to its end; the results are the same.
    """
    return contextlib.nullcontext()


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
):
    """function(*args, **kwargs), run again in the backward pass instead of keeping what that needs.

    use_reentrant: see above; to be given. preserve_rng_state: the second run draws the same random numbers.
    context_fn: returns two context managers, for the first and the second run. determinism_check: "default" raises
    CheckpointError when the second run differs in what it records, "none" does not look.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but "
            "if you need to preserve the current default behavior, you can pass use_reentrant=True.",
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any([isinstance(x, Tensor) and x.requires_grad for x in args]):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
        return _Reentrant.apply(function, preserve_rng_state, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    first, second = context_fn()
    block = _Block(lambda: function(*args, **kwargs), second, determinism_check == "default", preserve_rng_state)
    if not state.grad:
        with first:
            return function(*args, **kwargs)
    start = tick()
    with first:
        result = function(*args, **kwargs)
    block.let_go(_nodes(result, start))
    return result


class _replayed:
    """Context manager: random numbers are drawn as from `stream` on; afterwards as if nothing had been drawn."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            self.now, default_generator.state = default_generator.state, self.stream

    def __exit__(self, *error):
        if self.stream is not None:
            default_generator.state = self.now


# Nodes that let go of what they kept.


def _nodes(result, start: int) -> list:
    """The nodes behind a result that were born after tick `start` and keep something, in order of birth."""
    stack = [node_of(z) for z in trees.flatten(result)[0] if isinstance(z, Tensor)]
    found: dict = {}
    while stack:
        node = stack.pop()
        if node is None or node.birth < start or node in found or type(node) is Leaf:
            continue
        found[node] = None
        stack += node.edges
    keeping = [
        n for n in found if type(n) is not Output and n.inputs is not FREED and (n.inputs or n.output is not None)
    ]
    return sorted(keeping, key=lambda node: node.birth)


def _described(node) -> tuple:
    return node.name(), node.shape, node.dtype


class _Block:
    """A function that was run once, and can be run again to get back what its nodes let go of."""

    def __init__(self, run: Callable, context, checked: bool, preserve_rng_state: bool):
        self.run, self.context, self.checked = run, context, checked
        self.stream = default_generator.state if preserve_rng_state else None
        self.expected: list = []
        self.kept: dict[tuple[int, int], Any] = {}

    def let_go(self, nodes: list) -> None:
        self.expected = [_described(node) for node in nodes]
        for i, node in enumerate(nodes):
            node.inputs = _Again(self, i, 0)
            node.output = None if node.output is None else _Again(self, i, 1)

    def take(self, i: int, part: int):
        """The inputs (0) or the output (1) that node number i of the first run had kept."""
        if (i, part) not in self.kept:
            self._run_again()
        return self.kept.pop((i, part))

    def _run_again(self) -> None:
        start = tick()
        with enable_grad(), _replayed(self.stream), self.context:
            nodes = _nodes(self.run(), start)
        if len(nodes) != len(self.expected):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of operations recorded during forward: {len(self.expected)}\nNumber of "
                f"operations recorded during recomputation: {len(nodes)}."
            )
        for i, (node, expected) in enumerate(zip(nodes, self.expected, strict=True)):
            if self.checked and _described(node) != expected:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                    f"during the forward pass: operation {i} was {expected}, and is {_described(node)} now"
                )
            self.kept[i, 0], self.kept[i, 1] = node.inputs, node.output


class _Again:
    """What a node had kept: a sequence that is computed again when first looked at."""

    def __init__(self, block: _Block, i: int, part: int):
        self.block: _Block | None = block
        self.i, self.part = i, part
        self.values: Any = None

    def found(self):
        if self.block is not None:
            self.values, self.block = self.block.take(self.i, self.part), None
        return self.values

    def __getitem__(self, k):
        return self.found()[k]

    def __len__(self):
        return len(self.found())

    def __iter__(self):
        return iter(self.found())

    def __bool__(self):
        return True


# One node for the whole block.


class _Reentrant(Function):
    @staticmethod
    def forward(ctx, function, preserve_rng_state, *args):
        ctx.function, ctx.args = function, args
        ctx.stream = default_generator.state if preserve_rng_state else None
        return function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if state.walk is not None and state.walk.targets is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        args = [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in ctx.args]
        with enable_grad(), _replayed(ctx.stream):
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [(z, g) for z, g in zip(outputs, grads, strict=True) if isinstance(z, Tensor) and z.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([z for z, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in args])


# Chains.


def checkpoint_sequential(functions, segments: int, input, use_reentrant: bool | None = None, **kwargs):
    """The functions (a Sequential, or a list) one after the other, checkpointed in `segments` parts; the last part,
    which the backward pass comes to first, keeps what it needs."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. In "
            "version 2.9 we will raise an exception if use_reentrant is not passed. use_reentrant=False is recommended, "
            "but if you need to preserve the current default behavior, you can pass use_reentrant=True.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    chain = list(functions.children()) if hasattr(functions, "children") else list(functions)
    length = len(chain) // segments

    def part(start: int, end: int) -> Callable:
        def run(x):
            for function in chain[start:end]:
                x = function(x)
            return x

        return run

    end = 0
    for start in range(0, length * (segments - 1), length):
        end = start + length
        input = checkpoint(part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(end, len(chain))(input)
