"""torch.hub: files from the network, kept in a folder so that they are fetched once.

The folder is TORCH_HOME/hub, or ~/.cache/torch/hub, as torch's, so that files that torch fetched are found.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import re
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

HASH = re.compile(r"-([a-f0-9]*)\.")  # resnet18-5c106cde.pth: the digits are the start of the file's SHA-256
CHUNK = 1 << 16


class _Folder:
    chosen: str | None = None


def get_dir() -> str:
    """The folder that files are kept in."""
    if _Folder.chosen is not None:
        return _Folder.chosen
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Keep files in another folder."""
    _Folder.chosen = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetch a file; `dst` appears when it is complete and, with `hash_prefix`, its SHA-256 begins so.

    RuntimeError for another hash; what was fetched is removed. progress: say on stderr what is fetched.
    """
    target = Path(dst).expanduser()
    if progress:
        print(f'Downloading: "{url}" to {target}', file=sys.stderr)
    request = urllib.request.Request(url, headers={"User-Agent": "minitorch.hub"})
    digest = hashlib.sha256()
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".partial")
    try:
        with urllib.request.urlopen(request) as source, os.fdopen(handle, "wb") as file:
            while chunk := source.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
        shutil.move(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)


_download_url_to_file = download_url_to_file


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> dict[str, Any]:
    """The state_dict in a file of the network, fetched on first use.

    check_hash: the file's name ends in the start of its SHA-256, which must be right.
    """
    folder = Path(model_dir) if model_dir is not None else Path(get_dir(), "checkpoints")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    name = file_name or os.path.basename(urllib.parse.urlparse(url).path)
    file = folder / name
    if not file.exists():
        found = HASH.search(name) if check_hash else None
        download_url_to_file(url, str(file), found.group(1) if found else None, progress)
    package = importlib.import_module(__package__ or "minitorch")
    return package.load(file, map_location=map_location, weights_only=weights_only)
