"""`import torch` answered by minitorch, so that a program written for torch runs unchanged.

`install()` puts a finder before Python's own: every `torch.a.b` is the module `minitorch.a.b` itself, under a second
name, so that `torch.nn`, `from torch import nn` and `import torch.nn as nn` are one module with one set of classes.
A module or a name that minitorch lacks is refused with an error that says so. `torchvision` answers likewise, from
`minitorch.vision`.

Processes that the program starts inherit `sys.path`, at the head of which `install()` puts the folder `path`: the
package `torch` there installs the finder in them too.
"""

from __future__ import annotations

import importlib
import runpy
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NoReturn

ROOTS = {"torch": "minitorch", "torchvision": "minitorch.vision"}
COVERAGE = "docs/coverage.md lists what minitorch has of torch; `python -m parity scan` lists what a program uses"
FOLDER = str(Path(__file__).parent / "path")


class MissingName(AttributeError):
    """A name of torch's that minitorch lacks."""


class MissingModule(ModuleNotFoundError):
    """A module of torch's that minitorch lacks; also what `from torch import name` raises for a missing name."""


def own_name(name: str) -> str | None:
    """`minitorch.nn` for `torch.nn`; None for modules of other packages."""
    root, dot, rest = name.partition(".")
    return f"{ROOTS[root]}{dot}{rest}" if root in ROOTS else None


def torch_name(name: str) -> str:
    """`torch.nn` for `minitorch.nn`."""
    for theirs, ours in reversed(ROOTS.items()):
        if name == ours or name.startswith(f"{ours}."):
            return theirs + name[len(ours) :]
    return name


def missing(name: str) -> NoReturn:
    """MissingModule for a module of torch's."""
    raise MissingModule(f"minitorch has no {name} ({COVERAGE})", name=name) from None


class StandIn(types.ModuleType):
    """A module of minitorch that also answers to torch's name: what it lacks is refused in torch's terms."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise MissingName(f"minitorch has no {torch_name(self.__name__)}.{name} ({COVERAGE})", name=name, obj=self)


class SameModule(Loader):
    """Loads nothing: `torch.nn` becomes the module `minitorch.nn`."""

    def __init__(self, module: types.ModuleType):
        self.module = module

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        if type(self.module) is types.ModuleType:
            self.module.__class__ = StandIn
        if not hasattr(self.module, "__path__"):
            # `from torch.nn.functional import name` only asks the finder, whose refusal explains, inside a package.
            self.module.__path__ = []
        if module.__name__ == "torch":
            # Programs read the version to learn what torch can do.
            self.module.__version__ = f"{importlib.import_module('minitorch.version').torch}+minitorch"
        sys.modules[module.__name__] = self.module


class Finder(MetaPathFinder):
    """Finds `torch.a.b` as `minitorch.a.b`."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None):
        if name.startswith("minitorch."):
            # Where `from torch import name` finds no such name, it looks for a module, under the module's own name.
            return PathFinder.find_spec(name, path) or missing(torch_name(name))
        own = own_name(name)
        if own is None:
            return None
        try:
            module = importlib.import_module(own)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{own}.".startswith(f"{error.name}."):
                raise
            missing(name)
        return ModuleSpec(name, SameModule(module), is_package=True)


def install() -> None:
    """Let `import torch` mean minitorch, in this process and in those it starts. RuntimeError after `import torch`."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    loaded = sys.modules.get("torch")
    if loaded is not None and getattr(loaded, "__file__", "") != str(Path(FOLDER, "torch", "__init__.py")):
        raise RuntimeError("torch is loaded already; minitorch can only take its place before it is imported")
    sys.meta_path.insert(0, Finder())
    if FOLDER not in sys.path:
        sys.path.insert(0, FOLDER)


def explain(error: BaseException) -> None:
    """Add to an AttributeError about one of minitorch's objects where to look what there is."""
    owner = getattr(error, "obj", None)
    owner = owner if isinstance(owner, type) else type(owner)
    if (
        isinstance(error, AttributeError)
        and not isinstance(error, MissingName)
        and owner.__module__.startswith("minitorch.")
    ):
        error.add_note(f"minitorch's {owner.__name__} has no {error.name!r} ({COVERAGE})")


def run_program(script: str, arguments: Sequence[str], *, as_module: bool = False) -> None:
    """Run a script (or, `as_module`, a module by its dotted name) as `python script arguments...` would."""
    sys.argv = [script, *arguments]
    if as_module:
        sys.path.insert(0, "")
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(script).resolve().parent))
        runpy.run_path(script, run_name="__main__")
