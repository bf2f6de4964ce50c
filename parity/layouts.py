"""Awkward memory: the same values with other strides, made on torch's side and carried over."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import torch

from .sample import Sample


def permuted(tensor: torch.Tensor) -> torch.Tensor:
    """The first dimension varies fastest in memory."""
    return tensor.movedim(0, -1).contiguous().movedim(-1, 0) if tensor.ndim > 1 else tensor


def sliced(tensor: torch.Tensor) -> torch.Tensor:
    """Every second element of a larger block, which holds 7 in its gaps."""
    if tensor.ndim == 0:
        return torch.full((3,), 7, dtype=tensor.dtype, device=tensor.device).copy_(tensor)[1]
    block = torch.full([2 * n + 1 for n in tensor.shape], 7, device=tensor.device).to(tensor.dtype)
    view = block[tuple(slice(1, None, 2) for _ in tensor.shape)]
    return view.copy_(tensor)


def broadcast(tensor: torch.Tensor) -> torch.Tensor:
    """The first entry along the first dimension stands for all: a stride of zero (other values, on both sides)."""
    if tensor.ndim == 0 or tensor.shape[0] < 2 or not tensor.is_floating_point():
        return tensor
    return tensor[:1].clone().expand_as(tensor)


MAKERS: dict[str, Callable | None] = {
    "permuted": permuted,
    "sliced": sliced,
    "broadcast": broadcast,
    "negative": None,  # only NumPy has negative strides: made where the tensor is carried over
}


# Calls that say something else in other memory: their numbers are drawn in its order, or they name places in it.
BOUND_TO_MEMORY = (
    "as_strided* *_like *dropout* normal* uniform exponential bernoulli multinomial nn.functional.gumbel_softmax "
    "nn.functional.rrelu nn.functional.scaled_dot_product_attention"
).split()
# Functions of matrices: with equal rows a matrix has no inverse, and its singular vectors are any of many.
OF_MATRICES = "linalg.* norm.nuc logdet cholesky* pinverse svd qr triangular_solve matrix_exp".split()


def suits(name: str, layout: str) -> bool:
    """Whether an operation's samples can be compared in a layout; torch has no memory that runs backwards."""
    unfit = {"negative": BOUND_TO_MEMORY, "broadcast": OF_MATRICES}.get(layout, [])
    return not any(fnmatchcase(name, pattern) for pattern in unfit)


def relaid(sample: Sample, layout: str) -> Sample:
    """The sample with every tensor in another layout."""
    change = MAKERS[layout]

    def walk(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return change(value.detach()).detach().requires_grad_(value.requires_grad)
        if isinstance(value, torch.Size):
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(map(walk, value))
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return value

    args, kwargs = (sample.args, sample.kwargs) if change is None else (walk(sample.args), walk(sample.kwargs))
    return Sample(
        sample.info, args, kwargs, sample.process, sample.broadcasts_input, sample.seed, negative_strides=change is None
    )
