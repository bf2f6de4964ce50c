"""Batched: a tensor of which a vmapped function sees one example, and the level that works on all of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import trees
from ..core.levels import Level, is_at, lowered
from ..core.lifted import Lifted, layout_of
from ..core.tensor import Tensor, wrap
from ..ops.join import stack
from ..ops.part import select_view
from ..ops.shape import expand
from .each import call_each
from .rules import Batch, rule_for

ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, "
    "please try to rewrite what you're doing with other operations."
)
CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that "
    "yet."
)
NUMBERS = (
    "vmap: It looks like you're looking at the numbers of a Tensor. Every example has its own, so that they have none "
    "to show: a vmapped function can only be made of Tensor operations."
)


class Batched(Lifted):
    """One example of `value` (B, ...): its first dimension is hidden. Not `mapped`: the same for all examples."""

    __slots__ = ("mapped",)

    def __init__(self, level, value: Tensor, mapped: bool = True):
        self.level, self.value, self.mapped = level, value, mapped
        layout = layout_of(value.array)
        if not mapped:
            self.layout = layout
        elif len(layout):
            self.layout = layout[0]
        else:
            self.layout = np.empty(layout.shape[1:], layout.dtype)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(ITEM if name == "item" else NUMBERS)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError(NUMBERS)

    def __bool__(self):
        raise RuntimeError(CONTROL_FLOW)

    def __getitem__(self, index):
        raise RuntimeError(NUMBERS)

    def copy(self, order: str = "C") -> Batched:
        with lowered(self.level):
            return Batched(self.level, self.value.clone(), self.mapped)

    def detached(self) -> Batched:
        return Batched(self.level, self.value.detach(), self.mapped)

    def text(self, show) -> str:
        inner = show(self.value).replace("\n", "\n    ")
        return f"BatchedTensor(lvl={self.level.depth}, bdim={0 if self.mapped else None}, value=\n    {inner}\n)"

    def assign(self, owner: Tensor, values) -> None:
        given = is_at(self.level, values)
        if given and values.mapped and not self.mapped:
            raise cannot_write("")
        with lowered(self.level):
            self.value.copy_(values.value if given else wrap(values))


def batch_of(x: Tensor) -> Any:
    """The Batched in the place of the tensor's array."""
    return x.array


def cannot_write(name: str) -> RuntimeError:
    return RuntimeError(
        f"vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
        f"extra_args that has more elements than `self` ({name}). This happened due to `other` being vmapped over but "
        "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
        "arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report instead."
    )


class Mapping(Level):
    """One vmap: inside, primitives work on whole batches of `size` examples."""

    hides_numbers = True

    def __init__(self, size: int, randomness: str = "error"):
        self.size, self.randomness = size, randomness

    def lift(self, x: Tensor) -> Batched:
        return Batched(self, x, mapped=False)

    def example_of(self, x: Tensor, dim: int) -> Tensor:
        """What the function sees of `x`, whose dimension `dim` runs over the examples."""
        return wrap(Batched(self, x if dim == 0 else x.movedim(dim, 0)))

    def is_mapped(self, x: Tensor) -> bool:
        """Whether every example has an `x` of its own."""
        return is_at(self, x) and batch_of(x).mapped

    def below(self, x: Tensor) -> Tensor:
        """What `x` stands for outside of this vmap."""
        return batch_of(x).value if is_at(self, x) else x

    def whole(self, x: Tensor, dim: int = 0) -> Tensor:
        """All examples of `x` along dimension `dim`: what `example_of` was given."""
        value = self.below(x)
        if not self.is_mapped(x):
            value = expand(value, (self.size, *value.array.shape))
        return value if dim == 0 else value.movedim(0, dim)

    def spread(self, x: Tensor) -> Tensor:
        return wrap(Batched(self, expand(x, (self.size, *x.array.shape)).clone()))

    def adopt(self, name: str, x: Tensor) -> None:
        raise cannot_write(name)

    def process(self, op, inputs, params):
        values, mapped = [], []
        for x in inputs:
            if is_at(self, x):
                values.append(x.array.value)
                mapped.append(x.array.mapped)
            else:
                values.append(x)
                mapped.append(False)
        for name, value in params.items():
            if is_at(self, value):  # random numbers, drawn for every example
                params = {**params, name: value.value.array}
                mapped[0] = True
                values[0] = self.whole(inputs[0])
        if any(mapped):
            batch = Batch(op, inputs, values, mapped, params, self.size)
            rule = rule_for(op)
            out = rule(batch) if rule is not None else None
            if out is None:
                out = self._one_by_one(op.call, values, mapped, params)
        else:
            out = op.call(*values, **params)
        if isinstance(out, tuple):
            return tuple([Batched(self, z, any(mapped)) for z in out])
        return Batched(self, out, any(mapped))

    def _one_by_one(self, call, values, mapped, params):
        """A loop over the examples: where no rule is known, this is right."""
        if not self.size:
            raise RuntimeError(
                "vmap over no examples: there is no rule for this operation, and no example to try it on"
            )
        rows = [
            call(
                *[select_view(x, index=(i, Ellipsis)) if m else x for x, m in zip(values, mapped, strict=True)],
                **params,
            )
            for i in range(self.size)
        ]
        return stacked(rows)

    def call_each(self, function, args, kwargs):
        return call_each(self, function, args, kwargs)

    def draws_for_each(self) -> bool:
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                "'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )
        return self.randomness == "different"

    def call_drawing(self, function, args, kwargs):
        leaves, structure = trees.flatten((args, kwargs))
        rows, in_place = [], False
        self.randomness = "same"  # for the calls below, each of which is one example's
        try:
            for i in range(self.size):
                picked = [self.pick(x, i) for x in leaves]
                args, kwargs = trees.unflatten(picked, structure)
                rows.append(function(*args, **kwargs))
                in_place = bool(picked) and rows[-1] is picked[0]
        finally:
            self.randomness = "different"
        return leaves[0] if in_place else self.stacked(rows)

    def pick(self, x, i: int):
        """What example i has for `x`."""
        if isinstance(x, Batched) and x.level is self:  # an array without a tensor around it
            return self.pick(wrap(x), i).array
        if not isinstance(x, Tensor) or not is_at(self, x):
            return x
        return select_view(self.below(x), index=(i, Ellipsis)) if self.is_mapped(x) else self.below(x)

    def stacked(self, rows: list):
        """The results of every example, as one example sees them."""
        flat = [trees.flatten(row) for row in rows]
        columns = zip(*[leaves for leaves, _ in flat], strict=True)
        return trees.unflatten([self._joined(column) for column in columns], flat[0][1])

    def _joined(self, column):
        if isinstance(column[0], (np.ndarray, Lifted)):
            return Batched(self, stacked([wrap(array) for array in column]))
        return wrap(Batched(self, stacked(column))) if isinstance(column[0], Tensor) else column[0]


def stacked(rows):
    """Results of single examples as results of the batch. RuntimeError where their shapes differ."""
    first = rows[0]
    if isinstance(first, (tuple, list)):
        return tuple([stacked(column) for column in zip(*rows, strict=True)])
    if not isinstance(first, Tensor):
        return first
    if any([row.array.shape != first.array.shape for row in rows]):
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape: the examples gave results of "
            f"shapes {[list(row.array.shape) for row in rows][:8]}."
        )
    return stack(rows)
