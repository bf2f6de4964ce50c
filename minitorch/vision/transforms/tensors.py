"""Operations on images as tensors of shape (..., C, H, W), floating (0 to 1) or of bytes (0 to 255).

`functional` has their documentation. The formulas are torchvision's, so that the numbers are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...dtypes import FLOATING, float32
from ...nn import functional as F
from ...ops.comparison import where
from ...ops.creation import full_like, zeros, zeros_like
from ...ops.join import stack
from .warps import affine_grid, inverse_affine, look_up, perspective_grid, turned_size

MODES = {0: "nearest", 2: "bilinear", 3: "bicubic"}


def bound(image: Tensor) -> float:
    """The value of white."""
    return 1.0 if image.dtype.is_floating_point else float(np.iinfo(image.array.dtype).max)


def _in_float(image: Tensor, run: Any) -> Tensor:
    """`run` on a floating batch (N, C, H, W), its result rounded back to the type and shape of `image`."""
    batch = image if image.dtype.is_floating_point else image.to(float32)
    out = run(batch.reshape(-1, *batch.shape[-3:]))
    out = out.reshape(*image.shape[:-3], *out.shape[-3:])
    return out if image.dtype.category == FLOATING else out.round().to(image.dtype)


def resize(image: Tensor, size: tuple[int, int], interpolation: int, antialias: bool | None) -> Tensor:
    mode = MODES[interpolation]
    smooth = mode != "nearest"

    def run(batch: Tensor) -> Tensor:
        corners = False if smooth else None
        out = F.interpolate(batch, size=size, mode=mode, align_corners=corners, antialias=bool(antialias) and smooth)
        # Cubic curves overshoot.
        return out.clamp(0, 255) if mode == "bicubic" and image.dtype.category != FLOATING else out

    return _in_float(image, run)


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    h, w = image.shape[-2:]
    right, bottom = left + width, top + height
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left < 0 or top < 0 or right > w or bottom > h:  # outside is black
        missing = (max(min(right, 0) - left, 0), max(right - max(w, left), 0),
                   max(min(bottom, 0) - top, 0), max(bottom - max(h, top), 0))  # fmt: skip
        return F.pad(inside, missing)
    return inside


def pad(image: Tensor, left: int, top: int, right: int, bottom: int, fill: Any, mode: str) -> Tensor:
    if isinstance(fill, Sequence):
        if len(fill) != 1:
            raise ValueError("pad(): a tensor image takes one number to fill with")
        fill = fill[0]
    widths = (left, right, top, bottom)
    if mode == "constant":
        return F.pad(image, widths, value=fill or 0)
    if mode == "symmetric":
        h, w = image.shape[-2:]
        rows, columns = (
            np.pad(np.arange(h), (top, bottom), "symmetric"),
            np.pad(np.arange(w), (left, right), "symmetric"),
        )
        return image[..., wrap(rows)[:, None], wrap(columns)[None]]
    names = {"edge": "replicate", "reflect": "reflect"}
    return _in_float(image, lambda batch: F.pad(batch, widths, mode=names[mode]))


def hflip(image: Tensor) -> Tensor:
    return image.flip(-1)


def vflip(image: Tensor) -> Tensor:
    return image.flip(-2)


def _warped(image: Tensor, grid: np.ndarray, interpolation: int, fill: Any) -> Tensor:
    mode = MODES[interpolation]
    if mode == "bicubic":
        raise ValueError("Interpolation mode 'bicubic' is unsupported with Tensor input")
    if isinstance(fill, Sequence) and len(fill) not in (1, image.shape[-3]):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
            f"({len(fill)} != {image.shape[-3]})"
        )
    return _in_float(image, lambda batch: look_up(batch, grid, mode, fill))


def _floating(image: Tensor) -> np.dtype:
    """The type in which the places of this image's pixels are computed."""
    return image.array.dtype if image.dtype.is_floating_point else np.dtype(np.float32)


def rotate(image: Tensor, angle: float, interpolation: int, expand: bool, center: Any, fill: Any) -> Tensor:
    height, width = image.shape[-2:]
    matrix = inverse_affine(_from_middle(center, width, height), -angle, (0, 0), 1.0, (0, 0))
    across, down = turned_size(matrix, width, height) if expand else (width, height)
    return _warped(image, affine_grid(matrix, width, height, across, down, _floating(image)), interpolation, fill)


def affine(
    image: Tensor, angle: float, translate: Any, scale: float, shear: Any, interpolation: int, fill: Any, center: Any
) -> Tensor:
    height, width = image.shape[-2:]
    matrix = inverse_affine(_from_middle(center, width, height), angle, translate, scale, shear)
    return _warped(image, affine_grid(matrix, width, height, width, height, _floating(image)), interpolation, fill)


def _from_middle(center: Any, width: int, height: int) -> tuple[float, float]:
    return (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)


def perspective(image: Tensor, coefficients: list[float], interpolation: int, fill: Any) -> Tensor:
    height, width = image.shape[-2:]
    return _warped(image, perspective_grid(coefficients, width, height, _floating(image)), interpolation, fill)


