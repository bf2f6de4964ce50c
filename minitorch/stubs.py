"""Writes the `.pyi` files that let editors see what is bound at import: `python -m minitorch.stubs`.

Methods are put on Tensor from a table (methods.py), functions into the namespaces from the declarations; an editor
that only reads files would see neither. The stubs are made from the live objects, so they cannot disagree with them.
"""

from __future__ import annotations

import inspect
import keyword
from pathlib import Path

import minitorch
from minitorch import legacy, methods, storage
from minitorch.core import tensor as core_tensor
from minitorch.core.op import PUBLIC

HEADER = '"""Written by `python -m minitorch.stubs`; do not edit."""\n\n'
_OBJECT = ("__new__", "__init__", "__hash__", "__eq__", "__ne__", "__reduce_ex__")  # written by hand, or object's own
_FILLS = {("masked_fill", "value")}  # tensor inputs that convert numbers themselves
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameter(p: inspect.Parameter, operation) -> str:
    star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
    takes_tensor = operation is not None and p.kind in _POSITIONAL and p.name in operation.inputs
    kind = "Tensor" if takes_tensor and p.name not in operation.numbers else "Any"
    if operation is not None and (operation.name, p.name) in _FILLS:
        kind = "Any"
    if isinstance(p.annotation, str) and p.annotation in ("int", "bool", "float", "str", "Tensor"):
        kind = p.annotation
    kind = f"builtins.{kind}" if kind in ("int", "bool", "float", "str") else kind
    default = "" if p.default is p.empty else " = ..."
    return f"{star}{p.name}: {kind}{default}"


def definition(name: str, function, indent: str = "", out: bool = False) -> str:
    """One line of stub for `function` under `name`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return f"{indent}def {name}(*args: Any, **kwargs: Any) -> Any: ..."
    operation = getattr(function, "op", None)
    parts, bare_star = [], False
    if indent and parameters and parameters[0].kind in _POSITIONAL:
        parameters.pop(0)
        parts.append("self")
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and not bare_star:
            if not any(q.kind is q.VAR_POSITIONAL for q in parameters):
                parts.append("*")
            bare_star = True
        if p.kind is p.VAR_POSITIONAL:
            bare_star = True
        if p.kind is p.VAR_KEYWORD and out:
            continue
        parts.append(_parameter(p, operation))
    if out and "out" not in {p.name for p in parameters}:
        parts += ([] if bare_star else ["*"]) + ["out: Any = ..."]
    annotation = inspect.signature(function).return_annotation
    returns = "Tensor" if operation is not None or annotation == "Tensor" else "Any"
    return f"{indent}def {name}({', '.join(parts)}) -> {returns}: ..."


def _usable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def tensor_stub() -> str:
    """core/tensor.pyi: the class with every method and property bound to it, and the module's own functions."""
    lines = [
        HEADER + "import builtins",
        "from typing import Any, Iterator",
        "",
        "import numpy",
        "",
        "from ..shapes import Size",
        "",
    ]
    for name in ("Edits", "Origin"):
        lines += [
            f"class {name}:",
            "    def __init__(self, *args: Any) -> None: ...",
            "    def __getattr__(self, name: str) -> Any: ...",
            "    def __setattr__(self, name: str, value: Any) -> None: ...",
            "",
        ]
    lines += [
        "class Tensor:",
        "    array: numpy.ndarray",
        "    node: Any",
        "    origin: Any",
        "    edits: Any",
        "    row_major: bool",
        "    _grad: Any",
    ]
    lines.append("    def __new__(cls, *args: Any, **kwargs: Any) -> Any: ...")
    for name, value in sorted(_members(core_tensor.Tensor).items()):
        if isinstance(value, property):
            kind = {"shape": "Size", "ndim": "builtins.int", "requires_grad": "builtins.bool"}.get(name, "Any")
            lines += ["    @property", f"    def {name}(self) -> {kind}: ..."]
            if value.fset is not None:
                lines += [f"    @{name}.setter", f"    def {name}(self, value: Any) -> None: ..."]
        elif isinstance(value, bool):
            lines.append(f"    {name}: builtins.bool")
        elif callable(value) and _usable(name) and name not in _OBJECT:
            lines.append(definition(name, value, "    "))
    lines += [
        "    def __eq__(self, other: Any) -> Any: ...",
        "    def __ne__(self, other: Any) -> Any: ...",
        "    def __hash__(self) -> builtins.int: ...",
        "",
        "def new(cls: Any) -> Any: ...",
    ]
    for name, value in sorted(vars(core_tensor).items()):
        if inspect.isfunction(value) and value.__module__ == core_tensor.__name__:
            lines.append(definition(name, value))
    return "\n".join(lines) + "\n"


def _members(cls) -> dict:
    skip = {
        "__module__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__slots__",
        "_grad",
        "array",
        "node",
        "origin",
        "edits",
        "row_major",
    }
    return {k: v for k, v in vars(cls).items() if k not in skip and k not in ("__array_ufunc__", "__array_priority__")}


def namespace_stub(prefix: str, first: str) -> str:
    """The functions of one namespace ("" for minitorch itself, "nn.functional." for that)."""
    lines = [HEADER + "import builtins", "from typing import Any", "", first, ""]
    for name, function in sorted(PUBLIC.items()):
        short = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in short and _usable(short):
            lines.append(definition(short, function, out=not prefix and short in methods.OUT))
    return "\n".join(lines) + "\n"


def top_level_stub() -> str:
    """__init__.pyi: imports and constants of the module, then its functions."""
    text = namespace_stub("", "from .core.tensor import Tensor as Tensor")
    lines = [
        "",
        "from . import autograd as autograd, io as io, kernels as kernels, nn as nn, optim as optim",
        "from . import utils as utils, vision as vision",
    ]
    seen = set(PUBLIC) | {"Tensor"}
    for name, value in sorted(vars(minitorch).items()):
        if name.startswith("_") or name in seen or inspect.ismodule(value) or not _usable(name):
            continue
        module = getattr(value, "__module__", "") or ""
        if (
            name not in legacy.TYPES
            and name not in storage.STORAGES
            and (
                (inspect.isclass(value) or inspect.isfunction(value))
                and module.startswith("minitorch.")
                and value.__name__ == name
            )
        ):
            lines.append(f"from .{module.removeprefix('minitorch.')} import {name} as {name}")
        else:
            lines.append(f"{name}: Any")
    lines.append("__version__: str")
    return text + "\n".join(lines) + "\n"


def stubs() -> dict[Path, str]:
    """Every stub file with its text."""
    root = Path(minitorch.__file__).parent
    return {
        root / "core" / "tensor.pyi": tensor_stub(),
        root / "nn" / "functional.pyi": namespace_stub("nn.functional.", "from ..core.tensor import Tensor"),
        root / "__init__.pyi": top_level_stub(),
    }


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text)
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
