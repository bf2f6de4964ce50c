"""What the exhibits' models have learnt, kept on disk: each is trained once, and again when anything that it depends on changes.

The file's name carries a hash of all code of minitorch and of the exhibit's settings, so there is nothing to be invalidated.
The folder is `cache_home()` / demo. Where it cannot be written, a model is trained at every start.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from ..io import load_checkpoint, save_checkpoint
from ..vision.datasets.download import cache_home
from .exhibit import Exhibit

PACKAGE = Path(__file__).parent.parent


@functools.cache
def source_hash() -> str:
    """Of all Python files of minitorch: another kernel or another optimizer leads to other weights too."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def file_of(exhibit: Exhibit) -> Path:
    """RuntimeError where there is no home folder."""
    settings = json.dumps(exhibit.settings(), sort_keys=True)
    digest = hashlib.sha256(f"{source_hash()}\0{settings}".encode()).hexdigest()
    return cache_home() / "demo" / f"{exhibit.name}-{digest[:16]}.safetensors"


def restore(exhibit: Exhibit) -> bool:
    """Give the prepared model the weights that were kept; False where there are none, or none that can be read."""
    try:
        exhibit.model.load_state_dict(load_checkpoint(file_of(exhibit))["model"])
    except (OSError, RuntimeError, KeyError):  # among them CheckpointError, for a damaged file
        return False
    return True


def keep(exhibit: Exhibit) -> None:
    """Write the weights, and remove those of other versions. Where that is not possible, nothing happens."""
    try:
        path = file_of(exhibit)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, {"model": dict(exhibit.model.state_dict())})
        for other in path.parent.glob(f"{exhibit.name}-*.safetensors"):
            if other != path:
                other.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        pass
