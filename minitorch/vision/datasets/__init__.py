"""Image data sets under torchvision's names, and the digits that ship with the package."""

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
    "StandardTransform",
    "TruncatedFileError",
    "VisionDataset",
]
