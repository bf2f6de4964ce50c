"""`save` and `load`, under torch.serialization's names.

What is saved is written as a safetensors checkpoint (io/checkpoint.py) when it consists of data: numbers, texts,
tensors, and dicts, lists, tuples and sets of them. Anything else (a whole module, say) is pickled. What torch saved is
read as well: `.pt` files in its present form, a zip archive, and in its old one, a sequence of pickles.

Reading runs no code of the file, unless one asks for it with `weights_only=False`.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import tempfile
from pathlib import Path
from typing import IO, Any

from ..core.tensor import Tensor, wrap
from ..devices import check_device, device
from ..io.atomic import replacing
from ..io.checkpoint import KEY, from_arrays, to_bytes
from ..io.safetensors import CheckpointError, load_arrays
from ..nn.parameter import Parameter
from .allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .archives import read_legacy, read_zip
from .unpickler import Opener, UnsafeFileError, restricted, trusting

__all__ = [
    "CheckpointError", "UnsafeFileError", "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals",
    "save",
]  # fmt: skip

TENSOR_KINDS = {"tensor": Tensor, "parameter": Parameter}


def save(
    obj: Any,
    f: str | Path | IO[bytes],
    pickle_module: Any = pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write `obj` to a path (atomically: the old file stays until the new one is whole) or to an open binary file.

    Tensors that share memory share it again after `load`, whatever their layout. The last three arguments are torch's
    and change nothing.
    """
    try:
        content = to_bytes(obj, TENSOR_KINDS)
    except TypeError:
        content = pickle.dumps(obj, 5)  # no plain data: only pickle can name its classes
    if not isinstance(f, (str, Path)):
        f.write(content)
        return
    if not Path(f).parent.is_dir():
        raise RuntimeError(f"Parent directory {Path(f).parent} does not exist.")
    with replacing(f) as temporary:
        temporary.write_bytes(content)


def load(
    f: str | Path | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what `save` or torch wrote, or any safetensors file (as a dict of tensors).

    map_location: where the tensors go; only "cpu" can be asked for, and where they were saved from does not matter.
    weights_only: False lets the file name any class or function and call it. Then it can do whatever you can: use it for
    files of your own only. Otherwise such a file is refused with an `UnsafeFileError` that says what it asked for, unless
    the program vouches for that: `with serialization.safe_globals([Config]):`.

    FileNotFoundError; `CheckpointError` for a file that is damaged, cut off or something else.
    """
    if isinstance(map_location, (str, device)):
        wanted = device(map_location)
        if wanted.type == "cuda":
            raise RuntimeError(
                "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False: minitorch "
                "computes on the CPU. Use torch.load with map_location=torch.device('cpu')"
            )
        check_device(wanted)
    opener: Opener = trusting if weights_only is False else restricted
    if isinstance(f, (str, Path)):
        if not Path(f).is_file():
            raise FileNotFoundError(f"[Errno 2] No such file or directory: '{f}'")
        with open(f, "rb") as file:
            return _read(file, str(f), opener)
    return _read(f, getattr(f, "name", None) or f"the {type(f).__name__}", opener)


def _read(file: IO[bytes], name: str, opener: Opener) -> Any:
    if not file.seekable():
        file = io.BytesIO(file.read())
    start = file.tell()
    head = file.read(9)
    file.seek(start)
    try:
        if head.startswith(b"PK\x03\x04"):
            return read_zip(file, opener)
        if head[8:] == b"{":
            return _read_safetensors(file, name)
        if head.startswith(b"\x80"):
            return read_legacy(file, opener)
    except CheckpointError as error:
        raise type(error)(f"{name}: {error}") from error
    what = "is empty" if not head else "is neither a checkpoint nor a torch file, as its first bytes show"
    raise CheckpointError(f"{name}: the file {what}")


def _read_safetensors(file: IO[bytes], name: str) -> Any:
    """From a file on the disk, as the library wants it."""
    with contextlib.ExitStack() as stack:
        path = Path(name)
        if not isinstance(getattr(file, "name", None), str) or file.tell():
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "content"
            path.write_bytes(file.read())
        arrays, metadata = load_arrays(path)
    if KEY in metadata:
        return from_arrays(name, arrays, metadata, TENSOR_KINDS)
    if any(mark in text for text in metadata.values() for mark in ('"sha256": "', '{"version": ', '"tree": ')):
        raise CheckpointError(f"{name} is damaged: the name of its header cannot be read")
    return {key: wrap(array) for key, array in arrays.items()}
