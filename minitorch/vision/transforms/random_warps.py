"""Transforms that turn, shear and tilt an image by random amounts; `functional` has what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...nn.modules.module import Module
from ...ops.random import randint
from . import functional as F
from .functional import InterpolationMode
from .random import WithProbability, uniform


def _checked(name: str, values: Any, lengths: tuple[int, ...]) -> Any:
    """`values`. TypeError unless it is a sequence, ValueError for another length."""
    text = " or ".join(str(length) for length in lengths)
    if not isinstance(values, Sequence):
        raise TypeError(f"{name} should be a sequence of length {text}.")
    if len(values) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {text}.")
    return values


def _angles(name: str, angles: Any, lengths: tuple[int, ...]) -> list[float]:
    """The limits (-a, a) of a number, or those given."""
    if isinstance(angles, (int, float)):
        if angles < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        angles = [-angles, angles]
    return [float(angle) for angle in _checked(name, angles, lengths)]


def _fill(fill: Any) -> Any:
    """TypeError unless it is a number, a sequence of numbers or None, which is 0."""
    if fill is not None and not isinstance(fill, (int, float, Sequence)):
        raise TypeError("Fill should be either a sequence or a number.")
    return 0 if fill is None else fill


def _name(interpolation: InterpolationMode | int) -> Any:
    return getattr(interpolation, "value", interpolation)


class RandomRotation(Module):
    """Turned by an angle between -degrees and degrees, or within (low, high)."""

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ):
        super().__init__()
        self.degrees = _angles("degrees", degrees, (2,))
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return uniform(*degrees).item()

    def forward(self, img: Any) -> Any:
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        text = f"RandomRotation(degrees={self.degrees}, interpolation={_name(self.interpolation)}, expand={self.expand}"
        text += f", center={self.center}" if self.center is not None else ""
        return text + (f", fill={self.fill})" if self.fill is not None else ")")


class RandomAffine(Module):
    """Turned, moved, scaled and sheared by random amounts (`functional.affine`).

    degrees: the angle's limits, or a number a for (-a, a). translate: the largest horizontal and vertical shifts, as
    fractions of width and height. scale: (low, high). shear: limits for the x-axis, or four for both axes, or a number.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ):
        super().__init__()
        self.degrees = _angles("degrees", degrees, (2,))
        if translate is not None and any(not 0.0 <= part <= 1.0 for part in _checked("translate", translate, (2,))):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and any(factor <= 0 for factor in _checked("scale", scale, (2,))):
            raise ValueError("scale values should be positive")
        self.translate, self.scale = translate, scale
        self.shear = None if shear is None else _angles("shear", shear, (2, 4))
        self.interpolation, self.fill = interpolation, _fill(fill)
        self.center = center if center is None else _checked("center", center, (2,))

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """(angle, shift, scale, shear), drawn in this order; `img_size`: (width, height)."""
        angle = uniform(*degrees).item()
        shift = [0, 0]
        if translate is not None:
            limits = [float(part * length) for part, length in zip(translate, img_size, strict=True)]
            shift = [int(round(uniform(-limit, limit).item())) for limit in limits]
        scale = 1.0 if scale_ranges is None else uniform(*scale_ranges).item()
        shear = [0.0, 0.0]
        if shears is not None:
            for axis in range(len(shears) // 2):
                shear[axis] = uniform(*shears[2 * axis : 2 * axis + 2]).item()
        return angle, (shift[0], shift[1]), scale, (shear[0], shear[1])

    def forward(self, img: Any) -> Any:
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, F.get_image_size(img))
        return F.affine(img, *drawn, interpolation=self.interpolation, fill=self.fill, center=self.center)

    def __repr__(self) -> str:
        nearest = _name(self.interpolation) in ("nearest", 0)
        given = {
            "translate": self.translate,
            "scale": self.scale,
            "shear": self.shear,
            "interpolation": None if nearest else _name(self.interpolation),
            "fill": self.fill or None,
            "center": self.center,
        }
        more = "".join(f", {name}={value}" for name, value in given.items() if value is not None)
        return f"RandomAffine(degrees={self.degrees}{more})"


class RandomPerspective(WithProbability):
    """`functional.perspective` with probability `p`: each corner moves inwards, by at most `distortion_scale` of half
    the width and half the height."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__(p)
        self.distortion_scale, self.interpolation, self.fill = distortion_scale, interpolation, _fill(fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """(corners, where they go): top left, top right, bottom right, bottom left, each as [x, y]."""
        reach_x, reach_y = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, right = (0, reach_x + 1), (width - reach_x - 1, width)
        top, bottom = (0, reach_y + 1), (height - reach_y - 1, height)
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        limits = [(left, top), (right, top), (right, bottom), (left, bottom)]
        return corners, [[int(randint(*across, (1,))), int(randint(*down, (1,)))] for across, down in limits]

    def change(self, img: Any) -> Any:
        width, height = F.get_image_size(img)
        corners, moved = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, corners, moved, self.interpolation, self.fill)
