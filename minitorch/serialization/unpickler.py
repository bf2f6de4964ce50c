"""Reading torch's pickles without running them.

A pickle is a program: it names functions and calls them. `RestrictedUnpickler` knows the instructions that data need,
and of functions only the dozen that torch writes for tensors, parameters and a few containers. Each has an equal here,
which looks at its arguments. Whatever else a file names is refused, by its name, before anything of it is called, unless
the program vouches for it (`safe_globals`).
"""

from __future__ import annotations

import importlib
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap, wrap_as
from ..devices import device
from ..io.safetensors import CheckpointError
from ..nn.parameter import Parameter
from ..shapes import Size
from .allowed import is_vouched, vouched_by_name

LARGEST_VIEW = 1 << 30  # bytes that an expanded tensor may seem to have, if its storage has fewer


class UnsafeFileError(CheckpointError, pickle.UnpicklingError):
    """A file asks for something that could run code; the message names it."""


class StorageType:
    """Stands for torch.FloatStorage and its like: the type of the elements."""

    def __init__(self, dtype: str):
        self.dtype = dtype


class Allowed:
    """A function that a file may call."""

    def __init__(self, run: Callable):
        self.run = run

    def __call__(self, *arguments: Any) -> Any:
        return self.run(*arguments)


def _storage_of(storage: Any) -> np.ndarray:
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise CheckpointError("a tensor is made from something that is no storage")
    return storage


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> np.ndarray:
    """size, stride, offset in elements. CheckpointError unless the view lies within the storage."""
    memory = _storage_of(storage)
    numbers = [offset, *size, *stride]
    if len(size) != len(stride) or not all(type(number) is int and number >= 0 for number in numbers):
        raise CheckpointError("a tensor has sizes, steps or an offset that are no natural numbers")
    itemsize = memory.itemsize
    if 0 not in size:
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= memory.size:
            raise CheckpointError(
                f"a tensor of shape {list(size)} reaches beyond its storage of {memory.size} elements"
            )
        elements = 1
        for n in size:
            elements *= n
        if elements * itemsize > max(LARGEST_VIEW, memory.nbytes):
            raise CheckpointError(f"a tensor of shape {list(size)} is expanded from {memory.size} elements")
    elif max(numbers) * itemsize >= 1 << 62:
        raise CheckpointError(f"a tensor has the shape {list(size)}")
    else:
        return np.empty(size, memory.dtype)
    return np.ndarray(
        size, memory.dtype, memory.view(np.uint8), offset * itemsize, [step * itemsize for step in stride]
    )


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    return wrap(_view(storage, offset, size, stride))


def _rebuild_tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> Tensor:
    tensor = _rebuild_tensor(storage, offset, size, stride)
    return tensor.requires_grad_() if requires_grad is True else tensor


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Tensor:
    if not isinstance(data, Tensor):
        raise CheckpointError("a parameter is made from something that is no tensor")
    return wrap_as(Parameter, data.array).requires_grad_(requires_grad is True)


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
    """A tensor with attributes of its own."""
    if not isinstance(function, Allowed) or kind not in ("torch.Tensor", "torch.nn.parameter.Parameter"):
        raise UnsafeFileError(f"it asks for a tensor of the type {kind}")
    made = function(*arguments)
    if isinstance(state, dict) and isinstance(made, Tensor):
        made.__dict__.update(state)
    return made


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise UnsafeFileError(f"it asks for _codecs.encode in {encoding!r}")
    return text.encode("latin1")


def _bytearray(content: Any = b"", encoding: Any = "latin1") -> bytearray:
    # A number would be a length, as large as the file likes.
    if isinstance(content, str):
        return bytearray(_encode(content, encoding))
    if not isinstance(content, bytes):
        raise UnsafeFileError(f"it asks for a bytearray of {type(content).__name__}")
    return bytearray(content)


def _container(kind: type) -> Allowed:
    def make(*content: Any) -> Any:
        if len(content) > 1 or not all(type(part) in (list, tuple, dict) for part in content):
            raise UnsafeFileError(f"it asks for a {kind.__name__} of something that is no container")
        return kind(*content)

    return Allowed(make)


STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip

KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _container(OrderedDict),
    "collections.Counter": _container(Counter),
    "builtins.set": _container(set),
    "__builtin__.set": _container(set),
    "builtins.complex": Allowed(complex),
    "__builtin__.complex": Allowed(complex),
    "builtins.bytearray": Allowed(_bytearray),
    "__builtin__.bytearray": Allowed(_bytearray),
    "_codecs.encode": Allowed(_encode),
    "torch.Size": _container(Size),
    "torch.device": Allowed(device),
    # These two are only named, never called.
    "torch.Tensor": "torch.Tensor",
    "torch.nn.parameter.Parameter": "torch.nn.parameter.Parameter",
    "torch._utils._rebuild_tensor": Allowed(_rebuild_tensor),
    "torch._utils._rebuild_tensor_v2": Allowed(_rebuild_tensor_v2),
    "torch._utils._rebuild_parameter": Allowed(_rebuild_parameter),
    "torch._utils._rebuild_parameter_with_state": Allowed(_rebuild_parameter),
    "torch._tensor._rebuild_from_type_v2": Allowed(_rebuild_from_type),
    "torch.storage.UntypedStorage": StorageType("uint8"),
    **{f"torch.{name}": StorageType(dtype) for name, dtype in STORAGES.items()},
    **{f"torch.{dtype.name}": dtype for dtype in dtypes.ALL},
}

