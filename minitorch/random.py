"""Control of the random streams: seeds, and states to save and restore (torch's module `random`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .core.tensor import Tensor, wrap
from .devices import CPU
from .generator import Generator, default_generator

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


def manual_seed(seed) -> Generator:
    """Start the default generator's stream of `seed`, -2**63 <= int(seed) < 2**64; returns the generator."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Start the default generator from a seed that the operating system draws, and return that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator: uint8 (5056,), byte for byte what torch would return."""
    return _get_state(default_generator)


def set_rng_state(new_state: Tensor) -> None:
    """Continue from a state that `get_rng_state` returned, here or in torch.

    TypeError for anything but a tensor of uint8, RuntimeError for a state that no generator can be in.
    """
    _set_state(default_generator, new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Whatever is drawn inside leaves the default generator as it was. `devices` means nothing on a CPU."""
    before = default_generator.state if enabled else None
    try:
        yield
    finally:
        if before is not None:
            default_generator.state = before


# The methods of Generator that speak of tensors and devices, which generator.py, on the ground floor, does not know.


def _get_state(self: Generator) -> Tensor:
    """The whole state: uint8 (5056,), in torch's layout."""
    return wrap(self.state)


def _set_state(self: Generator, new_state: Tensor) -> Generator:
    """Continue from a state that `get_state` returned. Returns the generator."""
    if not isinstance(new_state, Tensor) or new_state.array.dtype != np.uint8:
        raise TypeError("the state of a generator must be a tensor of uint8")
    self.state = new_state.array
    return self


for name, member in {
    "get_state": _get_state,
    "graphsafe_get_state": _get_state,
    "set_state": _set_state,
    "graphsafe_set_state": _set_state,
    "device": property(lambda self: CPU),
}.items():
    setattr(Generator, name, member)
del name, member
