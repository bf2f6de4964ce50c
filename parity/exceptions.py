"""The known differences from torch, each with its reason: the only place where one may stand.

An entry that matches a failing check takes it out of the failures; the report counts and prints it. An entry that
matches nothing in a full run is printed too: it has become untrue and should go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache


@dataclass(frozen=True)
class Known:
    """``ops`` and ``checks`` are space-separated patterns; ``dtypes`` likewise; ``when`` must hold on this machine."""

    ops: str
    reason: str
    checks: str = "*"
    dtypes: str = "*"
    kinds: str = "*"  # of the difference: value, dtype, shape, structure, behaviour, crash
    when: Callable[[], bool] | None = None

    def covers(self, op: str, check: str, dtype: str, kind: str) -> bool:
        parts = ((self.ops, op), (self.checks, check), (self.dtypes, dtype), (self.kinds, kind))
        return all(any(fnmatchcase(value, p) for p in patterns.split()) for patterns, value in parts) and (
            self.when is None or self.when()
        )


@cache
def torch_samples_with_mkl() -> bool:
    """On Intel CPUs torch draws scalar ``bernoulli_`` and ``exponential_`` from MKL's own generator."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = torch.empty(64).bernoulli_(0.5)
        torch.manual_seed(0)
        expected = (torch.rand(64, dtype=torch.float64) < 0.5).float()
    return not torch.equal(drawn, expected)


KNOWN: tuple[Known, ...] = (
    Known(
        "*",
        "complex and sparse tensors are left out, and NumPy arrays have at most 64 dimensions",
        kinds="unsupported",
    ),
    Known(
        "empty empty_like new_empty",
        "the memory is not initialised: only dtype and shape are defined",
        kinds="value",
    ),
    Known(
        "*dropout* bernoulli exponential nn.functional.scaled_dot_product_attention",
        "torch draws these from MKL's generator on an Intel CPU, so its own numbers differ from machine to machine",
        kinds="value",
        when=torch_samples_with_mkl,
    ),
)


def known(op: str, check: str, dtype: str, kind: str) -> Known | None:
    """The entry that covers this difference, if any."""
    return next((entry for entry in KNOWN if entry.covers(op, check, dtype, kind)), None)
