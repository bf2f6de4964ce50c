"""The UCI handwritten digits: 1,797 small real images that ship with the package, so that training needs no download.

Alpaydin, Kaynak, "Cascading classifiers", Kybernetika 34(4), 1998; UCI Machine Learning Repository, CC BY 4.0.
Where the files come from and how they were made stands in `data/README.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.tensor import wrap
from .download import RemoteFile, verify
from .idx import read_idx
from .vision import VisionDataset

FOLDER = Path(__file__).parent / "data"
IMAGES = RemoteFile(
    "digits-images-idx3-ubyte.gz",
    44_098,
    "c41c947a1014aa9bb82e371b01f16724f9ef929893351173edcc47aa0fc03930",
)
LABELS = RemoteFile(
    "digits-labels-idx1-ubyte.gz",
    145,
    "147c9192405199869317e6d9c62ea444f9770c3f8c6dd65035ba3a3690cc5460",
)
WHITE = 16  # the largest value: all 4x4 pixels of a block are set
TEST_PER_CLASS = 36
SPLIT_SEED = 0


class Digits(VisionDataset):
    """Handwritten digits, 8x8 in the original, resized to MNIST's 28x28.

    train: the 1,437 training images, else the 360 held-out test images, 36 of each class (`split_indices`).

    `data`: uint8 tensor (N, 28, 28); `targets`: int64 tensor (N,); an item is (PIL image, int), each through its
    transform. Raises `ChecksumError` or `TruncatedFileError` if the installed files are damaged.
    """

    classes: list[str] = [str(digit) for digit in range(10)]

    def __init__(self, train: bool = True, transform: Callable | None = None, target_transform: Callable | None = None):
        super().__init__(FOLDER, transform=transform, target_transform=target_transform)
        self.train = train
        images, labels = load_originals()
        training, test = split_indices(labels)
        chosen = training if train else test
        resized = resize_bilinear(images[chosen] / WHITE, 28)
        self.data = wrap(np.rint(255 * resized).astype(np.uint8))
        self.targets = wrap(labels[chosen].astype(np.int64))

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._item(self.data[index].numpy(), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


def load_originals() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 images, uint8 (N, 8, 8) with values 0 to 16, and their labels, uint8 (N,), in the published order."""
    for file in (IMAGES, LABELS):
        verify(FOLDER / file.name, file)
    return read_idx(FOLDER / IMAGES.name), read_idx(FOLDER / LABELS.name)


def split_indices(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(training, test) indices, each ascending: of every class, 36 images drawn with a fixed seed are held out.

    NumPy's `RandomState` is frozen, so the split is the same on every machine and version. Writers are not known, so
    each of the thirteen may stand on both sides: the test accuracy speaks of known handwriting.
    """
    generator = np.random.RandomState(SPLIT_SEED)
    test = np.sort(
        np.concatenate([generator.permutation(np.flatnonzero(labels == digit))[:TEST_PER_CLASS] for digit in range(10)])
    )
    return np.setdiff1d(np.arange(len(labels)), test), test


def resize_bilinear(images: np.ndarray, size: int) -> np.ndarray:
    """images: (N, H, W) float64 -> (N, size, size), bilinear with pixel centres at half integers (align_corners=False).

    Bilinear interpolation is linear in rows and in columns: out = R image R'^T, with one matrix for each axis.
    """
    rows, columns = (_interpolation_matrix(old, size) for old in images.shape[1:])
    return rows @ images @ columns.T


def _interpolation_matrix(old: int, new: int) -> np.ndarray:
    """(new, old): row i holds the weights of the two old pixels nearest to the centre of new pixel i."""
    centre = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.minimum(np.floor(centre).astype(int), old - 2)
    weight = centre - left
    matrix = np.zeros((new, old))
    matrix[np.arange(new), left] = 1 - weight
    matrix[np.arange(new), left + 1] = weight
    return matrix
