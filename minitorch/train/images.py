"""Images and labels as tensors, ready for training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.tensor import Tensor, wrap
from ..vision.datasets.download import dataset_home
from .config import AT_HAND, DATASETS


@dataclass(frozen=True)
class ImageData:
    """images: uint8 (N, C, S, S); labels: int64 (N,); mean, std: float32 (C, 1, 1), of the training pixels."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: list[str]
    mean: Tensor
    std: Tensor

    @property
    def channels(self) -> int:
        return self.train_images.shape[1]

    @property
    def side(self) -> int:
        return self.train_images.shape[2]


def load_images(name: str, data_dir: str | Path | None = None) -> ImageData:
    """The data set `name`: from `data_dir` if given (nothing is downloaded then), else from the cache folder.

    Raises `DatasetError`.
    """
    dataset = DATASETS[name]
    if dataset in AT_HAND:
        splits = [dataset(train=train) for train in (True, False)]
    else:
        root, download = (dataset_home(), True) if data_dir is None else (data_dir, False)
        splits = [dataset(root, train=train, download=download) for train in (True, False)]
    train_images, test_images = (_channels_first(np.asarray(split.data)) for split in splits)
    train_labels, test_labels = (np.asarray(split.targets, np.int64) for split in splits)
    mean, std = pixel_statistics(train_images)
    return ImageData(
        wrap(train_images),
        wrap(train_labels),
        wrap(test_images),
        wrap(test_labels),
        splits[0].classes,
        wrap(mean),
        wrap(std),
    )


def _channels_first(images: np.ndarray) -> np.ndarray:
    """(N, S, S) or (N, S, S, C) -> (N, C, S, S)."""
    return images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def pixel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """images: uint8 (N, C, S, S) -> mean and standard deviation of each channel, float32 (C, 1, 1).

    From histograms: the sums are exact integers, so the result does not depend on the order of summation.
    """
    values = np.arange(256)
    channels = images.swapaxes(0, 1).reshape(images.shape[1], -1)
    counts = np.array([np.bincount(channel, minlength=256) for channel in channels])
    total = counts.sum(1)
    mean = counts @ values / total
    variance = counts @ values**2 / total - mean**2
    std = np.sqrt(np.maximum(variance, 1e-12))
    return mean.astype(np.float32)[:, None, None], std.astype(np.float32)[:, None, None]
