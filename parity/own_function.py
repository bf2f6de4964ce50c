"""``parity.check``: a function of one's own held against torch's, with everything that minitorch is held to.

import minitorch, parity, torch

@minitorch.op("elementwise", dtype=minitorch.extend.FLOAT, vjp=dict(x=lambda g, z: g * z * (1 - z)))
def logistic(x):
    return 1 / (1 + np.exp(-x))

parity.check(logistic, torch.sigmoid, (3, 4))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import hypothesis
import numpy as np

from .battery import DEPTH, Battery, Finding
from .choices import DTYPES
from .subject import subject_of
from .variants import LAYOUTS, Variant, as_given, is_shape, variants
from .wording import explain

Range = tuple[float, float]


@dataclass
class Checked:
    """What ``check`` ran, when nothing differed."""

    name: str
    reference: str
    library: str
    calls: int = 0
    refused: int = 0  # calls that torch's function does not take
    dtypes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.name} (on {self.library}'s tensors) agrees with {self.reference} in {self.calls} calls "
            f"({', '.join(self.dtypes)}); torch refused {self.refused} more"
        )


def check(
    my_fn: Any,
    torch_fn: Callable,
    *inputs: Any,
    dtypes: Sequence[str] = ("float64", "float32"),
    ranges: Range | Sequence[Range] = (-3.0, 3.0),
    strategies: Sequence[Any] | None = None,
    kwargs: dict | None = None,
    library: str | None = None,
    second: bool = True,
    forward_mode: bool = True,
    layouts: Sequence[str] = LAYOUTS,
    examples: int = 100,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
) -> Checked:
    """Hold ``my_fn`` against ``torch_fn``; AssertionError with the smallest call that differs, in plain words.

    my_fn: a function of minitorch tensors, of torch tensors or of NumPy arrays (``library`` says which, where it cannot
    be found out by trying), or a subclass of either library's ``autograd.Function``.
    inputs: for each positional argument a shape, ``(3, 4)``; anything else is passed as it is. Equal sizes are taken to
    belong together; they change together.
    ranges: between what the numbers lie, one pair for all inputs or one for each. strategies: instead, a Hypothesis
    strategy of the numbers for each input (None: its range). kwargs: keyword arguments for both functions.
    second, forward_mode: whether to compare second gradients and forward mode (where torch has them; of a `Function`: where
    it has a `jvp`).
    rtol, atol: instead of torch's tolerances (those of assert_close, times 1e-4 in float64).

    Compared are: dtype, shape and values; that inputs are left alone and outputs share memory only where torch's do; the
    gradient of every input, together and alone, from cotangents of both layouts; second gradients; forward mode. In
    every dtype and memory layout of ``layouts``; in the shapes given, and in ``examples`` calls that Hypothesis draws
    around them: other sizes, empty, 0-dim, broadcast. A call that torch refuses is left out; ValueError when that leaves
    none in the shapes given.
    """
    if wrong := set(dtypes) - set(DTYPES):
        raise ValueError(f"dtypes {', '.join(sorted(wrong))}: choose from {', '.join(DTYPES)}")
    if wrong := set(layouts) - set(LAYOUTS):
        raise ValueError(f"layouts {', '.join(sorted(wrong))}: choose from {', '.join(LAYOUTS)}")
    pairs = [ranges] * len(inputs) if is_pair(ranges) else list(ranges)
    elements = [None] * len(inputs) if strategies is None else list(strategies)
    if len(pairs) != len(inputs) or len(elements) != len(inputs):
        raise ValueError(f"{len(inputs)} inputs, {len(pairs)} ranges and {len(elements)} strategies: one for each")
    if not any(map(is_shape, inputs)):
        raise ValueError("give the shape of at least one input, such as (3, 4)")
    keywords = kwargs or {}
    example = as_given(inputs, pairs, dtypes[0], LAYOUTS[0], np.random.default_rng(seed)).tensors()
    subject = subject_of(my_fn, example, keywords, library)
    battery = Battery(subject, torch_fn, keywords, rtol, atol, second, forward_mode and subject.forward_mode)
    done = Checked(subject.name, name_of(torch_fn), subject.library, dtypes=tuple(dtypes))

    steps = [layout for layout in layouts if layout != "negative" or subject.library != "torch"]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, report_multiple_bugs=False, print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(variants(inputs, pairs, elements, dtypes, steps))
    def drawn(variant: Variant) -> None:
        attempt(battery, variant, done)

    def run() -> Differs | None:
        """The smallest call that differs."""
        try:
            drawn()
            for dtype in dtypes if not any(elements) else ():
                for layout in steps:
                    given = as_given(inputs, pairs, dtype, layout, np.random.default_rng(seed))
                    attempt(battery, given, done, needed=True)
        except Differs as differs:
            return differs
        return None

    with np.errstate(all="ignore"):
        try:
            differs = run()
            # A wrong value shows in derivatives too, a wrong gradient in second ones: look for the plainest fault.
            for depth in range(DEPTH.get(differs.finding.part, 0) if differs else 0):
                battery = replace(battery, depth=depth)
                if plainer := run():
                    differs = plainer
                    break
        except hypothesis.errors.Flaky:
            raise AssertionError(fickle(subject.name)) from None
        if differs is None:
            return done
        battery = replace(battery, depth=DEPTH.get(differs.finding.part, 0))
        if battery.run(differs.variant) is None:
            raise AssertionError(fickle(subject.name))
        raise AssertionError(explain(differs.finding, differs.variant, battery, done.reference))


def fickle(name: str) -> str:
    return f"{name} gives different answers when the same call is made twice: parity cannot judge it"


class Differs(Exception):
    """A call that differs, on its way through Hypothesis, which looks for a smaller one of the same origin."""

    def __init__(self, finding: Finding, variant: Variant):
        super().__init__(str(finding))
        self.finding, self.variant = finding, variant


@cache
def differs_by(origin: str) -> type[Differs]:
    """A class for each origin: Hypothesis tells faults apart by the classes of their exceptions."""
    return type(f"Differs: {origin}", (Differs,), {})


def attempt(battery: Battery, variant: Variant, done: Checked, needed: bool = False) -> None:
    """Run one call; raises ``Differs``. needed: ValueError when torch refuses it."""
    result = battery.run(variant)
    if isinstance(result, Finding):
        raise differs_by(result.origin)(result, variant)
    if result is None:
        done.calls += 1
        return
    if needed:
        raise ValueError(f"{done.reference} refuses the shapes given, in {variant.dtype}: {result}")
    done.refused += 1


def is_pair(value: Any) -> bool:
    return len(value) == 2 and all(isinstance(x, (int, float)) for x in value)


def name_of(function: Callable) -> str:
    """``torch.nn.functional.gelu``, as far as a function knows its own name."""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or repr(function)
    module = (getattr(function, "__module__", None) or "").removeprefix("torch._C._nn")
    name = name.removeprefix("_VariableFunctionsClass.").removeprefix("PyCapsule.")
    return f"{module}.{name}" if module.startswith("torch") else f"torch's {name}"
