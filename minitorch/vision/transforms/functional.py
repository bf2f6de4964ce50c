"""torchvision.transforms.functional: operations on one image, a Pillow image or a tensor (..., C, H, W)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...dtypes import FLOATING, float32, get_default_dtype
from ...ops.creation import as_tensor
from . import pictures, tensors
from .pictures import is_picture
from .warps import perspective_coefficients


class InterpolationMode(enum.Enum):
    """How a picture is read between its pixels; the values are Pillow's."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


PILLOW = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def _code(interpolation: InterpolationMode | int) -> int:
    return PILLOW[interpolation.value] if isinstance(interpolation, InterpolationMode) else int(interpolation)


def _kind(image: Any) -> Any:
    """The module with the operations for images of this kind. TypeError for other things."""
    if isinstance(image, Tensor):
        if image.ndim < 2:
            raise TypeError("Tensor is not a torch image.")
        return tensors
    if is_picture(image):
        return pictures
    raise TypeError(f"img should be PIL Image or Tensor. Got {type(image)}")


def get_image_size(img: Any) -> list[int]:
    """[width, height]"""
    return [img.shape[-1], img.shape[-2]] if _kind(img) is tensors else list(img.size)


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]"""
    width, height = get_image_size(img)
    return [get_image_num_channels(img), height, width]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return (img.shape[-3] if img.ndim > 2 else 1) if _kind(img) is tensors else pictures.channels(img)


# Conversion


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or ndarray (H, W[, C]) as a tensor (C, H, W); bytes become numbers from 0 to 1."""
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
    elif is_picture(pic):
        array = _array_of(pic)
        if pic.mode == "1":
            array = array * np.uint8(255)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    moved = np.ascontiguousarray(array.transpose(2, 0, 1))
    if moved.dtype == np.uint8:
        return wrap(moved).to(get_default_dtype()).div(255)
    return wrap(moved)


