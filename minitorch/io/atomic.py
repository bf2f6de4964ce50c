"""Writing a file so that its name always stands for a whole file, whenever the process or the machine dies."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_serial = count()


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; what is written there takes the place of `path` at the end.

    The data reach the disk before the name does (fsync, then rename), and a rename within one folder is atomic: a
    reader, or whoever comes after a crash, finds the old file or the new one. If the block raises, `path` stays as it
    was. Leftovers of processes that were killed while writing the same file are removed.
    """
    path = Path(path)
    prefix = f".{path.name}.{socket.gethostname()}-"
    for leftover in path.parent.glob(f"{prefix}*.tmp"):
        if not _is_running(leftover.name.removeprefix(prefix).split("-")[0]):
            leftover.unlink(missing_ok=True)
    temporary = path.with_name(f"{prefix}{os.getpid()}-{next(_serial)}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _is_running(process: str) -> bool:
    """Whether a process of that number lives on this machine; when in doubt, yes."""
    if os.name != "posix" or not process.isdigit():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; Windows neither needs nor allows this."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
