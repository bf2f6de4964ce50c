"""Levels: transformations of what primitives do, stacked on each other.

A level (a vmap, a forward mode) is entered for the time of one call. While any is open, `state.trace` is `interpret`,
which gets every primitive call and hands it to the innermost level that one of its inputs was lifted to:

    interpret(mul, x, y)                                   x lifted to level 2, y to level 1
      level 2 processes it by calls on what x stands for   mul(x.value, y), perhaps others
        level 1 processes those                            mul(x.value.value, y.value)
          the kernel runs                                  no input is lifted

(Functorch's stack of interpreters; Radul and others, "You only linearize once", 2022, and the text "Autodidax" tell how
such a stack composes.) The tape of a reverse mode lies *between* levels: a Node connects tensors of one level, and what
they stand for may be connected by nodes of its own. So `grad` needs no level: inside a vmap it records the lifted
tensors, outside of it the batches themselves.
"""

from __future__ import annotations

import functools
from typing import Any

from .call import complete, finish
from .lifted import Lifted
from .state import state
from .tensor import Tensor, edits_of, node_of, wrap


class Level:
    """One open transformation. Abstract: a subclass says how it lifts a tensor and how it processes a primitive.

    depth: its place in the stack, from 1 (0: not open). mode_below: the grad mode of everything under it, where a reverse mode at this
    level has modes of its own (None: the mode is one).
    """

    depth = 0
    hides_numbers = False  # whether a function at this level can not look at the numbers of its tensors
    mode_below: bool | None = None

    def __enter__(self):
        self.depth = len(state.levels) + 1
        self.outer = state.trace
        state.levels = (*state.levels, self)
        state.trace = interpret
        return self

    def __exit__(self, *error):
        state.levels = tuple([level for level in state.levels if level is not self])
        state.trace = self.outer
        self.depth = 0

    def lift(self, x: Tensor) -> Lifted:
        """`x`, of a level below, as a constant of this one."""
        raise NotImplementedError

    def process(self, op, inputs, params):
        """What `op` does at this level: a Lifted, or a tuple of them."""
        raise NotImplementedError

    def spread(self, x: Tensor) -> Tensor:
        """`x`, new and of a level below, as something that values of this level can be written into."""
        return x

    def made(self, outputs) -> None:
        """Take note of the tensors that a primitive gave at this level."""

    def adopt(self, name: str, x: Tensor) -> None:
        """Lift `x` itself, which the in-place operation `name` is about to write something of this level into."""
        raise NotImplementedError

    def call_each(self, function, args, kwargs):
        """What `function`, which is decorated with `per_example`, returns for arguments of this level."""
        raise NotImplementedError

    def draws_for_each(self) -> bool:
        """Whether random numbers are drawn for every example by itself. RuntimeError where none may be drawn."""
        return False

    def call_drawing(self, function, args, kwargs):
        """What `function`, which draws random numbers, returns when it draws for every example by itself."""
        raise NotImplementedError

    def prefers_composite(self, op) -> bool:
        """Whether to take the fused operation `op` apart rather than to process it."""
        return False


def is_at(level: Level, x) -> bool:
    """Whether `x` is a tensor (or an array) lifted to `level`."""
    array = x.array if isinstance(x, Tensor) else x
    return isinstance(array, Lifted) and array.level is level


def highest(inputs, params) -> Level | None:
    """The innermost level that an input or parameter is lifted to."""
    found = None
    for x in (*inputs, *params.values()):
        array = x.array if isinstance(x, Tensor) else x
        if isinstance(array, Lifted) and (found is None or array.level.depth > found.depth):
            found = array.level
    return found


def lifted(x: Tensor, level: Level) -> Tensor:
    """`x` itself where it is at `level`, else a constant of that level that stands for it."""
    if is_at(level, x):
        return x
    alias = wrap(level.lift(x))
    alias.edits = edits_of(x)
    return alias


def at_level(x: Tensor, other: Tensor) -> Tensor:
    """`x` lifted to the level that `other` is at."""
    return lifted(x, other.array.level) if isinstance(other.array, Lifted) else x


class lowered:
    """Context manager: what runs inside runs below `level`, under the grad mode that holds there."""

    def __init__(self, level: Level):
        self.level = level

    def __enter__(self):
        self.previous = state.grad
        if self.level.mode_below is not None:
            state.grad = self.level.mode_below

    def __exit__(self, *error):
        state.grad = self.previous


def interpret(op, inputs, params):
    """One primitive call while levels are open."""
    inputs = complete(op, inputs, params)
    level = highest(inputs, params)
    if level is None:
        return plainly(op, inputs, params)
    nodes = tuple([node_of(x) if is_at(level, x) and isinstance(x, Tensor) else None for x in inputs])
    recorded = state.grad and nodes.count(None) < len(nodes)
    if op.composite is not None and not op.rules and (recorded or level.prefers_composite(op)):
        return op.composite(*inputs, **params)
    with lowered(level):
        out = level.process(op, inputs, params)
    if recorded:  # what is kept for the rules must not be mistaken for a part of the tape below
        inputs = tuple([lifted(x, level) if isinstance(x, Tensor) else x for x in inputs])
    outputs = finish(op, inputs, params, out, nodes)
    level.made(outputs)
    return outputs


def plainly(op, inputs, params):
    """A primitive call that no level takes part in; a profiler, if there is one, sees it."""
    trace, state.trace = state.trace, state.profile
    try:
        return op.call(*inputs, **params)
    finally:
        state.trace = trace


def like(source, made: Tensor) -> Tensor:
    """`made`, new, for a function that makes tensors like `source`: what is written into that fits into it too."""
    if state.trace is None or not isinstance(source, Tensor) or not isinstance(source.array, Lifted):
        return made
    return source.array.level.spread(like(source.array.value, made))


def current() -> Level | None:
    """The innermost open level."""
    return state.levels[-1] if state.levels else None


def per_example(function):
    """Decorator for a function that looks at the numbers themselves: a vmap calls it once for every example."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if state.trace is not None:
            level: Any = highest(leaves((args, kwargs)), {})
            if level is not None:
                return level.call_each(call, args, kwargs)
        return function(*args, **kwargs)

    return call


def draws(function):
    """Decorator for a function that draws random numbers: a vmap says whether it may, and for which examples."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        for level in reversed(state.levels):
            if level.draws_for_each():
                return level.call_drawing(call, args, kwargs)
        return function(*args, **kwargs)

    return call


def leaves(values) -> list:
    """What is in (nested) tuples, lists and dictionaries."""
    flat: list = []
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (tuple, list, dict)):
            flat += leaves(value)
        else:
            flat.append(value)
    return flat
