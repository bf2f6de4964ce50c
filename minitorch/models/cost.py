"""What a prediction costs: parameters, floating-point operations, bytes, and seconds against the batch size (推理时间)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import Tensor, nn, no_grad
from .gpt import CausalSelfAttention
from .transformer import MultiheadAttention

Shape = tuple[int, ...]


def _convolution(layer: Any, inputs: list[Shape], output: Shape) -> int:
    """Each of the output's numbers is a sum over a kernel and the input channels of its group."""
    return 2 * math.prod(output) * math.prod(layer.kernel_size) * layer.in_channels // layer.groups


def _transposed(layer: Any, inputs: list[Shape], output: Shape) -> int:
    """Each of the input's numbers is spread over a kernel and the output channels of its group."""
    return 2 * math.prod(inputs[0]) * math.prod(layer.kernel_size) * layer.out_channels // layer.groups


def _linear(layer: Any, inputs: list[Shape], output: Shape) -> int:
    return 2 * math.prod(output) * layer.in_features


def _attention(layer: Any, inputs: list[Shape], output: Shape) -> int:
    """Q K^T and its product with V, N L S d multiplications each, and the projection of three inputs."""
    (n, length, d), others = inputs[0], inputs[1:3]
    sources = others[0][1] if others else length
    products = 2 * 2 * n * length * sources * d
    # GPT's projection is a linear layer inside, which counts itself.
    return products + (2 * n * d * d * sum(shape[1] for shape in inputs[:3]) if others else 0)


# One multiplication and one addition are two operations. Biases, activations, norms and pooling, a few operations for
# each number, are left out, as is the custom.
FLOPS: dict[type[nn.Module], Callable[[Any, list[Shape], Shape], int]] = {
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.Linear: _linear,
    MultiheadAttention: _attention,
    CausalSelfAttention: _attention,
}


@dataclass(frozen=True)
class LayerCost:
    """What one module does itself, its submodules apart; `flops` of all its calls in one pass."""

    name: str
    kind: str
    parameters: int
    flops: int
    output: Shape


@no_grad()
def layer_costs(model: nn.Module, *inputs: Tensor) -> list[LayerCost]:
    """A row for each module that has parameters of its own or is in `FLOPS`, in the order of the calls of one pass on
    `inputs`, which leaves the model as it was."""
    rows: dict[str, LayerCost] = {}

    def counting(name: str) -> Callable[[nn.Module, tuple, Any], None]:
        def count(layer: nn.Module, given: tuple, output: Any) -> None:
            if type(layer) not in FLOPS and not own_parameters(layer):
                return
            shapes = [tuple(x.shape) for x in given if isinstance(x, Tensor)]
            shape = tuple(output.shape) if isinstance(output, Tensor) else ()
            flops = FLOPS[type(layer)](layer, shapes, shape) if type(layer) in FLOPS else 0
            before = rows[name].flops if name in rows else 0
            rows[name] = LayerCost(name, type(layer).__name__, own_parameters(layer), before + flops, shape)

        return count

    training = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_hook(counting(name)) for name, module in model.named_modules()]
    try:
        model.eval()
        model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return list(rows.values())


def own_parameters(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters(recurse=False))


def flops(model: nn.Module, *inputs: Tensor) -> int:
    """Multiplications and additions of one pass on `inputs`."""
    return sum(row.flops for row in layer_costs(model, *inputs))


def state_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers, which is the size of the checkpoint but for the names."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


@dataclass(frozen=True)
class Latency:
    """Seconds for a batch: the median, and the quartiles around it."""

    batch: int
    seconds: float
    quartiles: tuple[float, float]

    @property
    def per_second(self) -> float:
        return self.batch / self.seconds


@no_grad()
def latency(model: nn.Module, example: Tensor, batches: Sequence[int], repeats: int = 20) -> list[Latency]:
    """The time of a pass for each batch size; example: one input (1, ...), repeated. Two passes first do not count.

    Large batches keep the processor's units busy: seconds per input fall until they are, and then stay.
    """
    measured = []
    for batch in batches:
        inputs = example.expand(batch, *example.shape[1:]).contiguous()
        seconds = []
        for i in range(repeats + 2):
            start = time.perf_counter()
            model(inputs)
            if i >= 2:
                seconds.append(time.perf_counter() - start)
        low, middle, high = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
        measured.append(Latency(batch, middle, (low, high)))
    return measured
