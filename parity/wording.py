"""A finding in plain words: what differs, of which call, where, by how much, and what it depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .battery import Battery, Finding, plain
from .harness import TOLERANCES, describe, dtype_name, how_far, to_array
from .variants import CONTIGUOUS, Variant

SHOWN = 24  # elements of an input that are printed


def explain(finding: Finding, variant: Variant, battery: Battery, reference: str) -> str:
    """The text of the AssertionError."""
    name = battery.subject.name
    lines = [f"{name} differs from {reference}: {headline(finding)}", ""]
    lines.append(f"  call:     {name}({listed(variant, battery.keywords)})")
    lines += [f"  input {i}:  {line}" for i, line in enumerate(inputs(variant))]
    lines += [f"  {line}" for line in where(finding, battery)]
    lines += [f"  {line}" for line in (*pattern(finding), *circumstances(finding, variant, battery))]
    return "\n".join(lines)


def headline(finding: Finding) -> str:
    kind, what, note = finding.found.kind, finding.what, finding.note
    mine, true = finding.found.ours, finding.found.theirs
    if finding.part == "mutation":
        return f"{what} is changed{note or ' by the call'}, and should be left as it is"
    if kind == "raises":
        return f"{what}{note} raises {finding.found.message}"
    if kind == "dtype":
        return f"the dtype of {what} is {dtype_name(mine)}, torch's is {dtype_name(true)}{note}"
    if kind == "shape":
        return f"the shape of {what} is {list(mine)}, torch's is {list(true)}{note}"
    if kind == "memory":
        said = "share memory, which torch's do not" if mine else "do not share memory, which torch's do"
        return f"{what} {said}{' (return a copy)' if mine else ' (return a view)'}"
    if kind == "requires_grad":
        return f"{mine} of its outputs require grad, {true} of torch's do{lost(mine, true)}{note}"
    if kind == "value":
        return f"{what} has other values{note}"
    return f"{what}: {mine} where torch has {true}{note}"


def lost(mine: int, true: int) -> str:
    return " (is it computed outside the graph, through .numpy() or .detach()?)" if mine < true else ""


def listed(variant: Variant, keywords: dict) -> str:
    given = [describe(v) if isinstance(v, torch.Tensor) else repr(v) for v in variant.tensors()]
    return ", ".join([*given, *(f"{key}={value!r}" for key, value in keywords.items())])


def inputs(variant: Variant) -> list[str]:
    """Each input: how it lies in memory, and its numbers when they are few."""
    lines = []
    for tensor, layout in zip(variant.tensors(), variant.layouts, strict=True):
        if not isinstance(tensor, torch.Tensor):
            lines.append(repr(tensor))
            continue
        strides = [-s for s in contiguous_strides(tensor)] if layout == "negative" else list(tensor.stride())
        layout = CONTIGUOUS if tensor.is_contiguous() and layout != "negative" else f"{layout}, strides {strides}"
        text = np.array2string(to_array(tensor)[0], separator=", ", threshold=SHOWN, precision=8).replace("\n", "")
        values = f" = {' '.join(text.split())}" if tensor.numel() <= SHOWN else ""
        lines.append(f"{describe(tensor)}, {layout}{values}")
    return lines


def contiguous_strides(tensor: torch.Tensor) -> list[int]:
    return list(torch.empty(tensor.shape).stride())


def where(finding: Finding, battery: Battery) -> list[str]:
    """The first element that differs, on both sides."""
    found = finding.found
    if found.index is None:
        return []
    mine, true = found.ours, found.theirs
    if finding.part == "mutation":
        old = to_array(finding.theirs)[0][found.index].item()
        return [f"first at: {list(found.index)}: was {old!r}, is now {mine!r} ({found.count} of {found.total} changed)"]
    dtype = dtype_name(to_array(finding.theirs)[1]) if finding.theirs is not None else "float64"
    rtol, atol = TOLERANCES.get(dtype, (0.0, 0.0))
    rtol, atol = (rtol if battery.rtol is None else battery.rtol), (atol if battery.atol is None else battery.atol)
    count = f"{found.count} of {found.total} elements differ" if found.total > 1 else "the only element"
    return [
        f"first at: {list(found.index)} ({count})",
        f"mine:     {mine!r}",
        f"torch:    {true!r}{how_far(mine, true, dtype, rtol, atol)}",
    ]


def pattern(finding: Finding) -> list[str]:
    """What the two arrays have to do with each other, if it is something simple."""
    if finding.found.kind != "value" or finding.ours is None or finding.part == "mutation":
        return []
    mine, true = (to_array(v)[0].astype(np.float64) for v in (finding.ours, finding.theirs))
    told = (true != 0) & np.isfinite(true) & np.isfinite(mine)
    if not told.any() or not np.isfinite(mine).all() or not np.isfinite(true).all():
        return []
    if not mine.any():
        return ["note:     mine is zero everywhere"]
    if mine.ndim > 1 and mine.shape == mine.T.shape and close(mine, true.T) and not close(mine, true):
        return ["note:     mine is torch's transposed"]
    ratios = mine[told] / true[told]
    off = float(np.abs(ratios - 1).max())
    if off < 1e-3:
        single = to_array(finding.theirs)[1] == "float64" and 1e-9 < off < 1e-6
        return [f"note:     the relative error is {off:.2g}" + single * ": is a step computed in float32?"]
    if close(mine, ratios[0] * true):
        return [f"note:     mine is {ratios[0]:.6g} times torch's" + " everywhere" * (mine.size > 1)]
    if close(mine, np.abs(true)):
        return ["note:     mine is the absolute value of torch's"]
    if close(np.sort(mine, None), np.sort(true, None)):
        return ["note:     mine has torch's numbers in other places"]
    return []


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-9))


def circumstances(finding: Finding, variant: Variant, battery: Battery) -> list[str]:
    """What the difference depends on: the same call is tried in contiguous memory, in float64, without ties."""

    def agrees(changed: Variant) -> bool:
        return battery.run(changed) is None

    said = []
    still = plain(variant)
    if any(layout != CONTIGUOUS for layout in variant.layouts):
        if agrees(still):
            said.append("note:     in contiguous memory the same call agrees: the layout is what matters")
        variant = still if not agrees(still) else variant
    if variant.dtype != "float64" and variant.dtype.startswith(("float", "bfloat")):
        if agrees(replace(variant, dtype="float64")):
            said.append(f"note:     in float64 the same call agrees: it is {variant.dtype} that matters")
    if finding.found.kind == "value" and has_ties(variant) and agrees(moved_apart(variant)):
        said.append("note:     with all numbers moved apart a little it agrees: ties, or a number at a kink, matter")
    return said


def has_ties(variant: Variant) -> bool:
    """Whether a number occurs twice or is whole: where maxima, absolute values and comparisons have their kinks."""
    numbers = [v.reshape(-1) for v in variant.values if isinstance(v, np.ndarray)]
    joined = np.concatenate(numbers) if numbers else np.zeros(0)
    return bool(joined.size and (len(np.unique(joined)) < joined.size or (joined == np.trunc(joined)).any()))


def moved_apart(variant: Variant) -> Variant:
    rng = np.random.default_rng(0)

    def shifted(value: Any) -> Any:
        return np.asarray(value + 0.01 * rng.uniform(0.5, 1, value.shape)) if isinstance(value, np.ndarray) else value

    return replace(variant, values=tuple(map(shifted, variant.values)))
