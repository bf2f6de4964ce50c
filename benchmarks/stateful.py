"""Operations that change a state: optimizer steps over all parameters of a network, and draws from the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .case import Case
from .libraries import Library
from .networks import NETWORKS

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD": ("SGD", dict(lr=1e-3)),
    "SGD momentum": ("SGD", dict(lr=1e-3, momentum=0.9, weight_decay=1e-4)),
    "Adam": ("Adam", dict(lr=1e-3)),
    "AdamW": ("AdamW", dict(lr=1e-3)),
    "SGD momentum, fused": ("SGD", dict(lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True)),
    "AdamW, fused": ("AdamW", dict(lr=1e-3, fused=True)),
    "RMSprop": ("RMSprop", dict(lr=1e-3)),
    "Adagrad": ("Adagrad", dict(lr=1e-3)),
}


def optimizer_step(network: str, name: str, options: dict[str, Any]) -> Callable[[Library], Callable]:
    def make(library: Library):
        lib = library.module
        lib.manual_seed(0)
        parameters = list(NETWORKS[network].build(lib).parameters())
        draw = np.random.default_rng(0)
        for parameter in parameters:
            parameter.grad = library.tensor(draw.standard_normal(tuple(parameter.shape)).astype(np.float32))
        optimizer = getattr(lib.optim, name)(parameters, **options)

        def step():
            optimizer.step()
            return parameters

        return step

    return make


N = 1 << 20
DRAWS: dict[str, Callable[[Any], Any]] = {
    "rand 2^20": lambda lib: lib.rand(N),
    "randn 2^20": lambda lib: lib.randn(N),
    "randint below 1000, 2^20": lambda lib: lib.randint(1000, (N,)),
    "randperm 60000": lambda lib: lib.randperm(60_000),
    "bernoulli 2^20": lambda lib: lib.empty(N).bernoulli_(0.1),
    "exponential 2^20": lambda lib: lib.empty(N).exponential_(),
    "randn 10": lambda lib: lib.randn(10),
}


def draws(draw: Callable[[Any], Any]) -> Callable[[Library], Callable]:
    def make(library: Library):
        library.module.manual_seed(0)
        return lambda: draw(library.module)

    return make


def cases(quick: bool) -> Iterator[Case]:
    """Draws are compared too: both libraries have one stream of random numbers."""
    for network in ("LeNet",) if quick else ("LeNet", "GPT-mini"):
        for label, (name, options) in OPTIMIZERS.items():
            yield Case(
                "optimizers", f"{label}, {network}", optimizer_step(network, name, options), about={"pass": "step"}
            )
    for label, draw in list(DRAWS.items())[: 2 if quick else None]:
        yield Case("random numbers", label, draws(draw), about={"pass": "draw"})
