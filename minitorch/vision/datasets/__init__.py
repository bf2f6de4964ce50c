"""Image data sets under torchvision's names, the digits that ship with the package, and the generated world of shapes."""

from .cifar import CIFAR10, CIFAR100
from .digits import Digits
from .download import (
    ChecksumError,
    DatasetError,
    DownloadError,
    MalformedFileError,
    TruncatedFileError,
)
from .fake import FakeData
from .folder import DatasetFolder, ImageFolder
from .mnist import EMNIST, KMNIST, MNIST, FashionMNIST
from .shapes import Scene, Shape, Shapes, SingleShapes, draw_scene, single_shapes
from .vision import StandardTransform, VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "ChecksumError",
    "DatasetError",
    "DatasetFolder",
    "Digits",
    "DownloadError",
    "EMNIST",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "KMNIST",
    "MNIST",
    "MalformedFileError",
    "Scene",
    "Shape",
    "Shapes",
    "SingleShapes",
    "StandardTransform",
    "TruncatedFileError",
    "VisionDataset",
    "draw_scene",
    "single_shapes",
]
