"""torch's test database as minitorch's: which operations to run, and their samples."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice
from typing import Any

import torch

from . import targets
from .guard import opinfo_database
from .own_cases import own_infos
from .resolve import missing_name
from .sample import Sample

FLOAT = ("float64", "float32")
WITHOUT_FLOAT = ("int64", "bool")  # what stands in for an operation that takes no floats (bitwise_and)


@cache
def infos() -> dict[str, Any]:
    """Every OpInfo by its full name, ``name.variant``: torch's, and those of our own."""
    return {info.full_name: info for info in [*opinfo_database(), *own_infos()]}


def select(tier: str | None, patterns: list[str]) -> list[str]:
    """The operations to run: those that match, else those of a tier, else every target minitorch has."""
    if patterns:
        pool = [*targets.names("all"), *(name for name in infos() if targets.tier_of(name) == "other")]
        found = [name for name in pool if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return [name for name in found if tier in (None, "all") or targets.tier_of(name) == tier]
    names = [name for name in targets.names(tier or "all") if name in infos()]
    if tier is None:
        names += [info.full_name for info in own_infos()]
    return names if tier else [name for name in names if missing_name(infos()[name]) is None]


def dtypes_for(info: Any, wanted: tuple[str, ...] | None, device: str) -> list[str]:
    """The wanted dtypes that torch supports for an operation; by default both floats, else int64 and bool."""
    supported = {str(d).removeprefix("torch.") for d in info.supported_dtypes(device)}
    if wanted is not None:
        return [name for name in wanted if name in supported]
    return [d for d in FLOAT if d in supported] or [d for d in WITHOUT_FLOAT if d in supported]


@contextmanager
def quick_seeding(device: str) -> Iterator[None]:
    """`torch.manual_seed`, which the database calls for every sample, takes down the stack for each kind of device.

    For samples on the CPU, its generator is all that need be seeded: a quarter of the time of a small run.
    """
    usual = torch.manual_seed
    if device == "cpu":
        torch.manual_seed = torch.default_generator.manual_seed
    try:
        yield
    finally:
        torch.manual_seed = usual


def samples(
    info: Any, dtype: str, device: str = "cpu", limit: int | None = None, made: int | None = None
) -> list[Sample]:
    """The samples of one operation and dtype, the same ones in every run.

    ``limit`` takes a few, spread evenly over the first ``made`` (by default 30 times as many): some operations have a
    thousand, and making them takes longer than running a few.
    """
    if made is None and limit is not None:
        made = 30 * limit
    kind = getattr(torch, dtype)
    differentiable = info.supports_autograd and kind in info.supported_backward_dtypes(device)
    seed = zlib.crc32(info.full_name.encode())
    with quick_seeding(device):
        torch.manual_seed(seed % 2**31)
        drawn = info.sample_inputs(device, kind, requires_grad=differentiable and kind.is_floating_point)
        found = [
            Sample(info, (s.input, *s.args), s.kwargs, s.output_process_fn_grad, s.broadcasts_input, seed + i)
            for i, s in enumerate(islice(drawn, made))
        ]
    if limit is not None and len(found) > limit:
        found = [found[i * len(found) // limit] for i in range(limit)]
    return found


def error_samples(info: Any, device: str = "cpu") -> Iterator[Sample]:
    """The calls of one operation that torch refuses."""
    if info.error_inputs_func is None:
        return
    torch.manual_seed(0)
    for case in info.error_inputs(device):
        s = case.sample_input
        yield Sample(info, (s.input, *s.args), s.kwargs, s.output_process_fn_grad)
