"""Fine-tuning (微调): a network trained on much data goes on with little data and another set of classes.

Yosinski et al., "How transferable are features in deep neural networks?" (NeurIPS 2014). The body is copied, the head
is new; what was learnt before moves in small steps, what starts from chance in large ones.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from .. import nn

Model = TypeVar("Model", bound=nn.Module)


def with_new_head(source: Model, num_classes: int) -> Model:
    """A copy of `source` whose last linear layer is a fresh one for `num_classes`; everything else keeps its weights.

    Works for any classifier that ends in a linear layer: the last one that `named_modules` lists. ValueError for none.
    """
    target = copy.deepcopy(source)
    name, old = head(target)
    parent, _, attribute = name.rpartition(".")
    new = nn.Linear(old.in_features, num_classes, bias=old.bias is not None, dtype=old.weight.dtype)
    setattr(target.get_submodule(parent), attribute, new)
    return target


def head(model: nn.Module) -> tuple[str, nn.Linear]:
    """The name of the last linear layer, and the layer."""
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    if not layers or not layers[-1][0]:
        raise ValueError(f"fine-tuning: {type(model).__name__} has no linear layer inside to replace")
    return layers[-1]


def parameter_groups(model: nn.Module, body_lr: float, head_lr: float) -> list[dict[str, Any]]:
    """For an optimizer: the body with the small learning rate, then the head with the large one.

    `SGD(parameter_groups(model, 1e-4, 1e-2), momentum=0.9)`: theta <- theta - lr(group) * gradient.
    """
    own = {id(parameter) for parameter in head(model)[1].parameters()}
    body = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [{"params": body, "lr": body_lr}, {"params": list(head(model)[1].parameters()), "lr": head_lr}]


def freeze_body(model: nn.Module) -> None:
    """Transfer without fine-tuning: only the head goes on learning. Batch norm in train mode still moves its statistics."""
    model.requires_grad_(False)
    head(model)[1].requires_grad_(True)
