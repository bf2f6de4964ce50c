"""Pruning (模型剪枝): leave out the weights that matter least, by their magnitude.

Han, Pool, Tran, Dally, "Learning both weights and connections for efficient neural networks" (NeurIPS 2015), for single
weights; Li et al., "Pruning filters for efficient ConvNets" (ICLR 2017), for whole units.

Zeros among the weights make a model smaller to store, but a dense product multiplies them all the same: only removed
units make it faster.
"""

from __future__ import annotations

from .. import Tensor, cat, nn, no_grad

Layer = nn.Linear | nn.Conv2d
Masks = dict[str, Tensor]


def prunable(model: nn.Module) -> dict[str, Layer]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, Layer)}


@no_grad()
def magnitude_masks(model: nn.Module, share: float) -> Masks:
    """For the weight of each linear layer and convolution, True where it stays: all but the `share` with the smallest |w|,
    of all layers together. ValueError unless 0 <= share < 1."""
    if not 0 <= share < 1:
        raise ValueError(f"magnitude_masks: share must be in [0, 1), not {share}")
    weights = {name: layer.weight.abs() for name, layer in prunable(model).items()}
    everything = cat([w.flatten() for w in weights.values()])
    pruned = int(share * len(everything))
    if pruned == 0:
        return {name: w >= 0 for name, w in weights.items()}
    threshold = everything.kthvalue(pruned).values
    return {name: w > threshold for name, w in weights.items()}


@no_grad()
def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Zero where a mask is False. After each optimizer step of further training, so that what is pruned stays so."""
    layers = prunable(model)
    for name, mask in masks.items():
        layers[name].weight.mul_(mask)


def sparsity(model: nn.Module) -> float:
    """The share of zeros in the weights of linear layers and convolutions."""
    weights = [layer.weight for layer in prunable(model).values()]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


@no_grad()
def strongest_units(layer: Layer, count: int) -> Tensor:
    """The `count` units (rows of a linear layer, filters of a convolution) with the largest |w|, ascending: int64 (count,)."""
    return layer.weight.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:count].sort().values


@no_grad()
def remove_units(layer: Layer, following: Layer, keep: Tensor, norm: nn.BatchNorm2d | None = None) -> None:
    """Only the units `keep` of `layer` stay, and with them the inputs of `following`, which takes nothing else.

    Between them may stand what treats every channel for itself: activation, pooling, the batch norm `norm`. If a
    flattening stands there, each channel is a block of the linear layer's inputs. RuntimeError if they do not fit.
    """
    units, inputs = layer.weight.shape[0], following.weight.shape[1]
    if inputs % units:
        raise RuntimeError(f"remove_units: {units} units do not lead to {inputs} inputs")
    layer.weight = nn.Parameter(layer.weight[keep])
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias[keep])
    if norm is not None:
        norm.weight, norm.bias = nn.Parameter(norm.weight[keep]), nn.Parameter(norm.bias[keep])
        norm.running_mean, norm.running_var = norm.running_mean[keep], norm.running_var[keep]
        norm.num_features = len(keep)
    blocks = following.weight.unflatten(1, (units, inputs // units))
    following.weight = nn.Parameter(blocks[:, keep].flatten(1, 2))
    for part, attributes, size in (
        (layer, ("out_features", "out_channels"), len(keep)),
        (following, ("in_features", "in_channels"), len(keep) * (inputs // units)),
    ):
        setattr(part, attributes[isinstance(part, nn.Conv2d)], size)
