"""Rounding errors against a float64 truth, held against torch's own on the same call.

minitorch may err twice as much as torch, and a few ulps. Where terms cancel, a result is as uncertain as its inputs
are: then errors are counted in what the truth itself moves when every input moves by one rounding unit. By the same
measure a difference between two float32 results is judged that is larger than the tolerance: it is rounding when the
truth says that minitorch is as near to it as torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from . import calls, ulps
from .bridge import tensors_in
from .calls import Call
from .choices import NARROW
from .harness import Difference, dtype_name, to_array
from .sample import Sample

FEW_ULPS = 4.0


def of_one_number(info: Any) -> bool:
    """Whether an OpInfo is that of a function of one number, applied to each element."""
    return type(info).__name__ == "UnaryUfuncInfo"


def good_enough(ours: float, theirs: float) -> bool:
    return ours <= 2 * theirs + FEW_ULPS


@dataclass
class Accuracy:
    """The worst rounding errors of an operation so far, in ulps, minitorch's and torch's.

    ``elementwise`` counts in ulps of each true element: right for a function of one number. Otherwise it is ulps of
    the largest element of the result.
    """

    elementwise: bool
    ours: float = 0.0
    theirs: float = 0.0
    measured: bool = False

    def judge(self, truth: Truth, compute: Callable, ours: Sequence, theirs: Sequence) -> Difference | None:
        """A difference where minitorch's results are less accurate than torch's.

        ``compute`` is the method of ``truth`` that gives the results in question. One that is zero but for the
        rounding of float64 itself (a gradient that cancels) has no relative error and is left out.
        """
        exact = compute(None)
        if exact is None:
            return None
        zero = 0.0 if self.elementwise else 1e-10 * truth.scale
        triples = [t for t in rounded(ours, theirs, exact) if t[3] in NARROW and np.abs(t[2]).max(initial=0.0) > zero]
        which = 0 if self.elementwise else 1
        left, right = (max((ulps.errors(t[i], t[2], t[3])[which] for t in triples), default=0.0) for i in (0, 1))
        self.ours, self.theirs = max(self.ours, left), max(self.theirs, right)
        self.measured = self.measured or bool(triples)
        if good_enough(left, right):
            return None
        left, right = conditioned_errors(compute, ours, theirs, self.elementwise)
        if good_enough(left, right):
            return None
        text = f"less accurate than torch: an error of {left:.3g} rounding units where torch has {right:.3g}"
        return Difference("accuracy", "output", text, ours=left, theirs=right)


def conditioned_errors(compute: Callable, ours: Sequence, theirs: Sequence, elementwise: bool) -> tuple[float, float]:
    """The worst errors of both, in units of an ulp + what the truth moves when the inputs do; inf where unknown."""
    exact, around = compute(None), [compute(seed) for seed in range(3)]
    if exact is None or any(a is None for a in around):
        return float("inf"), 0.0
    worst = [0.0, 0.0]
    moved = [[to_array(t)[0] for *_, t in aligned(ours, theirs, a)] for a in around]
    for j, (left, right, true, dtype) in enumerate(rounded(ours, theirs, exact)):
        shift = np.max([np.abs(m[j] - true) for m in moved], axis=0)
        counted = np.isfinite(true) & np.isfinite(shift)
        if not counted.any():
            continue
        true, shift = true[counted], shift[counted]
        size = true if elementwise else np.abs(true).max()
        unit = ulps.spacing(size, dtype) + (shift if elementwise else shift.max())
        for i, value in enumerate((left, right)):
            error = np.abs(value[counted].astype(np.float64) - true) / unit
            worst[i] = max(worst[i], float(error.max()) if np.isfinite(error).all() else float("inf"))
    return worst[0], worst[1]


class Truth:
    """One call in float64. Given a seed, its inputs, cotangents and tangents first move by a rounding unit each."""

    def __init__(self, sample: Sample, function: Callable):
        self.sample, self.function = sample, function
        self.elementwise = of_one_number(sample.info)
        self.starts: list = []  # cotangents
        self.seconds: list = []  # cotangents of the gradients; None where there is no gradient
        self.tangents: list = []

    @property
    def scale(self) -> float:
        """The largest magnitude among the float inputs and cotangents."""
        given = [*tensors_in([self.sample.args, self.sample.kwargs]), *self.starts]
        finite = (np.abs(to_array(t)[0].astype(np.float64)) for t in given if t.is_floating_point())
        return max((float(x[np.isfinite(x)].max(initial=0.0)) for x in finite), default=0.0)

    def unless_rounding(
        self, found: Difference | None, compute: Callable, ours: Sequence, theirs: Sequence
    ) -> Difference | None:
        """``found``, or ``None`` where it is no more than the rounding of a narrow result or input.

        ``compute`` is the method of this object that gives the results in question.
        """
        involved = [*theirs, *tensors_in([self.sample.args, self.sample.kwargs])]
        narrow = any(t is not None and dtype_name(t.dtype) in NARROW for t in involved)
        if found is None or found.kind != "value" or not narrow:
            return found
        return None if good_enough(*conditioned_errors(compute, ours, theirs, self.elementwise)) else found

    def call(self, rng: np.random.Generator | None) -> Call:
        sample = self.sample
        call = sample.widened(self.function)
        if rng is not None:
            narrow = tensors_in([sample.args, sample.kwargs])
            for tensor, given in zip(call.inputs, narrow, strict=True):
                if given.is_floating_point():
                    tensor.data.copy_(jittered(given, rng))
        return call

    def output(self, seed: int | None) -> list | None:
        call = self.call(generator(seed)).run()
        return None if call.error else tensors_in(call.unique)

    def results(self, seed: int | None) -> list | None:
        """The output and the gradients."""
        rng = generator(seed)
        call = self.call(rng).run()
        if call.error:
            return None
        found = self.backward(call, rng, create_graph=False)
        return None if found is None else [*tensors_in(call.unique), *found[0]]

    def gradients(self, seed: int | None) -> list | None:
        rng = generator(seed)
        call = self.call(rng).run()
        found = None if call.error else self.backward(call, rng, create_graph=False)
        return None if found is None else found[0]

    def second_gradients(self, seed: int | None) -> list | None:
        rng = generator(seed)
        call = self.call(rng).run()
        found = None if call.error else self.backward(call, rng, create_graph=True)
        if found is None:
            return None
        grads, starts = found
        seconds = [None if v is None else jittered(v, rng) for v in self.seconds]
        return calls.second_gradient(torch, grads, [*call.leaves, *starts], seconds)

    def derivative(self, seed: int | None) -> list | None:
        rng = generator(seed)
        call = self.call(rng)
        return calls.forward_derivative(call, [jittered(v, rng) for v in self.tangents])

    def backward(self, call: Call, rng: np.random.Generator | None, create_graph: bool) -> tuple[list, list] | None:
        outputs = call.differentiable() if self.starts else []
        if len(outputs) != len(self.starts):
            return None
        starts = [jittered(v, rng).to(t.dtype) for v, t in zip(self.starts, outputs, strict=True)]
        starts = [v.requires_grad_() for v in starts]
        return calls.gradient(torch, outputs, call.leaves, starts, create_graph), starts


def generator(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


def jittered(tensor: torch.Tensor, rng: np.random.Generator | None) -> torch.Tensor:
    """``tensor`` in float64; with a generator, every element moves by up to one rounding unit of its own dtype."""
    wide = tensor.detach().to(torch.float64)
    if rng is None:
        return wide
    eps = torch.finfo(tensor.dtype).eps
    return wide * (1 + eps * torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(tensor.shape)))))


def aligned(ours: Sequence, theirs: Sequence, truth: Sequence) -> list[tuple]:
    """The float results that all three sides have."""
    return [
        (left, right, true)
        for left, right, true in zip(ours, theirs, truth, strict=False)
        if left is not None and right is not None and true is not None
        if true.dtype == torch.float64 and true.shape == right.shape and dtype_name(right.dtype) in ulps.FORMATS
    ]


def rounded(ours: Sequence, theirs: Sequence, truth: Sequence) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, str]]:
    """The same as arrays, with the dtype."""
    return [
        (to_array(left)[0], to_array(right)[0], to_array(true)[0], dtype_name(right.dtype))
        for left, right, true in aligned(ours, theirs, truth)
    ]
