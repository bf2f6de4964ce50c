"""torchvision.utils: several images as one, and into a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ..core.tensor import Tensor
from ..dtypes import uint8
from ..ops.creation import full
from ..ops.join import cat, stack
from .transforms.functional import to_pil_image


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images (N, C, H, W), `nrow` side by side, as one (C, H', W'); grey ones become three channels.

    normalize: shift and scale the values to 0 .. 1, from `value_range` or from the smallest and the largest (of each
    image by itself if `scale_each`). TypeError for anything but tensors.
    """
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, (list, tuple)) or not all(isinstance(image, Tensor) for image in tensor):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        images = stack(list(tensor), 0).detach()
    else:
        images = tensor.detach()
    if images.ndim == 2:
        images = images.unsqueeze(0)
    if images.ndim == 3:
        images = (cat([images] * 3, 0) if images.size(0) == 1 else images).unsqueeze(0)
    elif images.size(1) == 1:
        images = cat([images] * 3, 1)
    if normalize:
        images = (
            stack([_scaled(image, value_range) for image in images]) if scale_each else _scaled(images, value_range)
        )
    if images.size(0) == 1:
        return images.squeeze(0)

    count, channels = images.size(0), images.size(1)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = images.size(2) + padding, images.size(3) + padding
    grid = full((channels, height * rows + padding, width * columns + padding), pad_value, dtype=images.dtype)
    for number in range(count):
        top, left = (number // columns) * height + padding, (number % columns) * width + padding
        grid[:, top : top + images.size(2), left : left + images.size(3)] = images[number]
    return grid


def _scaled(image: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range or (float(image.min()), float(image.max()))
    return (image.clamp(low, high) - low) / max(high - low, 1e-5)


def save_image(
    tensor: Tensor | Sequence[Tensor], fp: str | Path | IO[bytes], format: str | None = None, **kwargs: Any
) -> None:
    """Write a grid of images (see `make_grid`, which takes the rest of the arguments), from 0 to 1, to a file."""
    grid = make_grid(tensor, **kwargs)
    to_pil_image((grid * 255 + 0.5).clamp(0, 255).to(uint8)).save(fp, format=format)
