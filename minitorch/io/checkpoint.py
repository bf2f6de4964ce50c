"""Checkpoints: any tree of dicts, lists, tuples, numbers, texts and tensors in one safetensors file.

The tensors are stored under their path in the tree (`model.conv1.weight`, `optimizer.state.0.exp_avg`), so that every
safetensors reader finds them; the rest of the tree is JSON in the header, with a SHA-256 over everything, because the
format itself does not notice a flipped bit. Reading runs no code; writing is atomic (see `atomic`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .atomic import replacing
from .safetensors import CheckpointError, load_arrays, serialised
from .tree import TENSORS, pack, unpack

KEY, VERSION = "minitorch.checkpoint", 2
READABLE = (1, 2)  # version 1 knew fewer kinds of values


def save_checkpoint(path: str | Path, tree: dict[str, Any]) -> None:
    """Write `tree` to `path`, atomically. TypeError for a value that a checkpoint cannot hold, naming its place."""
    with replacing(path) as temporary:
        temporary.write_bytes(to_bytes(tree))


def to_bytes(tree: Any, tensor_kinds: Mapping[str, type[Tensor]] = TENSORS) -> bytes:
    """The content of a checkpoint file with `tree`; see `pack` for `tensor_kinds`."""
    packed, arrays = pack(tree, tensor_kinds)
    text = json.dumps(packed)
    header = json.dumps({"version": VERSION, "sha256": _digest(text, arrays), "tree": packed})
    return serialised(arrays, {KEY: header})


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: the same tree, with new tensors and arrays.

    FileNotFoundError when there is none; `CheckpointError` when it is damaged, cut off or something else.
    """
    arrays, metadata = load_arrays(path)
    if KEY not in metadata:
        raise CheckpointError(f"{path} is a safetensors file but no minitorch checkpoint")
    return from_arrays(path, arrays, metadata)


def from_arrays(
    path: str | Path,
    arrays: dict[str, np.ndarray],
    metadata: Mapping[str, str],
    tensor_kinds: Mapping[str, type[Tensor]] = TENSORS,
) -> Any:
    """The tree in what `load_arrays` read from `path`."""
    try:
        header = json.loads(metadata[KEY])
        version, digest, packed = header["version"], header["sha256"], header["tree"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read ({error!r})") from error
    if version not in READABLE:
        raise CheckpointError(f"{path} was written in version {version!r} of the format, this is version {VERSION}")
    if _digest(json.dumps(packed), arrays) != digest:
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    try:
        return unpack(packed, arrays, tensor_kinds)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RuntimeError) as error:
        raise CheckpointError(f"{path} is no checkpoint that minitorch wrote ({error!r})") from error


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over the tree's text and every array's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{array.dtype.name}\0{arrays[name].shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
