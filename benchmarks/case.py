"""What is measured, and how a case becomes a row of figures: results first compared, then timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .libraries import OURS, Library
from .timing import Effort, Figure, Ratio, figure, measure, ratio, timed


class WrongResultError(AssertionError):
    """A library's result differs from the reference's."""


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    make: given a library, prepares inputs (the same in each) and returns the function that is timed.
    beside: the libraries that can run it besides minitorch.
    flops, bytes: the arithmetic of one call, and what it must read and write at least; 0 where that says nothing.
    about: what distinguishes the case within its group, e.g. dtype, batch, pass.
    compared: so many first calls are compared. tolerance: see `difference`.
    shown: keep the compared results (numbers such as losses) in the report.
    """

    group: str
    name: str
    make: Callable[[Library], Callable[[], Any]]
    beside: tuple[str, ...] = ("torch",)
    flops: float = 0
    bytes: float = 0
    about: Mapping[str, Any] = field(default_factory=dict)
    compared: int = 1
    tolerance: float = 3e-4
    shown: bool = False


@dataclass
class Row:
    """The figures of one case: by library, and each other library's ratio to minitorch.

    failed: what went wrong, by library. difference: the largest one from the reference's results. results: the compared
    numbers of a case that shows them.
    """

    group: str
    name: str
    about: dict[str, Any]
    flops: float = 0
    bytes: float = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    difference: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    results: dict[str, list[float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return " ".join([self.name, *(str(value) for key, value in self.about.items() if key not in HIDDEN)])


HIDDEN = ("layer", "n", "work", "rate", "baseline")  # in `about` for the pictures; the name says it already


def arrays(result: Any, library: Library) -> list[np.ndarray]:
    """The arrays in a result: one tensor, or several in a (nested) sequence. Copies, since a later call may overwrite."""
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays(part, library)]
    return [np.array(library.numpy(result))]


def difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest deviation of an element, in units of the root mean square of all elements of its array.

    An array element that is plain wrong deviates by about 1; rounding, summed over thousands of products, by less than 1e-4.
    How accurate the kernels are is for the tests to say, against float64; here the question is whether both sides
    computed the same thing at all.
    """
    if len(found) != len(expected):
        raise WrongResultError(f"{len(found)} results instead of {len(expected)}")
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise WrongResultError(f"{a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}")
        if a.size == 0:
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        scale = float(np.sqrt(np.mean(b * b))) or 1.0
        deviation = float(np.max(np.abs(a - b))) / scale
        worst = max(worst, deviation if deviation == deviation else float("inf"))
    return worst


def outline(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def first_calls(case: Case, library: Library) -> tuple[Callable, float, list[np.ndarray]]:
    """The function to time, the seconds of its first call, and the results of the calls that are compared."""
    function = library.timed(case.make(library))
    first, result = timed(function)
    results = arrays(result, library)
    for _ in range(case.compared - 1):
        results += arrays(function(), library)
    return function, first, results


def run_case(case: Case, libraries: Mapping[str, Library], effort: Effort) -> Row:
    """Compare, then time. Whatever goes wrong in one library is noted and leaves the others to run."""
    row = Row(case.group, case.name, dict(case.about), case.flops, case.bytes)
    functions, firsts, results = {}, {}, {}
    for name in (OURS, *case.beside):
        if name in libraries:
            try:
                functions[name], firsts[name], results[name] = first_calls(case, libraries[name])
            except Exception as error:  # a benchmark of other people's code: anything may come
                row.failed[name] = outline(error)
    reference = next((name for name in case.beside if name in results), None)
    for name in list(functions):
        if case.shown:
            row.results[name] = [float(array) for array in results[name]]
        if reference not in (None, name):
            try:
                row.difference[name] = difference(results[name], results[reference])
                if not row.difference[name] <= case.tolerance:
                    raise WrongResultError(
                        f"differs from {reference} by {row.difference[name]:.1e}, allowed is {case.tolerance:.0e}"
                    )
            except WrongResultError as error:
                row.failed[name] = outline(error)
                del functions[name]
    results.clear()
    try:
        samples = measure(functions, effort) if functions else {}
    except Exception as error:
        row.failed["measurement"] = outline(error)
        return row
    for name, sample in samples.items():
        row.figures[name] = figure(sample.seconds, firsts[name], sample.cores)
        if name != OURS and OURS in samples:
            row.ratios[name] = ratio(samples[OURS].seconds, sample.seconds)
    return row


def run_cases(cases: Sequence[Case], libraries: Mapping[str, Library], effort: Effort) -> Iterator[Row]:
    """The rows, one by one."""
    for case in cases:
        yield run_case(case, libraries, effort)
