"""Quantisation after training (量化): weights and activations as whole numbers of 8 bits.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (CVPR
2018), section 2. A number x stands for the integer q:

    x = scale * (q - zero),    q = clamp(round(x / scale) + zero, -128, 127)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import Tensor, int8, int32, nn, no_grad
from ..nn import functional as F

LOWEST, HIGHEST = -128, 127


@dataclass(frozen=True)
class Range:
    """An affine code for activations, which lie anywhere in [low, high]: scale, and the integer `zero` that stands for 0."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> Range:
        """scale = (high - low) / 255, zero = round(-128 - low / scale). The interval is widened to hold 0, which padding
        and ReLU produce and which must be exact."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / (HIGHEST - LOWEST) or 1.0
        return cls(scale, round(LOWEST - low / scale))

    def quantise(self, x: Tensor) -> Tensor:
        """int8, the shape of x."""
        return ((x / self.scale).round() + self.zero).clamp(LOWEST, HIGHEST).to(int8)

    def restore(self, q: Tensor, like: Tensor) -> Tensor:
        return (q.to(like.dtype) - self.zero) * self.scale


def quantise_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 weights and the scale of each output channel (out,): symmetric, zero = 0, q in [-127, 127].

    scale_k = max |w_k| / 127. One for each channel costs nothing, as the sum of a channel is scaled as a whole.
    """
    largest = weight.flatten(1).abs().max(1).values
    scale = (largest / HIGHEST).where(largest > 0, largest + 1)
    q = (weight / scale.reshape(-1, *[1] * (weight.dim() - 1))).round()
    return q.clamp(-HIGHEST, HIGHEST).to(int8), scale


class Quantised(nn.Module):
    """A linear layer or convolution on whole numbers (abstract).

        y = sum_i w_i x_i + b = s_w s_x (sum_i q_wi q_xi - z_x sum_i q_wi) + b

    The products of 8 bits are added in 32, and sum q_w is known beforehand. `integer=False` simulates: the same rounded
    numbers as floats through the usual layer, so that the effect on accuracy can be measured with fast kernels.
    """

    weight: Tensor
    scale: Tensor
    weight_sum: Tensor

    def __init__(self, layer: Any, inputs: Range, integer: bool):
        super().__init__()
        self.inputs, self.integer = inputs, integer
        weight, scale = quantise_weight(layer.weight.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("weight_sum", weight.to(int32).flatten(1).sum(1).to(int32))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        q = self.inputs.quantise(x)
        if not self.integer:
            channels = self.scale.reshape(-1, *[1] * (self.weight.dim() - 1))
            return self.layer(self.inputs.restore(q, x), self.weight.to(x.dtype) * channels)
        total = self.products(q) - self.inputs.zero * self.weight_sum
        y = total.to(x.dtype) * (self.scale * self.inputs.scale)
        y = y if self.bias is None else y + self.bias
        return self.arrange(y, x)

    def layer(self, x: Tensor, weight: Tensor) -> Tensor:
        """The usual layer on floats."""
        raise NotImplementedError

    def products(self, q: Tensor) -> Tensor:
        """sum_i q_wi q_xi, int32, the output channels last."""
        raise NotImplementedError

    def arrange(self, y: Tensor, x: Tensor) -> Tensor:
        """The output channels where the layer has them."""
        return y


class QuantisedLinear(Quantised):
    """(..., in_features) -> (..., out_features)."""

    def layer(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x, weight, self.bias)

    def products(self, q: Tensor) -> Tensor:
        return q.to(int32) @ self.weight.to(int32).t()


class QuantisedConv2d(Quantised):
    """(N, C, H, W) -> (N, out_channels, H', W'). ValueError for groups, dilation or other padding than zeros."""

    def __init__(self, layer: nn.Conv2d, inputs: Range, integer: bool):
        plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        if not plain or isinstance(layer.padding, str):
            raise ValueError(f"QuantisedConv2d: only plain convolutions, not {layer}")
        super().__init__(layer, inputs, integer)
        self.stride, self.padding, self.kernel_size = layer.stride, layer.padding, layer.kernel_size

    def layer(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)

    def products(self, q: Tensor) -> Tensor:
        """Each window as a row, and one product of matrices: (N, H', W', C k_h k_w) @ (C k_h k_w, out_channels)."""
        down, right = self.padding
        q = F.pad(q.to(int32), (right, right, down, down), value=self.inputs.zero)  # the code of 0
        windows = q.unfold(2, self.kernel_size[0], self.stride[0]).unfold(3, self.kernel_size[1], self.stride[1])
        return windows.permute(0, 2, 3, 1, 4, 5).flatten(3) @ self.weight.to(int32).flatten(1).t()

    def arrange(self, y: Tensor, x: Tensor) -> Tensor:
        return y.permute(0, 3, 1, 2)


QUANTISED: dict[type[nn.Module], type[Quantised]] = {nn.Linear: QuantisedLinear, nn.Conv2d: QuantisedConv2d}


@no_grad()
def input_ranges(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, Range]:
    """The range of what comes into each linear layer and convolution, over all `batches` (calibration)."""
    seen: dict[str, tuple[float, float]] = {}

    def watching(name: str):
        def watch(layer: nn.Module, given: tuple) -> None:
            low, high = seen.get(name, (0.0, 0.0))
            seen[name] = min(low, float(given[0].min())), max(high, float(given[0].max()))

        return watch

    layers = [(name, layer) for name, layer in model.named_modules() if type(layer) in QUANTISED]
    hooks = [layer.register_forward_pre_hook(watching(name)) for name, layer in layers]
    try:
        for batch in batches:
            model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: Range.of(*ends) for name, ends in seen.items()}


def quantise(model: nn.Module, batches: Iterable[Tensor], integer: bool = False) -> nn.Module:
    """A copy of the trained model, in eval mode, in which every linear layer and convolution that `batches` reach works
    on 8 bits; all else stays as it is. Fuse batch norms first (`nn.utils.fuse_conv_bn_eval`) to have them in the weights.
    """
    target = copy.deepcopy(model).eval()
    for name, inputs in input_ranges(target, batches).items():
        parent, _, attribute = name.rpartition(".")
        layer = target.get_submodule(name)
        setattr(target.get_submodule(parent), attribute, QUANTISED[type(layer)](layer, inputs, integer))
    return target
