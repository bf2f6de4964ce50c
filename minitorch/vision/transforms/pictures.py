"""Operations on Pillow images, by Pillow. `functional` has their documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .warps import inverse_affine


def is_picture(image: Any) -> bool:
    """Whether this is a Pillow image (whose package has been imported then)."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(image).__mro__)


def channels(picture: Any) -> int:
    return len(picture.getbands())


def _fill(picture: Any, fill: Any) -> Any:
    """`fill` for every channel: a number, or a tuple of one."""
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)) and channels(picture) > 1:
        fill = (fill,) * channels(picture)
    if isinstance(fill, Sequence):
        if len(fill) not in (1, channels(picture)):
            raise ValueError(
                "The number of elements in 'fill' does not match the number of channels of the image "
                f"({len(fill)} != {channels(picture)})"
            )
        fill = fill[0] if channels(picture) == 1 else tuple(fill) * (channels(picture) // len(fill))
    if picture.mode == "F":
        return fill
    return tuple(int(value) for value in fill) if isinstance(fill, Sequence) else int(fill)


def resize(picture: Any, size: tuple[int, int], interpolation: int, antialias: bool | None) -> Any:
    return picture.resize(size[::-1], interpolation)


def crop(picture: Any, top: int, left: int, height: int, width: int) -> Any:
    return picture.crop((left, top, left + width, top + height))


def pad(picture: Any, left: int, top: int, right: int, bottom: int, fill: Any, mode: str) -> Any:
    from PIL import Image, ImageOps

    if mode == "constant":
        return ImageOps.expand(picture, (left, top, right, bottom), fill=_fill(picture, fill))
    array = np.asarray(picture)
    widths = [(top, bottom), (left, right)] + [(0, 0)] * (array.ndim - 2)
    padded = Image.fromarray(np.pad(array, widths, mode))  # type: ignore[call-overload]
    if picture.mode == "P":
        padded.putpalette(picture.getpalette())
    return padded


def hflip(picture: Any) -> Any:
    return picture.transpose(0)


def vflip(picture: Any) -> Any:
    return picture.transpose(1)


def rotate(picture: Any, angle: float, interpolation: int, expand: bool, center: Any, fill: Any) -> Any:
    return picture.rotate(angle, interpolation, expand, center, fillcolor=_fill(picture, fill))


def affine(
    picture: Any, angle: float, translate: Any, scale: float, shear: Any, interpolation: int, fill: Any, center: Any
) -> Any:
    from PIL import Image

    width, height = picture.size
    middle = (width * 0.5, height * 0.5) if center is None else center
    matrix = inverse_affine(middle, angle, translate, scale, shear).ravel().tolist()
    method = Image.Transform.AFFINE
    return picture.transform(picture.size, method, matrix, interpolation, fillcolor=_fill(picture, fill))


def perspective(picture: Any, coefficients: list[float], interpolation: int, fill: Any) -> Any:
    from PIL import Image

    method = Image.Transform.PERSPECTIVE
    return picture.transform(picture.size, method, coefficients, interpolation, fillcolor=_fill(picture, fill))


def adjust_brightness(picture: Any, factor: float) -> Any:
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(picture).enhance(factor)


def adjust_contrast(picture: Any, factor: float) -> Any:
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(picture).enhance(factor)


def adjust_saturation(picture: Any, factor: float) -> Any:
    from PIL import ImageEnhance

    return ImageEnhance.Color(picture).enhance(factor)


def adjust_hue(picture: Any, factor: float) -> Any:
    from PIL import Image

    if picture.mode in ("L", "1", "I", "F"):
        return picture
    hue, saturation, value = picture.convert("HSV").split()
    turned = np.asarray(hue, np.uint8) + np.int32(factor * 255).astype(np.uint8)  # the hue goes round
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert(picture.mode)


def adjust_gamma(picture: Any, gamma: float, gain: float) -> Any:
    table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
    return (
        picture.convert("RGB").point(table * 3).convert(picture.mode) if picture.mode != "L" else picture.point(table)
    )


def invert(picture: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.invert(picture)


def to_grayscale(picture: Any, num_output_channels: int) -> Any:
    from PIL import Image

    grey = picture.convert("L")
    return grey if num_output_channels == 1 else Image.merge("RGB", (grey,) * 3)
