"""Image data sets under torchvision's names, the digits that ship with the package, and the generated world of shapes."""

from .cifar import CIFAR10
from .digits import Digits
from .download import (
    ChecksumError,
    DatasetError,
    DownloadError,
    MalformedFileError,
    TruncatedFileError,
)
from .mnist import MNIST, FashionMNIST
from .shapes import Scene, Shape, Shapes, draw_scene, single_shapes
from .vision import StandardTransform, VisionDataset

__all__ = [
    "CIFAR10",
    "ChecksumError",
    "DatasetError",
    "Digits",
    "DownloadError",
    "FashionMNIST",
    "MNIST",
    "MalformedFileError",
    "Scene",
    "Shape",
    "Shapes",
    "StandardTransform",
    "TruncatedFileError",
    "VisionDataset",
    "draw_scene",
    "single_shapes",
]
