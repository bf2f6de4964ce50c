"""Everything that is checked of one call of a user's function: one variant in, the first thing that differs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from . import calls
from .accuracy import Truth
from .bridge import tensors_in
from .calls import Call
from .harness import Difference, compare, dtype_name, to_array
from .sample import Sample
from .subject import Subject
from .variants import CONTIGUOUS, Variant

HALF = ("float16", "bfloat16")
DEPTH = {"gradient": 1, "second gradient": 2, "forward derivative": 2}  # of a part; the others are at 0


@dataclass(frozen=True)
class Finding:
    """What differs: in which part of the battery, of which tensor, and the comparison's own account of it."""

    part: str  # "value", "gradient", "second gradient", "forward derivative", "mutation", "memory", "call"
    what: str  # "the gradient of input 1"
    found: Difference
    ours: Any = None  # the two arrays that were compared, where there are two
    theirs: Any = None
    note: str = ""  # what was special about the call: "where only input 1 requires grad"

    @property
    def origin(self) -> str:
        """Findings of one origin are taken for one fault while Hypothesis looks for the smallest example."""
        return f"{self.part} {self.found.kind}"


@dataclass(frozen=True)
class Battery:
    """The subject, what it is held to, and how far."""

    subject: Subject
    reference: Callable
    keywords: dict
    rtol: float | None = None
    atol: float | None = None
    second: bool = True
    forward_mode: bool = True
    depth: int = 2  # down to which parts are checked: 0 the call alone, 1 gradients too, 2 all

    def run(self, variant: Variant) -> Finding | None | str:
        """The first difference, ``None``, or (a string) why torch refuses the call."""
        arguments = variant.tensors()
        theirs = self.their_call(arguments)
        if theirs.run().error is not None:
            return f"{type(theirs.error).__name__}: {theirs.error}"
        return next(self.findings(variant, arguments, theirs), None)

    def their_call(self, arguments: tuple) -> Call:
        return Call(torch, self.reference, calls.copy_strided(arguments), calls.copy_strided(self.keywords))

    def our_call(self, variant: Variant, arguments: Sequence) -> Call:
        converted = [
            self.subject.argument(t, layout == "negative") for t, layout in zip(arguments, variant.layouts, strict=True)
        ]
        keywords = {key: self.subject.argument(value) for key, value in self.keywords.items()}
        return Call(self.subject.lib, lambda *args, **kw: self.subject.call(args, kw), tuple(converted), keywords)

    def findings(self, variant: Variant, arguments: tuple, theirs: Call) -> Iterator[Finding]:
        ours = self.our_call(variant, arguments)
        before = [np.array(to_array(x)[0]) for x in inputs_of(ours)]
        if ours.run().error is not None:
            yield raised("call", "the call", ours.error)
            return
        truth = self.truth(arguments)
        our_values, values = tensors_in(ours.output), tensors_in(theirs.output)
        if found := self.differs(ours.output, theirs.output, truth, truth.output, [our_values, values]):
            yield Finding("value", "the output", found, *first_two(found, ours.output, theirs.output))
        yield from self.inputs_changed(ours, theirs, before)
        if not self.subject.differentiable:
            return
        yield from shared_memory(ours, theirs)
        if self.depth > 0:
            yield from self.gradients(variant, arguments)
        if self.forward_mode and self.depth > 1:
            yield from self.forward(variant, arguments)

    def truth(self, arguments: tuple) -> Truth:
        return Truth(Sample(SimpleNamespace(name=""), arguments, self.keywords, lambda output: output), self.reference)

    def differs(self, ours: Any, theirs: Any, truth: Truth, exact: Callable, every: list) -> Difference | None:
        """A difference beyond the tolerance that is no rounding of a narrow dtype either."""
        found = compare(ours, theirs, rtol=self.rtol, atol=self.atol)
        return truth.unless_rounding(found, exact, *every)

    def inputs_changed(self, ours: Call, theirs: Call, before: list[np.ndarray]) -> Iterator[Finding]:
        """Inputs are left alone, unless torch's function changes them too."""
        for i, (mine, true, old) in enumerate(zip(inputs_of(ours), inputs_of(theirs), before, strict=True)):
            if found := compare(mine, true, rtol=self.rtol, atol=self.atol):
                found = replace(found, theirs=old[found.index].item() if found.index is not None else found.theirs)
                yield Finding("mutation", f"input {i}", found, mine, old)

    def gradients(self, variant: Variant, arguments: tuple) -> Iterator[Finding]:
        """First with respect to all float inputs, then to each alone; then from cotangents with gaps; then second."""
        floats = [i for i, x in enumerate(arguments) if isinstance(x, torch.Tensor) and x.requires_grad]
        alone = [[i] for i in floats] if len(floats) > 1 else []
        for wanted in [floats, *alone] if floats else []:
            chosen = tuple(
                x.detach().requires_grad_(i in wanted) if i in floats else x for i, x in enumerate(arguments)
            )
            theirs, ours = self.their_call(chosen).run(), self.our_call(variant, chosen).run()
            if theirs.error is not None or not theirs.differentiable():
                return
            note = "" if wanted == floats else f" where only input {wanted[0]} requires grad"
            if ours.error is not None:
                yield raised("gradient", f"the call{note}", ours.error)
                return
            yield from self.derivatives(variant, ours, theirs, wanted, note, self.truth(chosen))

    def derivatives(
        self, variant: Variant, ours: Call, theirs: Call, wanted: list[int], note: str, truth: Truth
    ) -> Iterator[Finding]:
        outputs, our_outputs = theirs.differentiable(), ours.differentiable()
        if len(outputs) != len(our_outputs):
            found = Difference("requires_grad", "", "", ours=len(our_outputs), theirs=len(outputs))
            yield Finding("gradient", "the number of outputs that require grad", found, note=note)
            return
        rng = variant.rng
        truth.starts = starts = [v.requires_grad_() for v in calls.cotangents(outputs, rng)]
        expected = calls.gradient(torch, outputs, theirs.leaves, starts, create_graph=True)
        kept = [np.array(to_array(x)[0]) for x in inputs_of(ours)]
        for gaps in (False, True):
            ours_from = [self.subject.argument(with_gaps(v) if gaps else v) for v in starts]
            said = f"{note} from a cotangent with gaps in memory" if gaps else note
            try:
                found = calls.gradient(self.subject.lib, our_outputs, ours.leaves, ours_from)
            except Exception as error:
                yield raised("gradient", f"the gradient{said}", error)
                return
            yield from self.compared("gradient", wanted, found, expected, said, truth, truth.gradients)
        yield from self.spoiled(ours, kept, note)
        narrow = any(dtype_name(t.dtype) in HALF for t in theirs.leaves)
        if self.second and self.depth > 1 and not narrow:
            yield from self.second_gradients(variant, ours, theirs, starts, expected, wanted, note, truth)

    def spoiled(self, ours: Call, kept: list[np.ndarray], note: str) -> Iterator[Finding]:
        for i, (mine, old) in enumerate(zip(inputs_of(ours), kept, strict=True)):
            if found := compare(to_array(mine)[0], old, rtol=0.0, atol=0.0):
                yield Finding("mutation", f"input {i}", found, mine, old, " by the backward pass" + note)

    def second_gradients(
        self, variant: Variant, ours: Call, theirs: Call, starts: list, grads: list, wanted: list[int], note: str,
        truth: Truth,
    ) -> Iterator[Finding]:  # fmt: skip
        rng = np.random.default_rng(variant.seed + 1)
        truth.seconds = seconds = [None if g is None else calls.cotangents([g], rng)[0] for g in grads]
        try:
            expected = calls.second_gradient(torch, grads, [*theirs.leaves, *starts], seconds)
        except RuntimeError:  # torch has no second derivative here
            return
        our_starts = [self.subject.argument(v) for v in starts]
        our_seconds = [None if v is None else self.subject.argument(v) for v in seconds]
        lib = self.subject.lib
        try:
            again = calls.gradient(lib, ours.differentiable(), ours.leaves, our_starts, create_graph=True)
            yield from self.compared(
                "gradient", wanted, again, grads, note + " with create_graph=True", truth, truth.gradients
            )
            found = calls.second_gradient(lib, again, [*ours.leaves, *our_starts], our_seconds)
        except Exception as error:
            yield raised("second gradient", f"the second gradient{note}", error)
            return
        names = [*(f"input {i}" for i in wanted), *(f"cotangent {i}" for i in range(len(starts)))]
        yield from self.compared("second gradient", names, found, expected, note, truth, truth.second_gradients)

    def forward(self, variant: Variant, arguments: tuple) -> Iterator[Finding]:
        theirs, ours = self.their_call(arguments), self.our_call(variant, arguments)
        if not theirs.leaves:
            return
        tangents = calls.cotangents(theirs.leaves, variant.rng)
        try:
            expected = calls.forward_derivative(theirs, tangents)
        except (RuntimeError, NotImplementedError):  # torch has no forward derivative here
            return
        if all(t is None for t in expected):
            return
        truth = self.truth(arguments)
        truth.tangents = tangents
        try:
            found = calls.forward_derivative(ours, [self.subject.argument(t) for t in tangents])
        except Exception as error:
            if self.subject.library != "torch" or not isinstance(error, (RuntimeError, NotImplementedError)):
                yield raised("forward derivative", "the derivative in forward mode", error)
            return
        names = [f"output {i}" for i in range(len(expected))]
        yield from self.compared("forward derivative", names, found, expected, "", truth, truth.derivative)

    def compared(
        self, part: str, names: Sequence, ours: list, theirs: list, note: str, truth: Truth, exact: Callable
    ) -> Iterator[Finding]:
        """Derivatives one by one; one that is not there counts as zeros."""
        for name, mine, true in zip(names, ours, theirs, strict=True):
            if mine is None and true is None:
                continue
            zeros = np.zeros_like(to_array(mine if true is None else true)[0])
            left, right = (zeros if v is None else v for v in (mine, true))
            found = compare(left, right, rtol=self.rtol, atol=self.atol, check_dtype=mine is not None is not true)
            if found := truth.unless_rounding(found, exact, ours, theirs):
                label = f"input {name}" if isinstance(name, int) else name
                nothing = " (there is none: zeros are assumed)" if mine is None else ""
                yield Finding(part, f"the {part} of {label}{nothing}", found, left, right, note)


