"""What all image data sets share: transforms, torchvision's repr, and images as PIL pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.data.dataset import Dataset
from .download import dataset_home


class StandardTransform:
    """Applies `transform` to the image and `target_transform` to the target."""

    def __init__(self, transform: Callable | None = None, target_transform: Callable | None = None):
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if transform is not None:
                first, *rest = repr(transform).splitlines()
                lines += [head + first, *(" " * len(head) + line for line in rest)]
        return "\n".join(lines)


class VisionDataset(Dataset):
    """Base class of the image data sets, with torchvision's constructor.

    `root` is the folder with the files (default: the cache folder of `download.dataset_home`); either `transforms`,
    called with (image, target), or `transform` and `target_transform`, one for each.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ):
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.root = dataset_home() if root is None else Path(root).expanduser()
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def _item(self, image: np.ndarray, target: int) -> tuple[Any, Any]:
        """The sample as torchvision gives it: a PIL image and an int, each through its transform."""
        picture = to_picture(image)
        return (picture, target) if self.transforms is None else self.transforms(picture, target)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} should implement __len__.")

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}", f"Root location: {self.root}", *self.extra_repr().splitlines()]
        if self.transforms is not None:
            body += repr(self.transforms).splitlines()
        return "\n    ".join([f"Dataset {type(self).__name__}", *body])

    def extra_repr(self) -> str:
        return ""


def to_picture(image: np.ndarray) -> Any:
    """image: uint8, (H, W) grey or (H, W, 3) colour -> the PIL image, or the array itself where Pillow is missing."""
    try:
        from PIL import Image
    except ImportError:
        return image
    return Image.fromarray(image)
