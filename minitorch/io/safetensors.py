"""Tensors in a file: the safetensors format (a JSON header with names, types, shapes and offsets, then the raw bytes).

https://github.com/huggingface/safetensors, Format. Reading one runs no code, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..core.tensor import Tensor, wrap
from ..dtypes import bfloat16
from .atomic import replacing


class CheckpointError(RuntimeError):
    """A file cannot be read as what it should be; the message names it and says what is wrong."""


def save_file(
    tensors: Mapping[str, Tensor | np.ndarray], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors of any layout to `path`, atomically, with `metadata` as texts in the header.

    TypeError for a value that is neither Tensor nor ndarray, or of a type the format does not have.
    """
    content = serialised(tensors, metadata)
    # Not the library's own save_file: a kill would leave its temporary file behind, under a name nobody knows.
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def serialised(tensors: Mapping[str, Tensor | np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a file with these tensors. TypeError as for `save_file`."""
    from safetensors import SafetensorError
    from safetensors.numpy import save

    # The writer takes the memory as it lies, whatever the strides say: everything must be in C order first.
    # (ascontiguousarray makes 0-dim arrays 1-dim, hence the reshape.)
    arrays = {name: _in_c_order(name, value) for name, value in tensors.items()}
    try:
        return save(arrays, metadata=None if metadata is None else dict(metadata))
    except SafetensorError as error:
        raise TypeError(f"the tensors cannot be written: {error}") from error


def _in_c_order(name: str, value: Tensor | np.ndarray) -> np.ndarray:
    array = value.array if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray):
        raise TypeError(f"'{name}' is a {type(value).__name__}; only tensors and arrays can be saved")
    return np.ascontiguousarray(array).reshape(array.shape)


def load_file(path: str | Path) -> dict[str, Tensor]:
    """The named tensors in `path`. FileNotFoundError, or `CheckpointError` for a damaged file."""
    return {name: wrap(array) for name, array in load_arrays(path)[0].items()}


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays in `path`, writable and independent of the file, and the texts of its header."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="np") as file:
            if any(file.get_slice(name).get_dtype() == "BF16" for name in file.keys()):
                _ = bfloat16.numpy  # NumPy learns the type when ml_dtypes is loaded
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error
