"""How speed grows with size, and with threads: the same few operations over a range of sizes, at each number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

from . import conv, matmul
from .case import Case
from .layers import Layer
from .libraries import Library
from .networks import NETWORKS, training_step

SQUARES = (32, 64, 128, 256, 512, 1024)
POWERS = tuple(4**k for k in range(5, 12))  # elements
ROWS = (16, 64, 256, 1024, 4096)
LENGTHS = (64, 128, 256, 512, 1024)
BATCHES = (1, 4, 16, 64)
LAYER = Layer(64, (28, 28), 64, (3, 3), padding=1)


def tensors(library: Library, *shapes: tuple[int, ...]) -> list[Any]:
    return [library.tensor(value) for value in conv.draw(*shapes)]


def eager(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[[Library], Callable]:
    """A case's `make`: the function of the library's namespace and of random tensors of these shapes."""

    def make(library: Library):
        lib, inputs = library.module, tensors(library, *shapes)
        return lambda: function(lib, *inputs)

    return make


def attention_gradients(length: int) -> Callable[[Library], Callable]:
    def make(library: Library):
        lib = library.module
        q, k, v, g = tensors(library, *[(1, 8, length, 64)] * 4)
        wanted = [tensor.requires_grad_() for tensor in (q, k, v)]
        attend, grad = lib.nn.functional.scaled_dot_product_attention, lib.autograd.grad
        return lambda: grad(attend(q, k, v, is_causal=True), wanted, g)

    return make


def training(name: str, batch: int) -> Callable[[Library], Callable]:
    network = replace(NETWORKS[name], batch=(batch, *NETWORKS[name].batch[1:]))
    return lambda library: training_step(network, library.module, *map(library.tensor, network.data()))


def sized(group: str, n: int, rate: str, work: float, make: Callable, **options: Any) -> Case:
    """rate: the unit in which speed is plotted; work: how many of these (billions, thousands, ...) one call does."""
    return Case(group, f"n = {n}", make, about={"n": n, "rate": rate, "work": work}, **options)


def cases(quick: bool) -> Iterator[Case]:
    """quick: without the largest size of each."""
    keep = slice(None, -1) if quick else slice(None)
    for n in SQUARES[keep]:
        product = matmul.case(matmul.Product("", "", n, n, n), "float32")
        yield sized("matmul, n x n", n, "GFLOP/s", product.flops / 1e9, product.make, beside=("torch", "numpy", "jax"))
    for batch in BATCHES[keep]:
        flops = LAYER.flops(batch) / 1e9
        yield sized(f"convolution {LAYER.name}, batch n", batch, "GFLOP/s", flops, conv.maker(LAYER, batch, "forward"))
    for n in POWERS[keep]:
        yield sized("x * y, n elements", n, "billion elements/s", n / 1e9, eager(lambda lib, x, y: x * y, (n,), (n,)))
    for n in ROWS[keep]:
        softmax = eager(lambda lib, x: lib.nn.functional.softmax(x, -1), (n, 1000))
        yield sized("softmax of n rows of 1000", n, "billion elements/s", n * 1000 / 1e9, softmax)
    for n in LENGTHS[keep]:
        flops = 3 * 2 * 2 * prod((8, n, n, 64)) / 2  # two products forward, four backward, half of each masked
        yield sized("causal attention and gradients, length n", n, "GFLOP/s", flops / 1e9, attention_gradients(n))
    for name, batches in (("LeNet", (8, 32, 128)), ("GPT-mini", (1, 4, 8))):
        for batch in batches[keep]:
            options = dict(compared=2, tolerance=2e-5, shown=True)
            yield sized(f"{name} training, batch n", batch, "samples/s", batch, training(name, batch), **options)