def inputs_of(call: Call) -> list:
    """The tensors, or arrays, among the positional arguments."""
    return [x for x in call.args if isinstance(x, np.ndarray) or hasattr(x, "detach")]


def with_gaps(cotangent: torch.Tensor) -> torch.Tensor:
    """The same numbers over memory with gaps, the first dimension the innermost: what a sum or a transposition sends
    back."""
    if cotangent.ndim == 0:
        return cotangent
    block = torch.full([2 * n + 1 for n in reversed(cotangent.shape)], 7).to(cotangent.dtype)
    view = block.permute(tuple(reversed(range(cotangent.ndim))))[tuple(slice(1, None, 2) for _ in cotangent.shape)]
    return view.copy_(cotangent.detach()).requires_grad_()


def shared_memory(ours: Call, theirs: Call) -> Iterator[Finding]:
    """An output lies in an input's memory exactly where torch's does."""
    for i, (left, right) in enumerate(zip(tensors_in(ours.output), tensors_in(theirs.output), strict=True)):
        for j, (mine, true) in enumerate(zip(inputs_of(ours), inputs_of(theirs), strict=True)):
            if not right.numel() or not true.numel():
                continue
            shares = true.untyped_storage().data_ptr() == right.untyped_storage().data_ptr()
            if memory_is_shared(left, mine) != shares:
                found = Difference("memory", "", "", ours=not shares, theirs=shares)
                yield Finding("memory", f"output {i} and input {j}", found)


def memory_is_shared(a: Any, b: Any) -> bool:
    if hasattr(a, "array"):
        return bool(np.may_share_memory(a.array, b.array))
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def raised(part: str, what: str, error: Exception) -> Finding:
    found = Difference("raises", "", f"{type(error).__name__}: {error}", ours=type(error).__name__)
    return Finding(part, what, found)


def first_two(found: Difference, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """The two arrays that a difference was found in, by its place ("output[1]")."""
    path = found.where.removeprefix("output")
    for step in path.strip("[]").split("][") if path else []:
        if not step.isdigit():
            return None, None
        ours, theirs = ours[int(step)], theirs[int(step)]
    return ours, theirs


def plain(variant: Variant) -> Variant:
    """The same call in contiguous memory, with the values that torch saw."""
    tensors = variant.tensors()
    values = tuple(to_array(t)[0].astype(np.float64) if isinstance(t, torch.Tensor) else t for t in tensors)
    return replace(variant, values=values, layouts=(CONTIGUOUS,) * len(values))
