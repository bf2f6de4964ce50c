"""Fully connected networks: the multilayer perceptron, and softmax regression as its case without hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..core.tensor import Tensor


class MLP(nn.Module):
    """(N, ...) flattened to (N, in_features), then linear layers with ReLU in between -> logits (N, num_classes)."""

    def __init__(self, in_features: int, hidden: Sequence[int] = (256, 128), num_classes: int = 10):
        super().__init__()
        widths = [in_features, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for wide_in, wide_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(wide_in, wide_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
