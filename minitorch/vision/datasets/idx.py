"""The IDX format of MNIST and its relatives (Y. LeCun, C. Cortes, C. Burges, "The MNIST database", 1998).

offset  bytes
0       2       zero
2       1       element type: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64
3       1       number of dimensions
4       4 each  sizes of the dimensions, big-endian
then            the elements, big-endian, last dimension fastest
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from .download import MalformedFileError, TruncatedFileError

ELEMENT_TYPES = {8: np.uint8, 9: np.int8, 11: np.int16, 12: np.int32, 13: np.float32, 14: np.float64}
GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES, BLOCK = 1 << 30, 1 << 20


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file, plain or gzip-compressed (told apart by content, not by name), into a native-endian array.

    Never reads more than the header announces, nor an announced size above 1 GiB.
    Raises `MalformedFileError` for a wrong magic number, element type or length, `TruncatedFileError` for a short one.
    """
    path = Path(path)
    with open(path, "rb") as handle:
        compressed = handle.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path, "rb") if compressed else open(path, "rb") as stream:
            dtype, shape = _read_header(stream, path)
            length = math.prod(shape) * dtype.itemsize
            if length > MAX_BYTES:
                raise MalformedFileError(f"{path}: the header announces a size of {shape}, above {MAX_BYTES:,} bytes")
            # Block by block: a reader given a size makes room for all of it, whether so much comes or not.
            data = bytearray()
            while len(data) <= length and (block := stream.read(min(BLOCK, length + 1 - len(data)))):
                data += block
    except EOFError as error:
        raise TruncatedFileError(f"{path}: the compressed data end too early. {AGAIN}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise MalformedFileError(f"{path}: damaged gzip data ({error}). {AGAIN}") from error
    if len(data) < length:
        raise TruncatedFileError(f"{path}: {len(data):,} of {length:,} data bytes are there. {AGAIN}")
    if len(data) > length:
        raise MalformedFileError(f"{path}: bytes follow after the {length:,} that the header announces. {AGAIN}")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=True).reshape(shape)


AGAIN = "Delete it and download it again."


def _read_header(stream, path: Path) -> tuple[np.dtype, tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise TruncatedFileError(f"{path}: only {len(magic)} bytes, not even an IDX header. {AGAIN}")
    zero, code, ndim = struct.unpack(">HBB", magic)
    if zero != 0 or code not in ELEMENT_TYPES or not 1 <= ndim <= 8:
        raise MalformedFileError(f"{path}: not an IDX file (its magic number is 0x{magic.hex()}). {AGAIN}")
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise TruncatedFileError(f"{path}: the IDX header ends too early. {AGAIN}")
    return np.dtype(ELEMENT_TYPES[code]).newbyteorder(">"), struct.unpack(f">{ndim}I", sizes)
