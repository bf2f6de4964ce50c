"""Real calls of every primitive, taken down while torch's samples run through the public operations.

A primitive such as ``conv2d_weight`` has no test case of its own in torch's database, but it is called with real
arguments whenever ``nn.functional.conv2d`` is differentiated. So the samples are run once, forward and twice backward,
with a watcher on every primitive call; the calls it saw are the primitive's cases.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

import minitorch
from minitorch.core.op import REGISTRY, Op
from minitorch.core.state import state
from minitorch.core.tensor import Tensor, wrap

from . import calls, database
from .bridge import tensors_in
from .sample import Sample

MOST_ELEMENTS = 600  # per call: the properties are about rules, not about size
KEPT_CALLS = 12  # different ones per primitive


@dataclass(frozen=True)
class Recorded:
    """One call of a primitive: arrays, or Python scalars and ``None`` as they were, and the parameters."""

    op: Op
    inputs: tuple
    params: dict

    @property
    def signature(self) -> str:
        shapes = [f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else type(x).__name__ for x in self.inputs]
        return f"{self.op.name}({', '.join(shapes)}; {self.params})"

    def __repr__(self) -> str:
        return self.signature


@contextlib.contextmanager
def watching(seen: dict[str, dict[str, Recorded]]) -> Iterator[None]:
    """Take down every primitive call of this thread into ``seen``: name -> signature -> call."""

    def watch(op: Op, inputs: tuple, params: dict) -> Any:
        arrays = tuple(np.array(x.array) if isinstance(x, Tensor) else x for x in inputs)
        call = Recorded(op, arrays, dict(params))
        kept = seen.setdefault(op.name, {})
        size = sum(x.size for x in arrays if isinstance(x, np.ndarray))
        if len(kept) < KEPT_CALLS and size <= MOST_ELEMENTS:
            kept.setdefault(call.signature, call)
        state.trace = None
        try:
            return op.call(*inputs, **params)
        finally:
            state.trace = watch

    previous, state.trace = state.trace, watch
    try:
        yield
    finally:
        state.trace = previous


@cache
def recorded(samples_each: int = 8) -> dict[str, list[Recorded]]:
    """The calls of every primitive in the REGISTRY, by its name; an empty list for one that no sample reaches."""
    seen: dict[str, dict[str, Recorded]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in database.select(None, []):
            info = database.infos()[name]
            for dtype in database.dtypes_for(info, None, "cpu")[:1]:
                for sample in database.samples(info, dtype, limit=samples_each):
                    take_down(sample, seen)
    return {name: list(seen.get(name, {}).values()) for name in REGISTRY}


def take_down(sample: Sample, seen: dict[str, dict[str, Recorded]]) -> None:
    """Run one sample forward and twice backward; a sample that fails is the parity run's concern, not ours."""
    with contextlib.suppress(Exception):
        ours, theirs, to = sample.both(sample.info.op)
        with watching(seen):
            ours.run()
            if ours.error or not ours.leaves:
                return
            outputs = [t for t in tensors_in(ours.process(ours.output)) if t.requires_grad]
            starts = [ones_like(t) for t in outputs]
            calls.gradient(minitorch, outputs, ours.leaves, starts)
            grads = calls.gradient(minitorch, outputs, ours.leaves, starts, create_graph=True)
            live = [g for g in grads if g is not None and g.requires_grad]
            calls.gradient(minitorch, live, [*ours.leaves, *starts], [ones_like(g) for g in live])


def ones_like(tensor: Any) -> Any:
    return wrap(np.ones(tensor.array.shape, tensor.array.dtype)).requires_grad_()
