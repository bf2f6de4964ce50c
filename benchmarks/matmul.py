"""Matrix products: squares, the layers of the networks that are measured elsewhere, thin shapes, transposed operands.

C (m, n) = A (m, k) @ B (k, n)      2 m n k operations on m k + k n + m n numbers
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .case import Case
from .libraries import Library

SQUARES = (32, 64, 100, 128, 192, 256, 384, 512, 768, 1000, 1024, 2048)
TINYGRAD_LIMIT = 2e8  # multiply-adds beyond which tinygrad's plain loops would take the whole run


@dataclass(frozen=True)
class Product:
    """A (..., m, k) @ B (..., k, n). `transposed` operands are stored the other way round and passed as a view."""

    group: str
    name: str
    m: int
    k: int
    n: int
    batch: tuple[int, ...] = ()
    transposed: str = ""  # any of "a", "b", "ab"
    vector: bool = False  # B is (k,)

    @property
    def flops(self) -> float:
        return 2.0 * prod(self.batch) * self.m * self.k * self.n

    @property
    def numbers(self) -> float:
        """How many numbers are read or written at least."""
        return float(prod(self.batch)) * (self.m * self.k + self.k * self.n + self.m * self.n)


def linear(group: str, name: str, batch: int, wide_in: int, wide_out: int) -> list[Product]:
    """The three products of a linear layer y = x W^T with W (out, in), as torch stores it: output and two gradients."""
    shape = f"{name} {wide_in}-{wide_out}, {batch} rows"
    return [
        Product(group, f"{shape}: x W^T", batch, wide_in, wide_out, transposed="b"),
        Product(group, f"{shape}: g W", batch, wide_out, wide_in),
        Product(group, f"{shape}: g^T x", wide_out, batch, wide_in, transposed="a"),
    ]


def network(group: str, batch: int, layers: dict[str, tuple[int, int]]) -> list[Product]:
    """The products of the network's linear layers; the first layer's input needs no gradient."""
    products = [product for name, widths in layers.items() for product in linear(group, name, batch, *widths)]
    return [product for product in products if product is not products[1]]


def products() -> list[Product]:
    """The measured set."""
    n = 1024
    return [
        *(Product("square", f"{n} x {n}", n, n, n) for n in SQUARES),
        *network("MLP 784-256-10", 64, {"layer 1": (784, 256), "layer 2": (256, 10)}),
        *network("LeNet", 64, {"fc1": (256, 120), "fc2": (120, 84), "fc3": (84, 10)}),
        *network("GPT-mini", 1024, {"qkv": (128, 384), "project": (128, 128), "up": (128, 512), "down": (512, 128)}),
        Product("attention", "64 heads: Q K^T", 128, 64, 128, (64,), "b"),
        Product("attention", "64 heads: P V", 128, 128, 64, (64,)),
        Product("attention", "64 heads: P^T G", 128, 128, 64, (64,), "a"),
        Product("thin", f"matrix-vector {n} x {n}", n, n, 1, vector=True),
        Product("thin", f"matrix-vector 4096 x {n}", 4096, n, 1, vector=True),
        Product("thin", f"1 x {n} @ {n} x {n}", 1, n, n),
        Product("thin", f"1 x {n} @ ({n} x {n})^T", 1, n, n, transposed="b"),
        Product("thin", "100000 x 16 @ 16 x 16", 100_000, 16, 16),
        Product("thin", "16 x 100000 @ 100000 x 16", 16, 100_000, 16),
        Product("thin", f"{n} x 1 @ 1 x {n}", n, 1, n),
        Product("thin", "8 x 512 @ 512 x 512", 8, 512, 512),
        *(
            Product("transposed", f"{size}: {what}", size, size, size, transposed=which)
            for size in (128, 512)
            for what, which in (("A^T B", "a"), ("A B^T", "b"), ("A^T B^T", "ab"))
        ),
    ]


def operand(draw: np.random.Generator, shape: tuple[int, ...], dtype: str, transposed: bool) -> np.ndarray:
    stored = (*shape[:-2], shape[-1], shape[-2]) if transposed else shape
    return draw.standard_normal(stored).astype(dtype)


def maker(product: Product, dtype: str):
    def turn(value: Any, which: str) -> Any:
        return value.swapaxes(-1, -2) if which in product.transposed else value

    def multiply(a: Any, b: Any) -> Any:
        return turn(a, "a") @ turn(b, "b")

    def make(library: Library):
        draw = np.random.default_rng(0)
        shapes = (*product.batch, product.m, product.k), (*product.batch, product.k, product.n)
        a, b = (
            library.tensor(operand(draw, shape, dtype, which in product.transposed))
            for shape, which in zip(shapes, "ab", strict=True)
        )
        if product.vector:
            b = b[:, 0]
        if library.jit is not None:  # with the transposition inside, as a program would have it
            run = library.jit(multiply)
            return lambda: run(a, b)
        a, b = turn(a, "a"), turn(b, "b")
        return lambda: a @ b

    return make


def case(product: Product, dtype: str) -> Case:
    beside = ("torch", "numpy", "jax")
    if product.flops < 2 * TINYGRAD_LIMIT and not product.transposed and not product.vector:
        beside += ("tinygrad",)
    return Case(
        product.group,
        product.name,
        maker(product, dtype),
        beside,
        flops=product.flops,
        bytes=product.numbers * np.dtype(dtype).itemsize,
        about={"dtype": dtype},
        tolerance=3e-4 if dtype == "float32" else 1e-11,
    )


def cases(quick: bool) -> Iterator[Case]:
    """The whole set in both precisions; quick: the small ones, and float32 only."""
    for dtype in ("float32",) if quick else ("float32", "float64"):
        for product in products():
            if not quick or product.flops < 3e8:
                yield case(product, dtype)
