"""Checkpoints: any tree of dicts, lists, tuples, numbers, texts and tensors in one safetensors file.

The tensors are stored under their path in the tree (`model.conv1.weight`, `optimizer.state.0.exp_avg`), so that every
safetensors reader finds them; the rest of the tree is JSON in the header, with a SHA-256 over everything, because the
format itself does not notice a flipped bit. Reading runs no code; writing is atomic (see `atomic`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from .safetensors import CheckpointError, load_arrays, save_file

KEY, VERSION = "minitorch.checkpoint", 1


def save_checkpoint(path: str | Path, tree: dict[str, Any]) -> None:
    """Write `tree` to `path`, atomically. TypeError for a value that a checkpoint cannot hold, naming its place."""
    arrays: dict[str, np.ndarray] = {}
    packed = _pack(tree, "", arrays)
    text = json.dumps(packed)
    header = json.dumps({"version": VERSION, "sha256": _digest(text, arrays), "tree": packed})
    save_file(arrays, path, {KEY: header})


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: the same tree, with new tensors and arrays.

    FileNotFoundError when there is none; `CheckpointError` when it is damaged, cut off or something else.
    """
    arrays, metadata = load_arrays(path)
    if KEY not in metadata:
        raise CheckpointError(f"{path} is a safetensors file but no minitorch checkpoint")
    try:
        header = json.loads(metadata[KEY])
        version, digest, packed = header["version"], header["sha256"], header["tree"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read ({error!r})") from error
    if version != VERSION:
        raise CheckpointError(f"{path} was written in version {version!r} of the format, this is version {VERSION}")
    if _digest(json.dumps(packed), arrays) != digest:
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    try:
        return _unpack(packed, arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no checkpoint that minitorch wrote ({error!r})") from error


def _pack(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON; the tensors in it go to `arrays`. Every container is a one-entry dict that names its kind."""
    if isinstance(value, (Tensor, np.ndarray)):
        name = place
        while name in arrays:  # {"a.b": t} and {"a": {"b": t}} would meet
            name += "_"
        arrays[name] = value.array if isinstance(value, Tensor) else value
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    prefix = f"{place}." if place else ""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int, float, bool)):
                raise TypeError(f"a checkpoint cannot hold the key {key!r} at '{place}'")
        return {"dict": [[key, _pack(item, f"{prefix}{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_pack(item, f"{prefix}{index}", arrays) for index, item in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": items}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__} at '{place}'")


def _unpack(packed: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return wrap(arrays[content])
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _unpack(item, arrays) for key, item in content}
    return {"list": list, "tuple": tuple}[kind](_unpack(item, arrays) for item in content)


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over the tree's text and every array's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{array.dtype.name}\0{arrays[name].shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
