"""The ``vmap`` check: a sample's call over a batch of two examples, against a loop over the examples.

The examples are the sample and the same with its floats made a quarter smaller, which leaves them in every operation's
domain. Random operations draw the same numbers for both. Where minitorch refuses, torch must refuse too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.func

import minitorch
import minitorch.func

from . import calls
from .bridge import tensors_in
from .calls import Call
from .harness import Difference, compare
from .sample import Sample

EXAMPLES = 2


def check_vmap(sample: Sample) -> Difference | None:
    ours, theirs, _ = sample.both(sample.info.op)
    count = len(unique_inputs(ours))
    if not count or "empty" in sample.info.name:  # what is in new memory is whatever was there
        return None
    for mapped in [range(count)] if count == 1 else [range(count), range(1), range(1, count)]:
        found = check_outputs(ours, theirs, set(mapped))
        if found is not None:
            return found
    if sample.info.supports_autograd and ours.leaves:
        return check_gradients(ours, theirs, sample)
    return None


def unique_inputs(call: Call) -> list:
    return list({id(t): t for t in call.inputs}.values())


def examples_of(tensor: Any) -> list:
    """The examples that a batch is made of."""
    plain = tensor.detach()
    return [plain, plain * 0.75 if plain.is_floating_point() else plain]


def as_function(call: Call) -> Callable:
    """The call as a function of its tensors, returning the tensors among its results."""
    inputs = unique_inputs(call)

    def function(*tensors):
        table = {id(t): new for t, new in zip(inputs, tensors, strict=True)}
        call.lib.manual_seed(0)
        output = call.function(*calls.replace(call.args, table), **calls.replace(call.kwargs, table))
        return tuple(tensors_in(output))

    return function


def looped(call: Call, mapped: set[int], function: Callable | None = None, *batches: Any) -> list:
    """The results of every example, stacked."""
    rows = []
    for i in range(EXAMPLES):
        inputs = [examples_of(t)[i] if k in mapped else t.detach() for k, t in enumerate(unique_inputs(call))]
        rows.append((function or as_function(call))(*inputs, *[b[i] for b in batches]))
    return [call.lib.stack(list(column)) for column in zip(*rows, strict=True)]


def vmapped(call: Call, mapped: set[int], function: Callable | None = None, *batches: Any) -> list:
    """The same under vmap."""
    inputs = [call.lib.stack(examples_of(t)) if k in mapped else t.detach() for k, t in enumerate(unique_inputs(call))]
    dims = tuple(0 if k in mapped else None for k in range(len(inputs))) + (0,) * len(batches)
    batched = call.lib.func.vmap(function or as_function(call), in_dims=dims, randomness="same")
    return list(batched(*inputs, *batches))


def attempt(run: Callable) -> tuple[list | None, Exception | None]:
    try:
        return run(), None
    except Exception as error:
        return None, error


def check_outputs(ours: Call, theirs: Call, mapped: set[int]) -> Difference | None:
    expected, error = attempt(lambda: looped(ours, mapped))
    if error is not None or expected is None or not expected:
        return None
    found, error = attempt(lambda: vmapped(ours, mapped))
    if error is not None:
        return refused(error, lambda: vmapped(theirs, mapped), "vmap")
    return near(found, expected, f"vmap over inputs {sorted(mapped)}")


def near(found: list, expected: list, where: str) -> Difference | None:
    """Batched products add in another order: float64 at 1e-6, narrower types at assert_close's own tolerance."""
    for i, (left, right) in enumerate(zip(found, expected, strict=True)):
        options = {"rtol": 1e-6, "atol": 1e-9} if right.dtype is minitorch.float64 else {}
        if difference := compare(left, right, where=f"{where}[{i}]", **options):
            return difference
    return None


def refused(error: Exception, torchs: Callable, where: str) -> Difference | None:
    """What minitorch refuses is right when torch refuses it too."""
    _, other = attempt(torchs)
    if other is not None:
        return None
    return Difference("crash", where, f"{where}: minitorch raises {type(error).__name__}: {error}, torch nothing")


def check_gradients(ours: Call, theirs: Call, sample: Sample) -> Difference | None:
    """The gradient of every example by itself, with cotangents of its own."""
    inputs = unique_inputs(ours)
    wanted = [k for k, t in enumerate(inputs) if t.requires_grad]
    mapped = set(range(len(inputs)))
    with torch.no_grad():
        starts, error = attempt(lambda: [v for v in looped(ours, mapped) if v.is_floating_point()])
    if error is not None or not starts:
        return None
    cotangents = [minitorch.tensor(sample.rng.standard_normal(tuple(v.shape))).to(v.dtype) for v in starts]

    def pulled(call: Call) -> Callable:
        function = as_function(call)

        def gradient(*arguments):
            tensors, v = list(arguments[: len(inputs)]), arguments[len(inputs) :]

            def of_wanted(*leaves):
                full = list(tensors)
                for k, leaf in zip(wanted, leaves, strict=True):
                    full[k] = leaf
                return tuple(z for z in function(*full) if z.is_floating_point())

            _, pull = call.lib.func.vjp(of_wanted, *[tensors[k] for k in wanted])
            return pull(tuple(v))

        return gradient

    expected, error = attempt(lambda: looped(ours, mapped, pulled(ours), *cotangents))
    if error is not None:
        return None
    found, error = attempt(lambda: vmapped(ours, mapped, pulled(ours), *cotangents))
    if error is not None:
        carried = [minitorch.to_torch(v).clone() for v in cotangents]
        return refused(error, lambda: vmapped(theirs, mapped, pulled(theirs), *carried), "gradient under vmap")
    return near(found, expected, "gradient under vmap")
