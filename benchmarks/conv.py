"""Convolutions: the layers of LeNet, CIFAR-quick, ResNet-18 and -50, MobileNet and VGG-16, and some of other kinds.

Each in three passes, as training needs them: the output, the gradient of the input, the gradient of the weight. The gradients
are taken with `autograd.grad` from one recorded output, so they include what the library's walk backward costs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import Case
from .layers import NETWORKS, OTHERS, TRANSPOSED, Layer, distinct
from .libraries import Library

PASSES = ("forward", "input gradient", "weight gradient")
BATCHES = (1, 8, 32)
LIMIT = 8.5e9  # operations of one call: ResNet's layers fit with batch 32, VGG's first ones with batch 1 only
QUICK_LIMIT = 1.2e8


def draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape).astype(np.float32) for shape in shapes]


def maker(layer: Layer, batch: int, which: str, transposed: bool = False):
    """The pass `which` of the layer; `transposed`: of the transposed convolution from its output's shape to its input's."""

    def make(library: Library):
        lib = library.module
        given = ((batch, layer.channels, *layer.size), layer.weight, (batch, layer.out, *layer.out_size))
        x, weight, g = map(library.tensor, draw(*(reversed(given) if transposed else given)))
        name = f"conv{'_transpose' * transposed}{len(layer.size)}d"
        function = getattr(lib.nn.functional, name)

        def forward():
            return function(x, weight, stride=layer.stride, padding=layer.padding, groups=layer.groups)

        if which == "forward":
            return forward
        wanted = (x if which == "input gradient" else weight).requires_grad_()
        y, grad = forward(), lib.autograd.grad
        return lambda: grad(y, wanted, g, retain_graph=True)[0]

    return make


def layer_cases(group: str, layer: Layer, first: bool, limit: float, transposed: bool = False) -> Iterator[Case]:
    """All batches and passes; `first`: the network's input needs no gradient."""
    for batch in BATCHES:
        if layer.flops(batch) <= limit:
            for which in PASSES:
                if not (first and which == "input gradient"):
                    yield Case(
                        group,
                        layer.name + (" transposed" if transposed else ""),
                        maker(layer, batch, which, transposed),
                        flops=layer.flops(batch),
                        bytes=4 * layer.numbers(batch),
                        about={"batch": batch, "pass": which, "layer": True},
                    )


def cases(quick: bool) -> Iterator[Case]:
    """The measured set; quick: what takes little time, of the first three networks."""
    limit = QUICK_LIMIT if quick else LIMIT
    networks = distinct(["LeNet", "CIFAR-quick", "ResNet-18"] if quick else NETWORKS)
    for network, layers in networks.items():
        inputs = NETWORKS[network]().layers[0]
        for layer in layers:
            yield from layer_cases(network, layer, layer == inputs, limit)
    for group, layers in OTHERS.items():
        for layer in layers:
            yield from layer_cases(group, layer, False, limit)
    for layer in TRANSPOSED:
        yield from layer_cases("transposed", layer, False, limit, transposed=True)
