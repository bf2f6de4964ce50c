"""The ways to compute a depthwise convolution with the kernels of depthwise.py; as in conv_ways.py, `conv.py` chooses."""

from __future__ import annotations

from itertools import product
from math import prod

from . import crossovers, threads
from .conv_ways import Problem, taps_of
from .depthwise import bands, depthwise, depthwise_runs, depthwise_runs_weight, depthwise_weight, runs_of

# A plane in bands.


def depthwise_bands(p: Problem):
    taps = tuple(
        (y * p.dilation[1] - p.padding[1], x * p.dilation[2] - p.padding[2], y * p.kernel[2] + x)
        for y, x in product(range(p.kernel[1]), range(p.kernel[2]))
    )
    return bands(p.size[1:], p.out_size[1:], (((0, 0), p.out_size[1:], taps),), p.stride[1:], (1, 1), p.lanes)


def depthwise_forward(p: Problem, input, weight, out) -> None:
    tables = depthwise_bands(p)
    threads.run(
        depthwise, threads.threads_for(4 * p.work), input.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
        *tables[1:], tables.sizes,
    )  # fmt: skip


def depthwise_input(p: Problem, grad, weight, out) -> None:
    runs = []
    for phase in product(*map(range, p.stride[1:])):
        taps = tuple(
            (row, column, y * p.kernel[2] + x)
            for (row, y), (column, x) in product(taps_of(p, 1, phase[0]), taps_of(p, 2, phase[1]))
        )
        positions = tuple(-(-(n - a) // s) for n, a, s in zip(p.size[1:], phase, p.stride[1:], strict=True))
        if taps and min(positions) > 0:
            runs.append((phase, positions, taps))
    if len(runs) < prod(p.stride):
        out.fill(0)
    if runs:
        tables = bands(p.out_size[1:], p.size[1:], tuple(runs), (1, 1), p.stride[1:], p.lanes)
        threads.run(
            depthwise, threads.threads_for(4 * p.work), grad.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
            *tables[1:], tables.sizes,
        )  # fmt: skip


def depthwise_weights(p: Problem, input, grad, out) -> None:
    tables = depthwise_bands(p)
    out.fill(0)
    threads.run(
        depthwise_weight, threads.threads_for(4 * p.work), input.reshape(-1), grad.reshape(-1), out.reshape(-1), p.groups,
        tables.phases, tables.taps, tables.sizes,
    )  # fmt: skip


# A small plane as one run.


def small_planes(p: Problem) -> bool:
    """Whether every output lies at a pixel of the plane, so that `depthwise_runs` can compute it there."""
    reach = [max(a, d * (k - 1) - a) for k, d, a in zip(p.kernel[1:], p.dilation[1:], p.padding[1:], strict=True)]
    inside = all((m - 1) * s < n and r < n for m, s, n, r in
                 zip(p.out_size[1:], p.stride[1:], p.size[1:], reach, strict=True))  # fmt: skip
    return inside and p.stride[1] == p.stride[2] and prod(p.size) // columns_apart(p) <= crossovers.SMALL_PLANE


def depthwise_taps(p: Problem, sign: int) -> tuple[tuple[int, int], ...]:
    rows, columns = ([sign * (k * d - a) for k in range(n)] for n, d, a in
                     zip(p.kernel[1:], p.dilation[1:], p.padding[1:], strict=True))  # fmt: skip
    return tuple(product(rows, columns))


def columns_apart(p: Problem) -> int:
    """How far apart the columns of a run are: a stride, where every row of the flat plane begins alike."""
    return p.stride[2] if p.size[2] % p.stride[2] == 0 else 1


def small_forward(p: Problem, input, weight, out) -> None:
    apart = columns_apart(p)
    tables = runs_of(p.size[1:], depthwise_taps(p, 1), apart, p.lanes)
    threads.run(
        depthwise_runs, threads.threads_for(4 * p.work), input.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
        tables.shifts, tables.taps, p.size[1:], p.out_size[1:], p.size[1:], p.stride[1], apart, tables.sizes, p.lanes,
    )  # fmt: skip


def small_input(p: Problem, grad, weight, out) -> None:
    """At stride 1."""
    tables = runs_of(p.size[1:], depthwise_taps(p, -1), 1, p.lanes)
    threads.run(
        depthwise_runs, threads.threads_for(4 * p.work), grad.reshape(-1), weight.reshape(-1), out.reshape(-1), p.groups,
        tables.shifts, tables.taps, p.out_size[1:], p.size[1:], p.size[1:], 1, 1, tables.sizes, p.lanes,
    )  # fmt: skip


def small_weight(p: Problem, input, grad, out) -> None:
    apart = columns_apart(p)
    tables = runs_of(p.size[1:], depthwise_taps(p, 1), apart, p.lanes)
    out.fill(0)
    threads.run(
        depthwise_runs_weight, threads.threads_for(4 * p.work), input.reshape(-1), grad.reshape(-1), out.reshape(-1),
        p.groups, tables.shifts, tables.taps, p.size[1:], p.out_size[1:], p.stride[1], apart, tables.sizes, p.lanes,
    )  # fmt: skip