INSTRUCTIONS = frozenset(
    pickle.PROTO + pickle.STOP + pickle.MARK + pickle.FRAME + pickle.NONE + pickle.NEWTRUE + pickle.NEWFALSE
    + pickle.BININT + pickle.BININT1 + pickle.BININT2 + pickle.LONG1 + pickle.BINFLOAT
    + pickle.BINSTRING + pickle.SHORT_BINSTRING + pickle.BINUNICODE + pickle.SHORT_BINUNICODE
    + pickle.BINBYTES + pickle.SHORT_BINBYTES
    + pickle.EMPTY_DICT + pickle.SETITEM + pickle.SETITEMS + pickle.EMPTY_LIST + pickle.APPEND + pickle.APPENDS
    + pickle.EMPTY_SET + pickle.ADDITEMS + pickle.EMPTY_TUPLE + pickle.TUPLE + pickle.TUPLE1 + pickle.TUPLE2 + pickle.TUPLE3
    + pickle.BINPUT + pickle.LONG_BINPUT + pickle.BINGET + pickle.LONG_BINGET + pickle.MEMOIZE
    + pickle.GLOBAL + pickle.STACK_GLOBAL + pickle.REDUCE + pickle.NEWOBJ + pickle.BUILD + pickle.BINPERSID
)  # fmt: skip

FindStorage = Callable[[tuple], np.ndarray]


# The unpickler written in Python, not the one in C: its instructions can be taken away, and its memo is a dict, not
# an array whose length the file chooses.
PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]


class RestrictedUnpickler(PythonUnpickler):
    dispatch = {code: run for code, run in PythonUnpickler.dispatch.items() if code in INSTRUCTIONS}

    def __init__(self, file: IO[bytes], find_storage: FindStorage):
        super().__init__(file, encoding="utf-8")
        self.find_storage = find_storage

    def find_class(self, module: str, name: str) -> Any:
        known = KNOWN.get(f"{module}.{name}", vouched_by_name(f"{module}.{name}"))
        if known is None:
            raise UnsafeFileError(
                f"Weights only load failed. It asks for {module}.{name}, which is not among the things that data need, "
                "and could run code. If you know that it is harmless, vouch for it with torch.serialization."
                "safe_globals; if you trust the whole file, use weights_only=False."
            )
        return known

    def persistent_load(self, pid: Any) -> np.ndarray:
        return self.find_storage(pid)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not (isinstance(function, Allowed) or is_vouched(function)) or type(arguments) is not tuple:
            raise UnsafeFileError(f"it calls {function!r:.80}")
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        arguments, kind = self.stack.pop(), self.stack[-1]
        if not (is_vouched(kind) and isinstance(kind, type)) or type(arguments) is not tuple:
            raise UnsafeFileError(f"it makes a {kind!r:.80}")
        self.stack[-1] = kind.__new__(kind, *arguments)

    def load_build(self) -> None:
        if is_vouched(type(self.stack[-2])):
            super().load_build()
            return
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is not OrderedDict or type(state) is not dict:
            raise UnsafeFileError(f"it sets attributes of a {type(target).__name__}")
        target.__dict__.update(state)

    def load_setitem(self) -> None:
        self._need(self.stack[-3], dict)
        super().load_setitem()

    def load_setitems(self) -> None:
        self._need(self.metastack[-1][-1], dict)
        super().load_setitems()

    def load_append(self) -> None:
        self._need(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        self._need(self.metastack[-1][-1], list)
        super().load_appends()

    def load_additems(self) -> None:
        self._need(self.metastack[-1][-1], set)
        super().load_additems()

    @staticmethod
    def _need(target: Any, kind: type) -> None:
        if not isinstance(target, kind):
            raise UnsafeFileError(f"it puts items into a {type(target).__name__}")

    for _instruction, _method in (
        (pickle.REDUCE, load_reduce), (pickle.NEWOBJ, load_newobj), (pickle.BUILD, load_build), (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems), (pickle.APPEND, load_append), (pickle.APPENDS, load_appends),
        (pickle.ADDITEMS, load_additems),
    ):  # fmt: skip
        dispatch[_instruction[0]] = _method


class TrustingUnpickler(pickle.Unpickler):
    """Runs what the file says; what torch has a name for is looked for in minitorch."""

    def __init__(self, file: IO[bytes], find_storage: FindStorage):
        super().__init__(file)
        self.find_storage = find_storage

    def find_class(self, module: str, name: str) -> Any:
        known = KNOWN.get(f"{module}.{name}")
        if isinstance(known, (Allowed, StorageType, dtypes.dtype)) and module not in ("collections", "builtins"):
            return known
        if module.split(".")[0] == "torch":
            try:
                found: Any = importlib.import_module(module.replace("torch", "minitorch", 1))
                for part in name.split("."):
                    found = getattr(found, part)
                return found
            except (ImportError, AttributeError):
                raise CheckpointError(f"it needs {module}.{name}, which minitorch does not have") from None
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> np.ndarray:
        return self.find_storage(pid)


Opener = Callable[[IO[bytes], FindStorage], Any]


def restricted(file: IO[bytes], find_storage: FindStorage) -> Any:
    """The next object of a pickle, running nothing. `UnsafeFileError` or `CheckpointError`."""
    try:
        return RestrictedUnpickler(file, find_storage).load()
    except CheckpointError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything
        # The instruction table answers an instruction that it lacks with KeyError.
        reason = f"instruction {error} is not allowed" if isinstance(error, KeyError) else error or type(error).__name__
        raise CheckpointError(f"its pickle is damaged or asks for what data do not need ({reason})") from error


def trusting(file: IO[bytes], find_storage: FindStorage) -> Any:
    """The next object of a pickle, running whatever it says."""
    return TrustingUnpickler(file, find_storage).load()
