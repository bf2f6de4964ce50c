"""Reads programs, without running them, for the names of torch they use, and says which of them minitorch lacks.

Followed are `import torch`, `import torch.nn as nn`, `from torch import nn`, `from torch.nn import functional as F`,
in any scope, and what is read of them: `F.relu` is `nn.functional.relu`. A method is known by its name only: what is
called, or read as a property, of anything else counts as Tensor's if torch's class has it and Module, Optimizer, and
the program's own classes have not, so a method may be listed that is another class's of the same name.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .coverage import has

ROOTS = ("torch",)
BUILT_IN = frozenset(name for kind in (str, bytes, list, dict, set, tuple, int, float, slice) for name in dir(kind))


@dataclass
class Use:
    """A name, and where it is used: (file, line)."""

    name: str
    places: list[tuple[Path, int]] = field(default_factory=list)

    @property
    def supported(self) -> bool:
        return has(self.name)

    @property
    def guessed(self) -> bool:
        """Known by a method's name only."""
        return self.name.startswith("Tensor.")


class Reader(ast.NodeVisitor):
    """The names in one file."""

    def __init__(self, path: Path, uses: dict[str, Use]):
        self.path, self.uses = path, uses
        self.aliases: dict[str, str] = {}  # local name -> torch's name, "" for torch itself
        self.others: set[str] = set()  # local names of other modules
        self.defined: set[str] = set()  # methods of the program's own classes
        self.called: set[ast.expr] = set()

    def read(self, tree: ast.AST) -> None:
        for node in ast.walk(tree):  # first all imports: a function may use what is imported below it
            if isinstance(node, ast.Import):
                self.read_import(node)
            elif isinstance(node, ast.ImportFrom):
                self.read_import_from(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.defined.add(node.name)
            elif isinstance(node, ast.Call):
                self.called.add(node.func)
        self.visit(tree)

    def read_import(self, node: ast.Import) -> None:
        for alias in node.names:
            root, _, rest = alias.name.partition(".")
            if root not in ROOTS:
                self.others.add(alias.asname or root)
            elif alias.asname:
                self.aliases[alias.asname] = rest
                self.note(rest, node)
            else:
                self.aliases[root] = ""
                self.note(rest, node)

    def read_import_from(self, node: ast.ImportFrom) -> None:
        root, _, rest = (node.module or "").partition(".")
        if node.level or root not in ROOTS:
            self.others.update(alias.asname or alias.name for alias in node.names)
            return
        for alias in node.names:
            full = f"{rest}.{alias.name}".lstrip(".")
            if alias.name == "*":
                self.note(rest, node)
            else:
                self.aliases[alias.asname or alias.name] = full
                self.note(full, node)

    def note(self, name: str, node: ast.stmt | ast.expr) -> None:
        if name:
            self.uses.setdefault(name, Use(name)).places.append((self.path, node.lineno))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        base, names = chain(node)
        if isinstance(base, ast.Name) and base.id in self.aliases:
            parts = [part for part in [self.aliases[base.id], *names] if part]
            self.note(known_part(".".join(parts)), node)
            return
        if not (isinstance(base, ast.Name) and base.id in self.others):
            for i, name in enumerate(names, 1):
                called = i == len(names) and node in self.called
                if isinstance(node.ctx, ast.Load) and is_tensors(name, called) and name not in self.defined:
                    self.note(f"Tensor.{name}", node)
        self.generic_visit(base)
        if not isinstance(base, (ast.Name, ast.Attribute)):
            self.visit(base)


def chain(node: ast.expr) -> tuple[ast.expr, list[str]]:
    """`a.b.c` as (the node of a, ["b", "c"])."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    return node, names


@cache
def torch_names():
    """torch's Tensor, Module and Optimizer, of whose methods the names are."""
    import torch

    return torch.Tensor, (torch.nn.Module, torch.optim.Optimizer)


@cache
def is_tensors(name: str, called: bool) -> bool:
    """Whether a name is likely a method of Tensor, if it is called, or else a property."""
    tensor, others = torch_names()
    ambiguous = name in BUILT_IN or any(hasattr(kind, name) for kind in others)
    return (
        not name.startswith("_")
        and not ambiguous
        and hasattr(tensor, name)
        and callable(getattr(tensor, name)) == called
    )


@cache
def known_part(name: str) -> str:
    """`Tensor.view` of `Tensor.view.__doc__`: as much of a dotted name as torch's own objects are named by.

    `float32.itemsize` is `float32`: attributes of values are not counted.
    """
    import torch

    value: object = torch
    parts = name.split(".")
    for i, part in enumerate(parts):
        if not hasattr(value, part):
            return name
        value = getattr(value, part)
        if not isinstance(value, type) and not type(value).__name__ == "module":
            return ".".join(parts[: i + 1])
        if part.startswith("__"):
            return ".".join(parts[:i])
    return name


def files(path: Path) -> Iterator[Path]:
    """The Python files at a path."""
    yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def scan(path: Path) -> tuple[list[Use], dict[Path, str]]:
    """(the names that the programs at a path use, what could not be read and why)."""
    uses: dict[str, Use] = {}
    failed = {}
    for file in files(path):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            failed[file] = str(error)
            continue
        Reader(file, uses).read(tree)
    by_use = defaultdict(list)
    for use in uses.values():
        by_use[use.supported].append(use)
    ordered = [sorted(by_use[supported], key=lambda use: (-len(use.places), use.name)) for supported in (False, True)]
    return ordered[0] + ordered[1], failed
