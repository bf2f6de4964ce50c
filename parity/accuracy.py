"""Rounding errors against a float64 truth, held against torch's own on the same call.

minitorch may err twice as much as torch, and a few ulps. Where terms cancel, a result is as uncertain as its inputs are:
then the errors are counted in what the truth itself moves when every input moves by one rounding unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from . import calls, ulps
from .bridge import tensors_in
from .calls import Call
from .harness import Difference, dtype_name, to_array
from .sample import Sample

FEW_ULPS = 4.0


@dataclass
class Accuracy:
    """The worst rounding errors of an operation so far, in ulps, minitorch's and torch's.

    ``elementwise`` counts in ulps of each true element: right for a function of one number. Otherwise it is ulps of the
    largest element of the result.
    """

    elementwise: bool
    ours: float = 0.0
    theirs: float = 0.0
    measured: bool = False

    def judge(
        self, sample: Sample, function: Callable, ours: tuple, theirs: tuple, starts: list[torch.Tensor]
    ) -> Difference | None:
        """Measure (output, gradients) of both libraries; a difference where minitorch's are less accurate."""
        truth = evaluate(sample, function, starts, moved=None)
        if truth is None:
            return None
        triples = [t for parts in zip(ours, theirs, truth, strict=True) for t in rounded(*parts)]
        worst = [[self.error(x, true, dtype) for *both, true, dtype in triples for x in [both[i]]] for i in (0, 1)]
        left, right = (max(errors, default=0.0) for errors in worst)
        self.ours, self.theirs, self.measured = (
            max(self.ours, left),
            max(self.theirs, right),
            self.measured or bool(triples),
        )
        if left <= 2 * right + FEW_ULPS:
            return None
        left, right = self.conditioned(sample, function, starts, ours, theirs, truth)
        if left <= 2 * right + FEW_ULPS:
            return None
        text = f"less accurate than torch: an error of {left:.3g} rounding units where torch has {right:.3g}"
        return Difference("accuracy", "output", text, ours=left, theirs=right)

    def error(self, value: np.ndarray, truth: np.ndarray, dtype: str) -> float:
        return ulps.errors(value, truth, dtype)[0 if self.elementwise else 1]

    def conditioned(
        self, sample: Sample, function: Callable, starts: list, ours: tuple, theirs: tuple, truth: tuple
    ) -> tuple[float, float]:
        """The worst errors of both, in units of ulp + what the truth moves when the inputs do."""
        around = [evaluate(sample, function, starts, moved=seed) for seed in range(3)]
        worst = [0.0, 0.0]
        for k, parts in enumerate(zip(ours, theirs, truth, strict=True)):
            moved = [[to_array(t)[0] for t in rest if t is not None] for rest in (tensors(a[k]) for a in around if a)]
            for j, (left, right, true, dtype) in enumerate(rounded(*parts)):
                unit = ulps.spacing(true, dtype)
                unit = unit + np.max([np.abs(m[j] - true) for m in moved if len(m) > j], axis=0, initial=0.0)
                counted = np.isfinite(true) & np.isfinite(unit)
                for i, value in enumerate((left, right)):
                    error = np.abs(value.astype(np.float64) - true)[counted] / unit[counted]
                    worst[i] = max(worst[i], float(error.max(initial=0.0)))
        return worst[0], worst[1]


def evaluate(sample: Sample, function: Callable, starts: list[torch.Tensor], moved: int | None) -> tuple | None:
    """(output, gradients) in float64; with ``moved``, every float input and cotangent first moves by a rounding unit."""
    args, kwargs = calls.widened(sample.args), calls.widened(sample.kwargs)
    rng = np.random.default_rng(moved)
    starts = [v.detach() for v in starts]
    inputs = [
        (t, given)
        for t, given in zip(tensors_in([args, kwargs]), tensors_in([sample.args, sample.kwargs]), strict=True)
    ]
    starts = [jittered(v.to(torch.float64), v.dtype, rng) if moved is not None else v.to(torch.float64) for v in starts]
    if moved is not None:
        with torch.no_grad():
            for tensor, given in inputs:
                if given.is_floating_point():
                    tensor.copy_(jittered(tensor, given.dtype, rng))
    call = Call(torch, function, args, kwargs, sample.process).run()
    if call.error:
        return None
    outputs = call.differentiable() if starts else []
    if len(outputs) != len(starts):
        return None
    starts = [v.to(t.dtype) for v, t in zip(starts, outputs, strict=True)]
    return call.output, calls.gradient(torch, outputs, call.leaves, starts) if starts else []


def jittered(tensor: torch.Tensor, dtype: torch.dtype, rng: np.random.Generator) -> torch.Tensor:
    return tensor * (1 + torch.finfo(dtype).eps * torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(tensor.shape)))))


def rounded(ours: Any, theirs: Any, truth: Any) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, str]]:
    """(ours, theirs, truth, dtype) for each result that was rounded to a narrower dtype than the truth's float64."""
    found = []
    for left, right, true in zip(tensors(ours), tensors(theirs), tensors(truth), strict=False):
        if left is None or right is None or true is None or true.dtype != torch.float64 or true.shape != right.shape:
            continue
        if (dtype := dtype_name(right.dtype)) in ulps.FORMATS and dtype != "float64":
            found.append((to_array(left)[0], to_array(right)[0], to_array(true)[0], dtype))
    return found


def tensors(value: Any) -> list:
    """The tensors of an output; a list of gradients keeps its gaps."""
    return value if isinstance(value, list) else tensors_in(value)
