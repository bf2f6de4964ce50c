"""Downloads that survive a bad line: checksums, continuation of partial files, mirrors, atomic arrival.

A file is written to `<name>.part`, continued there with an HTTP Range request (RFC 9110, section 14) when a connection
breaks, checked against its published SHA-256, and only then renamed to `<name>`: whatever carries the final name is
whole. Every way to fail has its own exception and says which file it concerns and what to do.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 18
Progress = Callable[[int, int], None]


class DatasetError(RuntimeError):
    """A data set cannot be had or read; the message names the file and says what to do."""


class DownloadError(DatasetError):
    """No server could be reached, or it does not have the file."""


class ChecksumError(DatasetError):
    """The file is not the published one."""


class TruncatedFileError(DatasetError):
    """The file ends too early."""


class MalformedFileError(DatasetError):
    """The file is not in the format its name promises."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name on every mirror, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


def cache_home() -> Path:
    """The folder for all that minitorch keeps: `$MINITORCH_HOME`, `$XDG_CACHE_HOME/minitorch`, `~/.cache/minitorch`."""
    if home := os.environ.get("MINITORCH_HOME"):
        return Path(home).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "minitorch"


def dataset_home() -> Path:
    """The folder into which data sets are downloaded when no other is named."""
    return cache_home() / "datasets"


def sha256_of(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(path: Path, file: RemoteFile) -> None:
    """Raise `TruncatedFileError` or `ChecksumError` unless `path` holds exactly the published `file`."""
    size = path.stat().st_size
    if size < file.size:
        raise TruncatedFileError(
            f"{path} is truncated: {size:,} of {file.size:,} bytes. Delete it and download it again."
        )
    digest = sha256_of(path)
    if digest != file.sha256:
        raise ChecksumError(
            f"{path} has the wrong checksum: SHA-256 {digest}, published is {file.sha256}. "
            "Delete it and download it again."
        )


def fetch(
    file: RemoteFile,
    folder: Path,
    mirrors: Sequence[str],
    *,
    progress: Progress | None = None,
    attempts: int = 4,
    timeout: float = 30.0,
    pause: float = 0.5,
) -> Path:
    """Return the path of `file` in `folder`, downloading it from the first mirror that delivers it.

    `mirrors` are URL prefixes. A file that is there and whole is not fetched again; one that is there and wrong is
    replaced once the right one has arrived. `progress(done, total)` is called after every block. `attempts` is the
    number of connections tried per mirror, with pauses of `pause`, 2 `pause`, 4 `pause`... seconds between them.

    Raises `DownloadError`, `TruncatedFileError` or `ChecksumError` when no mirror delivered it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    with _locked(folder):
        if target.exists() and target.stat().st_size == file.size and sha256_of(target) == file.sha256:
            return target
        part = target.with_name(target.name + ".part")
        failures: list[DatasetError] = []
        for mirror in mirrors:
            try:
                _download(mirror + file.name, part, file, progress, attempts, timeout, pause)
            except DatasetError as error:
                failures.append(error)
            else:
                os.replace(part, target)
                return target
    # A wrong or a cut file says more about what happened than a server that did not answer.
    for kind in (ChecksumError, TruncatedFileError, DownloadError):
        if any(isinstance(error, kind) for error in failures):
            reasons = "\n".join(f"  {error}" for error in failures)
            raise kind(f"could not download {file.name}:\n{reasons}\n{_advice(kind, folder)}")
    raise DownloadError(f"could not download {file.name}: no mirror is known for it")


def _advice(kind: type[DatasetError], folder: Path) -> str:
    if kind is ChecksumError:
        return "The server sends another file than the published one. Try again later or fetch the file by hand."
    if kind is TruncatedFileError:
        return f"What has arrived is kept in {folder}. Run the same command again to continue there."
    return f"Check the network connection, or put the file into {folder} yourself."


def _download(
    url: str, part: Path, file: RemoteFile, progress: Progress | None, attempts: int, timeout: float, pause: float
) -> None:
    """Bring `part` to the whole of `file` from one `url`."""
    reason: DatasetError = DownloadError(f"{url}: no attempt was made")
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        start = part.stat().st_size if part.exists() else 0
        if start > file.size:
            part.unlink()
            start = 0
        if start < file.size:
            try:
                start = _transfer(url, part, start, file.size, progress, timeout)
            except _Temporary as error:
                reason = DownloadError(f"{url}: {error}")
                continue
            size = part.stat().st_size
            if size < file.size:
                reason = TruncatedFileError(f"{url}: the connection ended after {size:,} of {file.size:,} bytes")
                continue
        if sha256_of(part) == file.sha256:
            return
        part.unlink()
        reason = ChecksumError(f"{url}: wrong checksum, SHA-256 should be {file.sha256}")
        if start == 0:
            raise reason
        # The first part came from elsewhere (another mirror, another day): once more from the beginning.
    raise reason


class _Temporary(Exception):
    """A failure that another attempt may mend."""


def _transfer(url: str, part: Path, start: int, size: int, progress: Progress | None, timeout: float) -> int:
    """One connection: append what `url` sends from byte `start` on. Return the byte at which the server did start."""
    headers = {"User-Agent": "minitorch", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            start, total = _extent(response, start)
            if total is not None and total != size:
                raise ChecksumError(f"{url}: the server offers {total:,} bytes, the published file has {size:,}")
            with open(part, "ab") as handle:
                handle.truncate(start)
                done = start
                # One byte more than the file has is enough to know that it is the wrong one.
                while block := response.read(min(BLOCK, size + 1 - done)):
                    handle.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(min(done, size), size)
                    if done > size:
                        break
                handle.flush()
                os.fsync(handle.fileno())
            if done > size:
                part.unlink()
                raise ChecksumError(f"{url}: the server sends more than the {size:,} bytes of the published file")
            return start
    except urllib.error.HTTPError as error:
        error.close()  # it is the response too, and would hold the connection
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise _Temporary("the server cannot continue the file") from error
        if error.code == http.HTTPStatus.TOO_MANY_REQUESTS or error.code >= 500:
            raise _Temporary(f"HTTP {error.code} {error.reason}") from error
        raise DownloadError(f"{url}: HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise DownloadError(f"{url}: no network, or the server's name is unknown ({error.reason})") from error
        raise _Temporary(f"no connection ({error.reason})") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _Temporary(f"the connection broke ({error or type(error).__name__})") from error


def _extent(response, start: int) -> tuple[int, int | None]:
    """(first byte the server sends, size of the whole file if it says so)."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise _Temporary("the server continues at another place than asked")
        return start, None if match[2] == "*" else int(match[2])
    # 200: the server does not know Range and sends everything from the start.
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One download into `folder` at a time; a second process waits and then finds the file there."""
    try:
        import fcntl
    except ImportError:  # Windows: two downloads at once end in a checksum error and a second attempt
        yield
        return
    with open(folder / ".lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """A bar on the standard error stream with bytes, speed and time left; silent when that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
