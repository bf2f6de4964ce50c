"""torchvision's part of the world: data sets of images, transforms, grids of images."""

from . import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
