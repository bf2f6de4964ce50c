"""Transforms that draw how they change an image, from the default generator, in torchvision's order.

Two of them, RandomChoice and RandomOrder, draw from Python's `random`, as there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from ...core.tensor import Tensor
from ...nn.modules.container import ModuleList
from ...nn.modules.module import Module
from ...ops.creation import as_tensor, empty, tensor
from ...ops.random import rand, randint, randperm
from . import functional as F
from .fixed import size_pair
from .functional import InterpolationMode

SIZE_MESSAGE = "Please provide only two dimensions (h, w) for size."


def uniform(low: Any, high: Any) -> Tensor:
    return empty(1).uniform_(float(low), float(high))


def happens(p: float) -> bool:
    return bool(rand(1) < p)


def place(height: int, width: int, h: int, w: int) -> tuple[int, int]:
    """Where a rectangle of h x w begins, within an image of height x width."""
    return int(randint(0, height - h + 1, (1,))), int(randint(0, width - w + 1, (1,)))


class WithProbability(Module):
    """Does something with probability `p`, else nothing."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return self.change(img) if happens(self.p) else img

    def change(self, img: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomHorizontalFlip(WithProbability):
    """`functional.hflip` with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(WithProbability):
    """`functional.vflip` with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.vflip(img)


class RandomInvert(WithProbability):
    """`functional.invert` with probability `p`."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomGrayscale(WithProbability):
    """`functional.rgb_to_grayscale`, in as many channels as before, with probability `p`."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_image_num_channels(img))


class RandomCrop(Module):
    """A part of `size` from a random place, after padding. ValueError for an image that is too small."""

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ):
        super().__init__()
        self.size = size_pair(size, SIZE_MESSAGE)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width)"""
        _, height, width = F.get_dimensions(img)
        h, w = output_size
        if height < h or width < w:
            raise ValueError(f"Required crop size {(h, w)} is larger than input image size {(height, width)}")
        if (height, width) == (h, w):
            return 0, 0, h, w
        return (*place(height, width, h, w), h, w)

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        h, w = self.size
        if self.pad_if_needed and width < w:
            img = F.pad(img, [w - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < h:
            img = F.pad(img, [0, h - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomResizedCrop(Module):
    """A part of random area (`scale`, of the whole) and aspect ratio (`ratio`), resized to `size`.

    Szegedy et al., "Going deeper with convolutions" (CVPR 2015), section 6.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        super().__init__()
        self.size = size_pair(size, SIZE_MESSAGE)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width). After ten rectangles that do not fit, the middle."""
        _, height, width = F.get_dimensions(img)
        log_ratio = tensor(ratio).log()
        for _ in range(10):
            area = height * width * uniform(*scale).item()
            aspect = uniform(*log_ratio).exp().item()
            w, h = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if 0 < w <= width and 0 < h <= height:
                return (*place(height, width, h, w), h, w)
        w, h = width, height
        if width / height < min(ratio):
            h = int(round(width / min(ratio)))
        elif width / height > max(ratio):
            w = int(round(height * max(ratio)))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(value, 4) for value in pair) for pair in (self.scale, self.ratio))
        name = getattr(self.interpolation, "value", self.interpolation)
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, interpolation={name}, "
            f"antialias={self.antialias})"
        )


class ColorJitter(Module):
    """Brightness, contrast, saturation and hue changed by random amounts, in random order.

    Each is a number x, for factors from max(0, 1 - x) to 1 + x (hue: from -x to x), or a pair of limits.
    """

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        super().__init__()
        self.brightness = self._limits(brightness, "brightness")
        self.contrast = self._limits(contrast, "contrast")
        self.saturation = self._limits(saturation, "saturation")
        self.hue = self._limits(hue, "hue", centre=0, bound=(-0.5, 0.5), clip=False)

    @staticmethod
    def _limits(
        value: Any, name: str, centre: float = 1, bound: tuple = (0, float("inf")), clip: bool = True
    ) -> tuple[float, float] | None:
        """The limits, None where they leave the image as it is."""
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"If {name} is a single number, it must be non negative.")
            low, high = centre - float(value), centre + float(value)
            low = max(low, 0.0) if clip else low
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
        if not bound[0] <= low <= high <= bound[1]:
            raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
        return None if low == high == centre else (low, high)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        """(order, brightness factor, contrast factor, saturation factor, hue factor)"""
        order = randperm(4)
        limits = (brightness, contrast, saturation, hue)
        return (order, *(None if pair is None else float(uniform(*pair)) for pair in limits))

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for which in order.tolist():
            if factors[which] is not None:
                img = change[which](img, factors[which])
        return img

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, saturation={self.saturation}, "
            f"hue={self.hue})"
        )


class GaussianBlur(Module):
    """`functional.gaussian_blur` with a random sigma within (low, high)."""

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = size_pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = (float(sigma), float(sigma)) if isinstance(sigma, (int, float)) else tuple(map(float, sigma))
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")

    def forward(self, img: Any) -> Any:
        sigma = uniform(*self.sigma).item()
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"


class RandomErasing(Module):
    """A rectangle of a tensor image is overwritten with `value`, or with noise ("random").

    Zhong et al., "Random erasing data augmentation" (AAAI 2020).
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: list | None) -> tuple:
        """(top, left, height, width, what to write); the image itself after ten rectangles that do not fit."""
        channels, height, width = img.shape[-3:]
        log_ratio = tensor(ratio).log()
        for _ in range(10):
            area = height * width * uniform(*scale).item()
            aspect = uniform(*log_ratio).exp().item()
            h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if h >= height or w >= width:
                continue
            v = empty(channels, h, w).normal_() if value is None else as_tensor(value)[:, None, None]
            return (*place(height, width, h, w), h, w, v)
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        if not happens(self.p):
            return img
        value = None if isinstance(self.value, str) else self.value
        if value is not None:
            value = [float(value)] if isinstance(value, (int, float)) else list(value)
            if len(value) not in (1, img.shape[-3]):
                raise ValueError(
                    f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of input "
                    "channels)"
                )
        i, j, h, w, v = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, i, j, h, w, v, self.inplace)

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )


class RandomApply(Module):
    """A list of transforms, all of them with probability `p`, else none."""

    def __init__(self, transforms: Sequence[Callable] | ModuleList, p: float = 0.5):
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        if self.p < rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"RandomApply(\n    p={self.p}", *(f"    {each}" for each in self.transforms), ")"])


class RandomChoice:
    """One of several transforms, with the weights `p`."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.transforms, self.p = transforms, p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return "\n".join(["RandomChoice(", *(f"    {each}" for each in self.transforms), f")(p={self.p})"])


class RandomOrder:
    """Several transforms in random order."""

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for which in order:
            img = self.transforms[which](img)
        return img

    def __repr__(self) -> str:
        return "\n".join(["RandomOrder(", *(f"    {each}" for each in self.transforms), ")"])
