"""The two published forms of CIFAR-10 and CIFAR-100: Python pickles and flat binary records, each in a tar.gz.

Pickles are programs: `pickle.load` would run whatever a file says. `read_pickle_batch` therefore knows only the
instructions and the three names that the published files use, and never calls what a name means: an array is put
together here from its bytes.
"""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .download import DatasetError, MalformedFileError, TruncatedFileError

SIDE, CHANNELS = 32, 3
PIXELS = CHANNELS * SIDE * SIDE
# The published archives unpack to 187 MB, the largest member to 155 MB.
MAX_ARCHIVE, MAX_MEMBER = 1 << 28, 1 << 28

ALLOWED_OPCODES = frozenset(
    pickle.PROTO + pickle.STOP + pickle.MARK + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE
    + pickle.BININT + pickle.BININT1 + pickle.BININT2
    + pickle.BINSTRING + pickle.SHORT_BINSTRING + pickle.BINUNICODE
    + pickle.EMPTY_DICT + pickle.SETITEM + pickle.SETITEMS + pickle.EMPTY_LIST + pickle.APPEND + pickle.APPENDS
    + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
    + pickle.BINPUT + pickle.LONG_BINPUT + pickle.BINGET + pickle.LONG_BINGET
    + pickle.GLOBAL + pickle.REDUCE + pickle.BUILD
)  # fmt: skip


class _DtypeRecord:
    """Stands for a pickled `numpy.dtype`: its type string is all that is kept."""

    def __init__(self, kind: bytes, *flags: Any):
        self.kind = kind

    def __setstate__(self, state: tuple) -> None:
        pass


class _ArrayRecord:
    """Stands for a pickled `numpy.ndarray`: what `ndarray.__setstate__` would be given."""

    def __init__(self, *arguments: Any):
        self.array: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, raw = state
        if not isinstance(dtype, _DtypeRecord) or dtype.kind != b"u1":
            raise pickle.UnpicklingError("the array is not one of unsigned bytes")
        self.array = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


KNOWN_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _ArrayRecord,
    ("numpy", "dtype"): _DtypeRecord,
    # Only handed to `_reconstruct`, never called: text will do, and text has no attributes to overwrite.
    ("numpy", "ndarray"): "numpy.ndarray",
}


# The unpickler written in Python, not the one in C: its instructions can be taken away, and its memo is a dict, not
# an array whose length the file chooses.
class _BatchUnpickler(pickle._Unpickler):  # type: ignore[name-defined]
    dispatch = {code: run for code, run in pickle._Unpickler.dispatch.items() if code in ALLOWED_OPCODES}  # type: ignore[attr-defined]

    def find_class(self, module: str, name: str) -> Any:
        try:
            return KNOWN_NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_pickle_batch(
    data: bytes, name: str, key: bytes = b"labels", classes: int = 10
) -> tuple[np.ndarray, list[int]]:
    """One pickled batch -> (images uint8 (N, 3, 32, 32), its labels under `key`). Runs nothing that the file says.

    Raises `MalformedFileError` naming what was refused or is wrong.
    """
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        # The instruction table answers an instruction that it lacks with KeyError.
        reason = f"instruction {error} is not allowed" if isinstance(error, KeyError) else error or type(error).__name__
        message = f"{name}: refused as a CIFAR batch ({reason}). Delete it and download it again."
        raise MalformedFileError(message) from error
    return _check_batch(batch, name, key, classes)


def _check_batch(batch: Any, name: str, key: bytes, classes: int) -> tuple[np.ndarray, list[int]]:
    if not isinstance(batch, dict):
        raise MalformedFileError(f"{name}: a CIFAR batch is a dictionary, this is a {type(batch).__name__}")
    record, labels = batch.get(b"data"), batch.get(key)
    images = record.array if isinstance(record, _ArrayRecord) else None
    if images is None or images.ndim != 2 or images.shape[1] != PIXELS:
        raise MalformedFileError(f"{name}: the batch has no images of {PIXELS} bytes each")
    if not isinstance(labels, list) or len(labels) != len(images):
        raise MalformedFileError(f"{name}: the batch has {len(images)} images and not as many labels")
    if any(type(label) is not int or not 0 <= label < classes for label in labels):
        raise MalformedFileError(f"{name}: the batch has labels outside 0 to {classes - 1}")
    return images.reshape(-1, CHANNELS, SIDE, SIDE), labels


def read_binary_batch(data: bytes, name: str, label_bytes: int = 1, classes: int = 10) -> tuple[np.ndarray, list[int]]:
    """One batch of records (labels, the last of which counts, then red, green, blue) -> (images, labels) as above."""
    length = label_bytes + PIXELS
    if len(data) % length:
        raise TruncatedFileError(f"{name}: {len(data):,} bytes are no whole number of records of {length:,} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, length)
    labels = records[:, label_bytes - 1]
    if labels.size and labels.max() >= classes:
        raise MalformedFileError(f"{name}: a record has the label {labels.max()}; classes are 0 to {classes - 1}")
    return records[:, label_bytes:].reshape(-1, CHANNELS, SIDE, SIDE), labels.tolist()


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than `limit` bytes (a gzip bomb)."""

    def __init__(self, stream: gzip.GzipFile, limit: int):
        self.stream, self.left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.stream.read(len(buffer))
        self.left -= len(block)
        if self.left < 0:
            raise MalformedFileError(f"the archive unpacks to more than {MAX_ARCHIVE:,} bytes")
        buffer[: len(block)] = block
        return len(block)


def read_archive(path: Path, folder: str, names: Iterable[str]) -> dict[str, bytes]:
    """The contents of `folder/name` for each of `names` in a tar.gz. Nothing is written to the disk.

    Only plain files of the exact path count; links, devices, absolute paths and doubles are refused or passed over.
    """
    wanted = {f"{folder}/{name}": name for name in names}
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path, "rb") as unpacked:
            limited = _Limited(unpacked, MAX_ARCHIVE)
            archive = tarfile.open(fileobj=limited, mode="r|")  # type: ignore[call-overload]
            for member in archive:
                name = wanted.get(member.name)
                if name is None:
                    continue
                if name in found or not member.isreg() or member.size > MAX_MEMBER:
                    raise MalformedFileError(f"{member.name} is there twice, no plain file, or too large")
                stream = archive.extractfile(member)
                assert stream is not None
                found[name] = stream.read()
            while limited.read(1 << 20):  # only at its end gzip looks at the checksum
                pass
    except DatasetError as error:
        raise type(error)(f"{path}: {error}") from error
    except EOFError as error:
        raise TruncatedFileError(f"{path}: the archive ends too early. Delete it and download it again.") from error
    except (tarfile.TarError, OSError, zlib.error, ValueError) as error:
        raise MalformedFileError(f"{path}: damaged archive ({error}). Delete it and download it again.") from error
    missing = [name for name in wanted if wanted[name] not in found]
    if missing:
        raise MalformedFileError(f"{path}: the archive lacks {', '.join(missing)}")
    return found