def _array_of(picture: Any) -> np.ndarray:
    """(H, W, C), in memory of its own."""
    types = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
    array = np.array(picture, types.get(picture.mode, np.uint8), copy=True)
    if array.dtype == np.uint16:
        array = array.astype(np.int32)  # tensors have no unsigned 16-bit type
    return array.reshape(picture.size[1], picture.size[0], pictures.channels(picture))


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor (C, H, W) of its own type."""
    if not is_picture(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return wrap(np.ascontiguousarray(_array_of(pic).transpose(2, 0, 1)))


def convert_image_dtype(image: Tensor, dtype: Any = float32) -> Tensor:
    """Another type, with its range: 255 bytes are 1.0. RuntimeError where that cannot be done exactly."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return tensors.convert_dtype(image, dtype)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an ndarray (H, W[, C]), as a Pillow image."""
    from PIL import Image

    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if pic.dtype.category == FLOATING and mode != "F":
            pic = (pic * 255).to(as_tensor(np.uint8(0)).dtype)
        array = pic.detach().array
        array = array[:, :, None] if array.ndim == 2 else array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if array.shape[2] > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    if array.shape[2] == 1:
        modes = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
        if array.dtype.name not in modes:
            raise TypeError(f"Input type {array.dtype} is not supported")
        picture = Image.fromarray(np.ascontiguousarray(array[:, :, 0]))
        return picture.convert(mode) if mode not in (None, picture.mode) else picture
    if array.dtype != np.uint8:
        raise TypeError(f"Input type {array.dtype} is not supported")
    made = mode or {2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2]]
    return Image.frombytes(made, array.shape[1::-1], np.ascontiguousarray(array).tobytes())


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(x - mean) / std, channel by channel. ValueError where a std is 0 or there are fewer than three dimensions."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    out = tensor if inplace else tensor.clone()
    centre, width = (as_tensor(value, dtype=tensor.dtype) for value in (mean, std))
    if (width == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    centre, width = (value.view(-1, 1, 1) if value.ndim == 1 else value for value in (centre, width))
    return out.sub_(centre).div_(width)


# Geometry


def output_size(image_size: tuple[int, int], size: Sequence[int], max_size: int | None) -> tuple[int, int]:
    """(height, width) for `size`: both, or the shorter edge, the longer one in proportion (at most `max_size`)."""
    if len(size) == 2:
        return int(size[0]), int(size[1])
    height, width = image_size
    short, long = sorted((width, height))
    new_short, new_long = size[0], int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge "
                f"size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Another size: (height, width), or a number for the shorter edge."""
    kind = _kind(img)
    size = [size] if isinstance(size, int) else list(size)
    if len(size) not in (1, 2):
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list")
    if max_size is not None and len(size) == 2:
        raise ValueError("max_size should only be passed if size specifies the length of the smaller edge")
    width, height = get_image_size(img)
    wanted = output_size((height, width), size, max_size)
    return img if wanted == (height, width) else kind.resize(img, wanted, _code(interpolation), antialias)


def _four(padding: int | Sequence[int]) -> list[int]:
    """left, top, right, bottom"""
    values = [int(padding)] if isinstance(padding, (int, float)) else list(padding)
    if len(values) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(values)} element tuple")
    return values * (4 // len(values))


def pad(img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """A frame around the image; `padding`: for all sides, (left and right, top and bottom), or one for each."""
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return _kind(img).pad(img, *_four(padding), fill, padding_mode)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; what lies outside of the image is black."""
    return _kind(img).crop(img, top, left, height, width)


def _pair(size: int | Sequence[int]) -> list[int]:
    values = [int(size)] if isinstance(size, (int, float)) else list(size)
    return values * 2 if len(values) == 1 else values


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle, (height, width); smaller images are padded with black."""
    width, height = get_image_size(img)
    crop_height, crop_width = _pair(output_size)
    if crop_width > width or crop_height > height:
        left, top = max((crop_width - width) // 2, 0), max((crop_height - height) // 2, 0)
        right, bottom = max((crop_width - width + 1) // 2, 0), max((crop_height - height + 1) // 2, 0)
        img = pad(img, [left, top, right, bottom])
        width, height = get_image_size(img)
        if (crop_width, crop_height) == (width, height):
            return img
    return crop(
        img, int(round((height - crop_height) / 2.0)), int(round((width - crop_width) / 2.0)), crop_height, crop_width
    )


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """A part, in another size."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return _kind(img).hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return _kind(img).vflip(img)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple:
    """The four corners (top left, top right, bottom left, bottom right) and the middle."""
    width, height = get_image_size(img)
    h, w = _pair(size)
    if w > width or h > height:
        raise ValueError(f"Requested crop size {[h, w]} is bigger than input size {(height, width)}")
    corners = [crop(img, top, left, h, w) for top in (0, height - h) for left in (0, width - w)]
    return (*corners, center_crop(img, [h, w]))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple:
    """`five_crop` of the image and of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def rotate(
    img: Any, angle: float, interpolation: InterpolationMode | int = InterpolationMode.NEAREST, expand: bool = False,
    center: Sequence[float] | None = None, fill: Any = None,
) -> Any:  # fmt: skip
    """Turned by `angle` degrees, counter-clockwise, about `center` (x, y)."""
    return _kind(img).rotate(img, angle, _code(interpolation), expand, center, fill)


def affine(
    img: Any, angle: float, translate: Sequence[int], scale: float, shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST, fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:  # fmt: skip
    """Sheared, scaled and turned by `angle` degrees, clockwise, about `center` (x, y), then moved by `translate`.

    shear: degrees parallel to the x-axis, or (x, y). ValueError for a scale that is not positive.
    """
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (int, float, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shears = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear) * (2 if len(shear) == 1 else 1)
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    return _kind(img).affine(img, angle, translate, scale, shears, _code(interpolation), fill, center)


def perspective(
    img: Any, startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR, fill: Any = None,
) -> Any:  # fmt: skip
    """As seen from elsewhere: the points `startpoints` (four of (x, y), the corners usually) arrive at `endpoints`."""
    return _kind(img).perspective(img, perspective_coefficients(startpoints, endpoints), _code(interpolation), fill)


# Colour


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0: black, 1: as it is."""
    return _kind(img).adjust_brightness(img, _not_negative("brightness_factor", brightness_factor))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0: grey, 1: as it is."""
    return _kind(img).adjust_contrast(img, _not_negative("contrast_factor", contrast_factor))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0: black and white, 1: as it is."""
    return _kind(img).adjust_saturation(img, _not_negative("saturation_factor", saturation_factor))


def _not_negative(name: str, factor: float) -> float:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    return factor


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The circle of hues turned by `hue_factor`, from -0.5 to 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _kind(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * x^gamma, for x from 0 to 1"""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _kind(img).adjust_gamma(img, gamma, gain)


def invert(img: Any) -> Any:
    """White minus the image."""
    return _kind(img).invert(img)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Black and white, in one or three equal channels."""
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    return _kind(img).to_grayscale(img, num_output_channels)


to_grayscale = rgb_to_grayscale


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """Blurred with a Gaussian of odd `kernel_size` (width, height); sigma by default 0.15 size + 0.35."""
    sizes = _pair(kernel_size)
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in sizes]
    widths = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma)
    widths = widths * 2 if len(widths) == 1 else widths
    if any(width <= 0.0 for width in widths):
        raise ValueError(f"sigma should have positive values. Got {widths}")
    image = img if _kind(img) is tensors else pil_to_tensor(img)
    blurred = tensors.gaussian_blur(image, sizes, widths)
    return blurred if image is img else to_pil_image(blurred, img.mode)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """`v` in the rectangle of height `h` and width `w` at (i, j)."""
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    out = img if inplace else img.clone()
    out[..., i : i + h, j : j + w] = v
    return out
