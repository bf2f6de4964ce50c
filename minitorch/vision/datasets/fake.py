"""Noise in the shape of a data set of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ops.random import randint, randn
from ...random import get_rng_state, manual_seed, set_rng_state
from ..transforms.functional import to_pil_image
from .vision import VisionDataset


class FakeData(VisionDataset):
    """`size` images of normal noise, of shape `image_size` (C, H, W), in `num_classes` classes.

    Image `i` comes from the seed `random_offset + i`; the default generator is left as it was.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ):
        super().__init__(".", transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        before = get_rng_state()
        manual_seed(index + self.random_offset)
        image = randn(*self.image_size)
        target = int(randint(0, self.num_classes, size=(1,)))
        set_rng_state(before)
        picture = to_pil_image(image)
        return (picture, target) if self.transforms is None else self.transforms(picture, target)

    def __len__(self) -> int:
        return self.size
