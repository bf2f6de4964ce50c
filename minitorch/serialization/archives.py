"""torch's two kinds of files around a pickle: the zip archive (since 1.6) and the sequence of pickles before it.

Zip: `NAME/data.pkl` refers to storages by key, `NAME/data/KEY` holds the bytes of one, uncompressed, `NAME/byteorder`
says in which order ("little" when it is missing).
Sequence: a magic number, a version, facts about the system, the object, the keys of its storages, then for each its
number of elements (int64) and its bytes. Source: torch's documentation, "Serialization semantics", and files it wrote.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from typing import IO, Any

import numpy as np

from ..dtypes import ALL
from ..io.safetensors import CheckpointError
from .unpickler import Opener, StorageType, restricted

MAGIC, VERSION = pickle.dumps(0x1950A86A20F9469CFC6C, 2), 1001


def _parts(pid: Any, length: int) -> tuple[np.dtype, str, int]:
    """(dtype, key, elements) of a reference ("storage", type, key, location, elements[, view])."""
    if type(pid) is not tuple or len(pid) != length or pid[0] != "storage" or not isinstance(pid[1], StorageType):
        raise CheckpointError("it refers to something that is no storage")
    _, kind, key, _, elements = pid[:5]
    if not isinstance(key, str) or type(elements) is not int or elements < 0:
        raise CheckpointError("it refers to a storage without a proper key or size")
    return next(dtype for dtype in ALL if dtype.name == kind.dtype).numpy, key, elements


def read_zip(file: IO[bytes], opener: Opener) -> Any:
    """The object in a zip archive. CheckpointError."""
    size = file.seek(0, io.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            return _Archive(archive, size).read(opener)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise CheckpointError(f"the archive is damaged ({error})") from error
    except (EOFError, KeyError, IndexError, OverflowError, UnicodeError) as error:
        raise CheckpointError(f"the archive is damaged ({error!r})") from error


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, size: int):
        self.archive = archive
        self.left = size  # what may still be read: entries that overlap could add up to more than the file
        self.entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            _, _, name = entry.filename.partition("/")
            if name in self.entries:
                raise CheckpointError(f"the archive has {entry.filename} twice")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise CheckpointError(f"{entry.filename} is compressed or encrypted, which torch never does")
            self.entries[name] = entry
        self.storages: dict[str, np.ndarray] = {}  # their bytes
        self.turned: dict[tuple, np.ndarray] = {}  # those of a file in the other byte order, by key and type
        self.swapped = False

    def read(self, opener: Opener) -> Any:
        if "data.pkl" not in self.entries:
            raise CheckpointError("the archive has no data.pkl: it is no file that torch.save wrote")
        if "constants.pkl" in self.entries:
            raise CheckpointError("it is a TorchScript program, of which only torch can make a module")
        if "byteorder" in self.entries:
            order = bytes(self.content("byteorder"))
            if order not in (b"little", b"big"):
                raise CheckpointError(f"its byte order is {order[:20]!r}")
            self.swapped = order.decode() != sys.byteorder
        return opener(io.BytesIO(self.content("data.pkl").tobytes()), self.storage)

    def content(self, name: str) -> np.ndarray:
        """The bytes of an entry, held to its checksum."""
        entry = self.entries.get(name)
        if entry is None:
            raise CheckpointError(f"the archive lacks {name}")
        self.left -= entry.file_size
        if self.left < 0 or entry.file_size != entry.compress_size:
            raise CheckpointError("the entries of the archive are larger than the file")
        content = np.empty(entry.file_size, np.uint8)
        with self.archive.open(entry) as stream:
            if stream.readinto(content) != len(content):  # type: ignore[attr-defined]
                raise CheckpointError(f"{entry.filename} ends too early")
            stream.read(1)  # at the end the checksum is looked at
        return content

    def storage(self, pid: Any) -> np.ndarray:
        dtype, key, elements = _parts(pid, 5)
        if key not in self.storages:
            self.storages[key] = self.content(f"data/{key}")
        memory = self.storages[key]
        if memory.nbytes != elements * dtype.itemsize:
            raise CheckpointError(
                f"storage {key} has {memory.nbytes:,} bytes instead of {elements:,} elements of {dtype}"
            )
        if not self.swapped:
            return memory.view(dtype)
        if (key, dtype) not in self.turned:
            self.turned[key, dtype] = memory.view(dtype).byteswap()
        return self.turned[key, dtype]


def read_legacy(file: IO[bytes], opener: Opener) -> Any:
    """The object in a sequence of pickles, or in a single one that `save` made. CheckpointError."""
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    try:
        if file.read(len(MAGIC)) == MAGIC:
            return _Sequence(file, size).read(opener)
        file.seek(start)
        return opener(file, _no_storage)
    except (EOFError, struct.error, OverflowError) as error:
        raise CheckpointError(f"the file is damaged or cut off ({error!r})") from error


def _no_storage(pid: Any) -> np.ndarray:
    raise CheckpointError("it refers to objects outside the file")


class _Sequence:
    def __init__(self, file: IO[bytes], size: int):
        self.file = file
        self.left = size
        self.storages: dict[str, np.ndarray] = {}  # their bytes, which come after the object
        self.itemsizes: dict[str, int] = {}

    def read(self, opener: Opener) -> Any:
        version = restricted(self.file, _no_storage)
        if version != VERSION:
            raise CheckpointError(f"it has version {version!r:.20} of torch's old format, known is {VERSION}")
        system = restricted(self.file, _no_storage)
        if not isinstance(system, dict) or system.get("little_endian") is not True or sys.byteorder != "little":
            raise CheckpointError("it comes from a machine of another byte order")
        obj = opener(self.file, self.storage)
        keys = restricted(self.file, _no_storage)
        if not isinstance(keys, list) or set(map(repr, keys)) != set(map(repr, self.storages)):
            raise CheckpointError("it does not hold the storages that it refers to")
        for key in keys:
            memory = self.storages[key]
            (elements,) = struct.unpack("<q", self.file.read(8))
            if elements * self.itemsizes[key] != memory.nbytes:
                raise CheckpointError(f"storage {key} has {elements:,} elements, it was announced with another size")
            if self.file.readinto(memory) != memory.nbytes:  # type: ignore[attr-defined]
                raise CheckpointError(f"storage {key} ends too early")
        return obj

    def storage(self, pid: Any) -> np.ndarray:
        dtype, key, elements = _parts(pid, 6)
        if pid[5] is not None:
            raise CheckpointError("it has a view of a storage, as only torch before 0.4 wrote")
        if key not in self.storages:
            self.left -= elements * dtype.itemsize
            if self.left < 0:
                raise CheckpointError("its storages are larger than the file")
            self.storages[key] = np.zeros(elements * dtype.itemsize, np.uint8)
            self.itemsizes[key] = dtype.itemsize
        memory = self.storages[key]
        if memory.nbytes != elements * dtype.itemsize:
            raise CheckpointError(f"storage {key} is given two sizes")
        return memory.view(dtype)