def _blend(image: Tensor, other: Tensor, factor: float) -> Tensor:
    """factor * image + (1 - factor) * other"""
    return (factor * image + (1.0 - factor) * other).clamp(0, bound(image)).to(image.dtype)


def grey(image: Tensor) -> Tensor:
    """0.2989 R + 0.587 G + 0.114 B (ITU-R 601), of shape (..., 1, H, W)"""
    red, green, blue = image.unbind(-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)


def adjust_brightness(image: Tensor, factor: float) -> Tensor:
    return _blend(image, zeros_like(image), factor)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    levels = grey(image) if image.shape[-3] == 3 else image
    if not levels.dtype.is_floating_point:
        levels = levels.to(float32)
    return _blend(image, levels.mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image: Tensor, factor: float) -> Tensor:
    return image if image.shape[-3] == 1 else _blend(image, grey(image), factor)


def adjust_hue(image: Tensor, factor: float) -> Tensor:
    if image.shape[-3] == 1:
        return image
    unit = convert_dtype(image, float32)
    hue, saturation, value = _rgb_to_hsv(unit)
    return convert_dtype(_hsv_to_rgb((hue + factor) % 1.0, saturation, value), image.dtype)


def _rgb_to_hsv(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Smith, "Color gamut transform pairs" (SIGGRAPH 1978); everything from 0 to 1."""
    red, green, blue = image.unbind(-3)
    high, low = image.amax(-3), image.amin(-3)
    flat = high == low
    spread = high - low
    saturation = spread / where(flat, 1.0, high)
    divisor = where(flat, 1.0, spread)
    r, g, b = ((high - colour) / divisor for colour in (red, green, blue))
    hue_red = (high == red) * (b - g)
    hue_green = ((high == green) & (high != red)) * (2.0 + r - b)
    hue_blue = ((high != green) & (high != red)) * (4.0 + g - r)
    return ((hue_red + hue_green + hue_blue) / 6.0 + 1.0).fmod(1.0), saturation, high


def _hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sector = (hue * 6.0).floor()
    rest = hue * 6.0 - sector
    p = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    q = (value * (1.0 - saturation * rest)).clamp(0.0, 1.0)
    t = (value * (1.0 - saturation * (1.0 - rest))).clamp(0.0, 1.0)
    index = (sector.to(float32) % 6).unsqueeze(-3)
    colours = [(value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q)]
    out = zeros(*hue.shape[:-2], 3, *hue.shape[-2:])
    for number in range(6):
        out = where(index == number, stack([colour[number] for colour in colours], -3), out)
    return out


def adjust_gamma(image: Tensor, gamma: float, gain: float) -> Tensor:
    unit = convert_dtype(image, float32) if not image.dtype.is_floating_point else image
    return convert_dtype((gain * unit**gamma).clamp(0, 1), image.dtype)


def invert(image: Tensor) -> Tensor:
    return full_like(image, bound(image)) - image


def to_grayscale(image: Tensor, num_output_channels: int) -> Tensor:
    levels = grey(image) if image.shape[-3] == 3 else image
    return levels if num_output_channels == 1 else levels.expand(image.shape)


def gaussian_blur(image: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """Convolution with exp(-x^2 / (2 sigma^2)) along both directions, at the edges over the reflected image."""
    dtype = image.array.dtype if image.dtype.is_floating_point else np.dtype(np.float32)
    across, down = (_gauss(size, width, dtype) for size, width in zip(kernel_size, sigma, strict=True))
    kernel = wrap(np.outer(down, across).astype(dtype))
    margins = [kernel_size[0] // 2, kernel_size[0] // 2, kernel_size[1] // 2, kernel_size[1] // 2]

    def run(batch: Tensor) -> Tensor:
        weight = kernel.expand(batch.shape[-3], 1, *kernel.shape)
        return F.conv2d(F.pad(batch, margins, mode="reflect"), weight, groups=batch.shape[-3])

    return _in_float(image, run)


def _gauss(size: int, sigma: float, dtype: np.dtype) -> np.ndarray:
    half = (size - 1) * 0.5
    values = np.exp(-0.5 * (np.linspace(-half, half, size, dtype=dtype) / dtype.type(sigma)) ** 2)
    return values / values.sum()


def convert_dtype(image: Tensor, dtype: Any) -> Tensor:
    if image.dtype is dtype:
        return image
    if image.dtype.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        limit = np.iinfo(dtype.numpy).max
        if (image.dtype.itemsize, dtype.itemsize) in ((4, 4), (4, 8), (8, 8)):
            raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
        return (image * (limit + 1.0 - 1e-3)).to(dtype)
    limit = np.iinfo(image.array.dtype).max
    if dtype.is_floating_point:
        return image.to(dtype) / limit
    other = np.iinfo(dtype.numpy).max
    if limit > other:
        return (image // ((limit + 1) // (other + 1))).to(dtype)
    return image.to(dtype) * ((other + 1) // (limit + 1))
