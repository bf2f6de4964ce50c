"""torchvision's part of the world: data sets of images."""

from . import datasets

__all__ = ["datasets"]
