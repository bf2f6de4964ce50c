"""Runs the cases of one operation after another and gathers what came of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any

from . import checks, database, targets
from .accuracy import Accuracy, of_one_number
from .choices import CHECKS
from .exceptions import known
from .harness import Difference
from .layouts import relaid, suits
from .resolve import missing_name
from .sample import Sample

KEPT_FAILURES = 20  # a broken operation fails a thousand cases the same way


@dataclass
class Failure:
    """One check of one sample that differs."""

    op: str
    dtype: str
    check: str
    sample: str
    message: str
    kind: str
    index: list[int] | None = None
    ours: str = ""
    theirs: str = ""
    differing: int = 0
    elements: int = 0

    @classmethod
    def of(cls, op: str, dtype: str, check: str, sample: str, found: Difference) -> Failure:
        index = None if found.index is None else list(found.index)
        values = repr(found.ours), repr(found.theirs)
        return cls(op, dtype, check, sample, found.message, found.kind, index, *values, found.count, found.total)


@dataclass
class Result:
    """What came of one operation."""

    op: str
    tier: str
    missing: str | None = None  # the name that minitorch lacks
    cases: int = 0
    passed: int = 0
    excepted: dict[str, int] = field(default_factory=dict)  # reason -> cases
    checks: dict[str, list[int]] = field(default_factory=dict)  # check -> [passed, failed]
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    accuracy: dict[str, tuple[float, float]] = field(default_factory=dict)  # dtype -> worst ulps, ours and torch's
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return self.missing is None and self.failed == 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


@dataclass(frozen=True)
class Options:
    """What to run of each operation."""

    dtypes: tuple[str, ...] | None = None
    checks: tuple[str, ...] = CHECKS
    layouts: tuple[str, ...] = ()
    device: str = "cpu"
    limit: int | None = None
    fail_fast: bool = False


def run_operation(name: str, options: Options = Options()) -> Result:  # noqa: B008 - frozen
    """All cases of one operation."""
    info = database.infos()[name]
    result = Result(name, targets.tier_of(name), missing_name(info))
    if result.missing is not None:
        return result
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_cases(result, info, options)
    result.seconds = time.perf_counter() - started
    return result


def run_cases(result: Result, info: Any, options: Options) -> None:
    for dtype in database.dtypes_for(info, options.dtypes, options.device):
        accuracy = Accuracy(of_one_number(info))
        for sample, measured in variations(info, dtype, options):
            tally(result, dtype, sample, checks.run_checks(sample, set(options.checks), accuracy if measured else None))
            if options.fail_fast and result.failed:
                return
        if accuracy.measured:
            result.accuracy[dtype] = accuracy.ours, accuracy.theirs
    if "error" in options.checks:
        for sample in filter(checks.torch_refuses, database.error_samples(info, options.device)):
            found = checks.guarded(lambda s=sample: checks.check_error(s))
            tally(result, "-", sample, [("error", found)])


def variations(info: Any, dtype: str, options: Options) -> Iterator[tuple[Sample, bool]]:
    """Each sample as it is, then in every wanted layout; rounding errors are measured on the first only."""
    measured = dtype in ("float32", "float16", "bfloat16") and "accuracy" in options.checks
    for sample in database.samples(info, dtype, options.device, options.limit):
        yield sample, measured
        for layout in options.layouts:
            if not suits(info.full_name, layout):
                continue
            yield relaid(sample, layout), False


def tally(result: Result, dtype: str, sample: Sample, outcomes: Iterable[tuple[str, Difference | None]]) -> None:
    """Count one case: it passed, or its differences are all known, or it failed."""
    result.cases += 1
    failed, reasons = 0, set()
    for check, found in outcomes:
        counts = result.checks.setdefault(check, [0, 0])
        entry = known(result.op, check, dtype, found) if found else None
        counts[found is not None and entry is None] += 1
        if entry:
            reasons.add(entry.reason)
        elif found:
            failed += 1
            if len(result.failures) < KEPT_FAILURES:
                result.failures.append(Failure.of(result.op, dtype, check, str(sample), found))
    result.failed += failed > 0
    result.passed += not failed and not reasons
    for reason in reasons if not failed else ():
        result.excepted[reason] = result.excepted.get(reason, 0) + 1


def run_all(names: list[str], options: Options, jobs: int = 1) -> Iterator[Result]:
    """Results in the order of the names. Workers are spawned: neither CUDA nor Numba survives a fork."""
    if jobs == 1:
        yield from (run_operation(name, options) for name in names)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        yield from pool.map(run_operation, names, [options] * len(names))


def one_thread() -> None:
    """Each worker has one core to itself."""
    import torch

    torch.set_num_threads(1)
