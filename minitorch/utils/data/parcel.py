"""Objects on their way between processes: pickled, with their large arrays in memory that both sides map.

A large array is written once, into a file without a name (`memfd_create`), of which the other process gets the
descriptor. Nothing ever stands in the file system, so nothing can be left behind: the memory goes when the last
mapping does, whoever was killed before. Where the system has no such files, the bytes travel through the pipe.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import weakref
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

LARGE = 1 << 16  # bytes from which on a file of its own is cheaper than the pipe
HAS_FILES = hasattr(os, "memfd_create")


class Segment:
    """A part of a parcel in a nameless file."""

    def __init__(self, descriptor: int, size: int):
        self.descriptor, self.size = descriptor, size

    @classmethod
    def of(cls, content: memoryview) -> Segment:
        descriptor = os.memfd_create("minitorch", os.MFD_CLOEXEC)
        try:
            left = content
            while left.nbytes:
                left = left[os.write(descriptor, left) :]
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, content.nbytes)

    def map(self, private: bool) -> memoryview:
        """The memory, writable: shared by all who map it, or copied page by page when written to (`private`)."""
        # Not mmap.mmap: it keeps a descriptor open as long as the memory lives, and a process has only so many.
        system = ctypes.CDLL(None, use_errno=True)
        system.mmap.restype = ctypes.c_void_p
        length, flags = ctypes.c_size_t(self.size), mmap.MAP_PRIVATE if private else mmap.MAP_SHARED
        address = system.mmap(
            None, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, self.descriptor, ctypes.c_long(0)
        )  # fmt: skip
        if address == ctypes.c_void_p(-1).value:
            error = ctypes.get_errno()
            raise OSError(error, f"{self.size:,} bytes of shared memory cannot be mapped: {os.strerror(error)}")
        memory = (ctypes.c_ubyte * self.size).from_address(address)
        release = weakref.finalize(memory, system.munmap, ctypes.c_void_p(address), length)
        release.atexit = False  # whoever still uses it then must be able to
        return memoryview(memory).cast("B")

    def close(self) -> None:
        os.close(self.descriptor)


class Parcel:
    """An object taken apart: `parts[0]` is its pickle (protocol 5), the others are the buffers that it refers to."""

    def __init__(self, parts: list):
        self.parts = parts

    @classmethod
    def of(cls, value: Any) -> Parcel:
        """Raises what pickling `value` raises."""
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(value, 5, buffer_callback=buffers.append)
        parcel = cls([])
        try:
            for content in (memoryview(data), *(buffer.raw() for buffer in buffers)):
                is_large = HAS_FILES and content.nbytes >= LARGE
                parcel.parts.append(Segment.of(content) if is_large else bytearray(content))
        except BaseException:
            parcel.close()
            raise
        return parcel

    def open(self, private: bool = False) -> Any:
        """The object; its large arrays lie in the mapped memory."""
        data, *buffers = [part.map(private) if isinstance(part, Segment) else part for part in self.parts]
        return pickle.loads(data, buffers=buffers)

    def close(self) -> None:
        """Give the descriptors back; what is mapped stays."""
        for part in self.parts:
            if isinstance(part, Segment):
                part.close()

    def send(self, connection: Connection) -> None:
        """Put it into a pipe."""
        sizes = [part.size if isinstance(part, Segment) else None for part in self.parts]
        connection.send((sizes, [part for part in self.parts if not isinstance(part, Segment)]))
        for part in self.parts:
            if isinstance(part, Segment):
                reduction.send_handle(connection, part.descriptor, None)

    @classmethod
    def receive(cls, connection: Connection) -> Parcel:
        """Take the next one out of a pipe. EOFError or OSError when the other side is gone."""
        sizes, rest = connection.recv()
        small, parcel = iter(rest), cls([])
        try:
            for size in sizes:
                is_small = size is None
                parcel.parts.append(next(small) if is_small else Segment(reduction.recv_handle(connection), size))
        except BaseException:
            parcel.close()
            raise
        return parcel

    # As an argument of a process that is being started: the descriptors are inherited.

    def __getstate__(self) -> list:
        return [(reduction.DupFd(p.descriptor), p.size) if isinstance(p, Segment) else p for p in self.parts]

    def __setstate__(self, parts: list) -> None:
        self.parts = [Segment(p[0].detach(), p[1]) if isinstance(p, tuple) else p for p in parts]


def send(connection: Connection, value: Any) -> None:
    """Pickle `value` and put it into a pipe."""
    parcel = Parcel.of(value)
    try:
        parcel.send(connection)
    finally:
        parcel.close()


def receive(connection: Connection) -> Any:
    """The next object out of a pipe."""
    parcel = Parcel.receive(connection)
    try:
        return parcel.open()
    finally:
        parcel.close()
