"""The ``out`` check: what ``out=`` does with a tensor of the right shape, of another layout, shape or dtype.

Every sample is called on both libraries with results written into

``exact``     a contiguous tensor of the result's shape and dtype, full of another number
``strided``   the same with gaps and in another order: its strides must survive, its gaps stay untouched
``empty``     one without elements, which is resized
``larger``    one of another shape, which is resized too (torch warns)
``double``, ``integer``  one of another dtype: converted, or refused by the same class of error

and what comes back must be the tensor that was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from . import calls
from .accuracy import Truth
from .bridge import tensors_in
from .calls import Call
from .harness import TOLERANCES, Difference, compare, describe, dtype_name
from .sample import Sample

FILL = 7  # stands in `out` before the call


def exact(result: torch.Tensor) -> torch.Tensor:
    return torch.full(result.shape, FILL).to(result.dtype)


def strided(result: torch.Tensor) -> torch.Tensor:
    block = torch.full([2 * n + 1 for n in reversed(result.shape)], FILL).to(result.dtype)
    return block.permute(tuple(reversed(range(result.ndim))))[tuple(slice(1, None, 2) for _ in result.shape)]


def empty(result: torch.Tensor) -> torch.Tensor:
    return torch.empty(0, dtype=result.dtype)


def larger(result: torch.Tensor) -> torch.Tensor:
    return torch.full((*result.shape, 3), FILL).to(result.dtype)


def double(result: torch.Tensor) -> torch.Tensor:
    return torch.full(result.shape, FILL, dtype=torch.float64)


def integer(result: torch.Tensor) -> torch.Tensor:
    return torch.full(result.shape, FILL, dtype=torch.int64)


KINDS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    maker.__name__: maker for maker in (exact, strided, empty, larger, double, integer)
}


def check_out(sample: Sample) -> Difference | None:
    """The first difference in what the kinds of ``out=`` above lead to."""
    args, kwargs = detached(sample.args), detached(sample.kwargs)
    plain = Sample(sample.info, args, kwargs, sample.process, sample.broadcasts_input, sample.seed)
    _, call, _ = plain.both(sample.info.op, wrapped=False)
    if call.run().error is not None:
        return None
    results = tensors_in(call.output)
    if not results:
        return None
    for kind, make in KINDS.items():
        given = [make(result.detach()) for result in results]
        if found := written(plain, kind, given, results, isinstance(call.output, torch.Tensor)):
            return found
    return None


def written(
    sample: Sample, kind: str, given: list[torch.Tensor], results: list[torch.Tensor], single: bool
) -> Difference | None:
    """One call with ``out=``, on both libraries."""
    ours, theirs, to = sample.both(sample.info.op, wrapped=False)
    our_outs = [to.tensor(t) for t in given]
    where = f"out= ({kind}: {describe(given[0] if single else tuple(given))})"
    for call, outs in ((ours, our_outs), (theirs, given)):
        call.kwargs = {**call.kwargs, "out": outs[0] if single else tuple(outs)}
        call.run()
    if theirs.error is not None or ours.error is not None:
        return refused(ours, theirs, where)
    if any(a is not b for a, b in zip(tensors_in(ours.output), our_outs, strict=True)):
        return Difference("behaviour", where, f"{where}: what minitorch returns is not the tensor that was given")
    if theirs.up_to_signs:
        return compare(ours.unique, theirs.unique, where=where)
    truth = Truth(sample, sample.info.op)
    for mine, true, result in zip(our_outs, given, results, strict=True):
        rtol, atol = TOLERANCES.get(dtype_name(result.dtype), (0.0, 0.0))
        found = compare(mine, true, where=where, rtol=rtol, atol=atol)
        if found := truth.unless_rounding(found, truth.output, our_outs, given):
            return found
        if kind in ("exact", "strided") and true.numel() and not calls.same_memory_layout(mine, true):
            steps = [s // mine.array.itemsize for s in mine.array.strides]
            text = f"{where}: strides afterwards: minitorch {steps}, torch {list(true.stride())}"
            return Difference("behaviour", where, text, ours=steps, theirs=list(true.stride()))
    return None


def refused(ours: Call, theirs: Call, where: str) -> Difference | None:
    names = [None if c.error is None else type(c.error).__name__ for c in (ours, theirs)]
    if names[0] == names[1]:
        return None
    said = ["accepts" if c.error is None else f"raises {type(c.error).__name__}: {c.error}" for c in (ours, theirs)]
    return Difference(
        "behaviour", where, f"{where}: minitorch {said[0]}, torch {said[1]}", ours=names[0], theirs=names[1]
    )


def detached(value: Any) -> Any:
    """The arguments without a wish for gradients: ``out=`` is refused under autograd."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(map(detached, value))
    if isinstance(value, dict):
        return {key: detached(item) for key, item in value.items()}
    return value
