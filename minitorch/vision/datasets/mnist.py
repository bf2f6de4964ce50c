"""MNIST and the data sets in its format: 28x28 grey images and their classes, in IDX files."""

from __future__ import annotations

import shutil
import string
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...core.tensor import wrap
from ...io.atomic import replacing
from .download import DatasetError, MalformedFileError, RemoteFile, fetch, progress_bar, verify
from .idx import read_idx
from .vision import VisionDataset


class MNIST(VisionDataset):
    """Handwritten digits (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86, 1998).

    root: folder with `MNIST/raw/train-images-idx3-ubyte.gz` and its three siblings; they are also found in `root`
    itself, and unpacked. Default: minitorch's cache folder.
    train: the 60,000 training images, else the 10,000 test images.
    download: fetch the files into `root/MNIST/raw` if they are not there.

    `data`: uint8 tensor (N, 28, 28); `targets`: int64 tensor (N,); an item is (PIL image, int), each through its
    transform. Compressed files are held to their published SHA-256, all files to the format.
    Raises a `DatasetError` that names the file and says what to do.
    """

    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    # training images, training labels, test images, test labels
    resources: tuple[RemoteFile, ...] = (
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )
    classes: list[str] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
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
        images_name, labels_name = self._names()
        images, labels = self._read(images_name, ndim=3), self._read(labels_name, ndim=1)
        if len(images) != len(labels):
            raise MalformedFileError(f"{images_name} has {len(images)} images, {labels_name} has {len(labels)} labels")
        if labels.size and labels.max() >= len(self.classes):
            last = len(self.classes) - 1
            raise MalformedFileError(f"{labels_name} has a label {labels.max()}; classes are 0 to {last}")
        self.data = wrap(images)
        self.targets = wrap(labels.astype(np.int64))

    @property
    def raw_folder(self) -> Path:
        return self.root / type(self).__name__ / "raw"

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def _names(self) -> tuple[str, str]:
        """The compressed files with the images and the labels."""
        images, labels = self.resources[:2] if self.train else self.resources[2:]
        return images.name, labels.name

    def _find(self, packed: str) -> Path | None:
        for folder in (self.raw_folder, self.root / type(self).__name__, self.root):
            for name in (packed, packed.removesuffix(".gz")):
                if (folder / name).is_file():
                    return folder / name
        return None

    def _read(self, packed: str, ndim: int) -> np.ndarray:
        path = self._find(packed)
        if path is None:
            raise DatasetError(
                f"{packed} is not in {self.raw_folder} nor in {self.root}. "
                "Use download=True to fetch it, or name the folder in which it is."
            )
        for file in self.resources:
            if path.name == file.name:
                verify(path, file)
        array = read_idx(path)
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise MalformedFileError(
                f"{path}: {ndim} dimensions of unsigned bytes were expected, it holds {array.ndim} of {array.dtype}"
            )
        return array

    def download(self) -> None:
        """Fetch the files that are not there yet."""
        for file in self.resources:
            if self._find(file.name) is None:
                with progress_bar(file.name) as progress:
                    fetch(file, self.raw_folder, self.mirrors, progress=progress)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._item(self.data[index].numpy(), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format (Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms", arXiv:1708.07747). Arguments as for `MNIST`.
    """

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    resources = (
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    )
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Cursive Japanese characters in MNIST's format (Clanuwat et al., "Deep learning for classical Japanese
    literature", arXiv:1812.01718). Arguments as for `MNIST`.
    """

    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    resources = (
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    )
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


DIGITS, UPPER, LOWER = string.digits, string.ascii_uppercase, string.ascii_lowercase
# Letters whose small and capital forms look alike are one class in the merged splits.
UNLIKE = [letter for letter in LOWER if letter not in "cijklmopsuvwxyz"]


class EMNIST(MNIST):
    """Handwritten letters and digits in MNIST's format (Cohen, Afshar, Tapson, van Schaik, "EMNIST: an extension of
    MNIST to handwritten letters", arXiv:1702.05373). Images are stored transposed, and given so, as torchvision does.

    split: "byclass" (62 classes), "bymerge" and "balanced" (47), "letters" (26, numbered from 1), "digits" or "mnist"
    (10 each). All splits come in one archive of 562 MB, `gzip.zip`, which `download` unpacks.
    Other arguments as for `MNIST`; the archive is held to its published SHA-256. ValueError for another split.
    """

    mirrors = ("https://biometrics.nist.gov/cs_links/EMNIST/",)
    resources = ()
    archive = RemoteFile("gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e")
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: dict[str, list[str]] = {
        "byclass": [*DIGITS, *UPPER, *LOWER],
        "bymerge": [*DIGITS, *UPPER, *UNLIKE],
        "balanced": [*DIGITS, *UPPER, *UNLIKE],
        "letters": ["N/A", *LOWER],
        "digits": [*DIGITS],
        "mnist": [*DIGITS],
    }

    def __init__(self, root: str | Path | None = None, split: str = "", **arguments: Any):
        if split not in self.splits:
            valid = ", ".join(map(repr, self.splits))
            raise ValueError(f"Unknown value {split!r} for argument split. Valid values are {{{valid}}}.")
        self.split = split
        self.classes = self.classes_split_dict[split]
        super().__init__(root, **arguments)

    def _names(self) -> tuple[str, str]:
        part = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"

    def download(self) -> None:
        """Fetch the archive unless this split is there, and unpack from it the files of this split."""
        missing = [name for name in self._names() if self._find(name) is None]
        if missing:
            with progress_bar(self.archive.name) as progress:
                path = fetch(self.archive, self.raw_folder, self.mirrors, progress=progress)
            with zipfile.ZipFile(path) as archive:
                for name in missing:
                    with archive.open(f"gzip/{name}") as packed, replacing(self.raw_folder / name) as temporary:
                        with open(temporary, "wb") as file:
                            shutil.copyfileobj(packed, file)
