"""CIFAR-10 and CIFAR-100: 32x32 colour images in ten or a hundred classes, 50,000 to train and 10,000 to test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .cifar_files import read_archive, read_binary_batch, read_pickle_batch
from .download import ChecksumError, DatasetError, RemoteFile, fetch, progress_bar, verify
from .vision import VisionDataset


class CIFAR10(VisionDataset):
    """Krizhevsky, "Learning multiple layers of features from tiny images" (2009), the labelled subset with ten classes.

    root: folder with `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`, or either of them unpacked
    (`cifar-10-batches-py`, `cifar-10-batches-bin`). Default: minitorch's cache folder.
    train: the 50,000 training images, else the 10,000 test images.
    download: fetch `cifar-10-python.tar.gz` (170 MB) into `root` if none of them is there.

    `data`: uint8 array (N, 32, 32, 3); `targets`: list of N ints; an item is (PIL image, int), each through its
    transform. Archives are held to their published SHA-256, pickled batches to their MD5, all to the format; nothing is
    unpacked to the disk, and pickles run nothing (see `cifar_files`).
    Raises a `DatasetError` that names the file and says what to do.
    """

    mirrors: tuple[str, ...] = ("https://www.cs.toronto.edu/~kriz/",)
    archive = RemoteFile(
        "cifar-10-python.tar.gz",
        170_498_071,
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    )
    binary_archive = RemoteFile(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    )
    folder = "cifar-10-batches-py"
    binary_folder = "cifar-10-batches-bin"
    # Where a batch has its labels, in a pickle and in front of a binary record.
    label_key, label_bytes = b"labels", 1
    # batch -> MD5 of its pickled form, as torchvision publishes them
    train_list: dict[str, str] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    }
    test_list: dict[str, str] = {"test_batch": "40351d587109b95175f43aff81a1287e"}
    classes: list[str] = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        batches = self._read(self.train_list if train else self.test_list)
        images = np.concatenate([images for images, _ in batches])
        self.data = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.targets = [label for _, labels in batches for label in labels]

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def _is_there(self) -> bool:
        names = (self.archive.name, self.binary_archive.name, self.folder, self.binary_folder)
        return any((self.root / name).exists() for name in names)

    def _read(self, batches: dict[str, str]) -> list[tuple[np.ndarray, list[int]]]:
        """(images, labels) of each batch, from whichever form of the data is there."""
        binary = [f"{name}.bin" for name in batches]
        if (self.root / self.folder).is_dir():
            contents = _read_folder(self.root / self.folder, list(batches))
            _check_md5(contents, batches, self.root / self.folder)
        elif (self.root / self.archive.name).is_file():
            verify(self.root / self.archive.name, self.archive)
            contents = read_archive(self.root / self.archive.name, self.folder, batches)
        elif (self.root / self.binary_folder).is_dir():
            contents = _read_folder(self.root / self.binary_folder, binary)
        elif (self.root / self.binary_archive.name).is_file():
            verify(self.root / self.binary_archive.name, self.binary_archive)
            contents = read_archive(self.root / self.binary_archive.name, self.binary_folder, binary)
        else:
            raise DatasetError(
                f"none of {self.archive.name}, {self.binary_archive.name}, {self.folder}, {self.binary_folder} is in "
                f"{self.root}. Use download=True to fetch the first, or name the folder in which one of them is."
            )
        if binary[0] in contents:
            return [read_binary_batch(contents[name], name, self.label_bytes, len(self.classes)) for name in binary]
        return [read_pickle_batch(contents[name], name, self.label_key, len(self.classes)) for name in batches]

    def download(self) -> None:
        """Fetch the archive unless the data are there in one of their forms."""
        if not self._is_there():
            with progress_bar(self.archive.name) as progress:
                fetch(self.archive, self.root, self.mirrors, progress=progress)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._item(self.data[index], self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """The subset with a hundred classes of 600 images; the twenty classes above them are not used, as in torchvision.

    Arguments and files as for `CIFAR10`, with `cifar-100-python` and `cifar-100-binary` in the names.
    """

    archive = RemoteFile(
        "cifar-100-python.tar.gz",
        169_001_437,
        "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    )
    binary_archive = RemoteFile(
        "cifar-100-binary.tar.gz",
        168_513_733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    )
    folder = "cifar-100-python"
    binary_folder = "cifar-100-binary"
    label_key, label_bytes = b"fine_labels", 2
    train_list = {"train": "16019d7e3df5f24257cddd939b257f8d"}
    test_list = {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}
    classes = """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
        camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
        dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
        leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
        otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
        road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
        sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
        wardrobe whale willow_tree wolf woman worm
    """.split()


def _read_folder(folder: Path, names: list[str]) -> dict[str, bytes]:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DatasetError(f"{folder} lacks {', '.join(missing)}. Delete the folder and download the data again.")
    return {name: (folder / name).read_bytes() for name in names}


def _check_md5(contents: dict[str, bytes], published: dict[str, str], folder: Path) -> None:
    for name, md5 in published.items():
        digest = hashlib.md5(contents[name], usedforsecurity=False).hexdigest()
        if digest != md5:
            raise ChecksumError(
                f"{folder / name} has the wrong checksum: MD5 {digest}, published is {md5}. "
                "Delete it and unpack or download it again."
            )
