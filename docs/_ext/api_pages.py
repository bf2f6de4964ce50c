"""A page for every public module, written from its names and their docstrings when the documentation is built.

Which names are public says the module's `__all__`; a module without one shows what is defined in it. Operations have pages of
their own (`operation_pages`) and are linked.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from operation_pages import PAGES as OPERATION_PAGES
from operation_pages import file_name, renew

import minitorch
from minitorch.core.op import PUBLIC

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = Path(__file__).parent.parent / "api"
# The floors below are read in the source, and in "How it works".
INSIDE = {"core", "ops", "kernels", "batching", "stubs", "demo", "cli", "info", "methods"}
# Public, without a list of names: what is defined in them is meant for use.
WITHOUT_LIST = ("models.", "nn.init", "nn.attention", "nn.utils.parametriz", "optim.swa_utils", "autograd.forward_ad",
                "autograd.functional", "utils.tensorboard", "vision.utils", "vision.datasets.shapes", "vision.transforms.functional")  # fmt: skip
OPERATIONS = {id(inspect.unwrap(function)): name for name, function in sorted(PUBLIC.items(), reverse=True)}


def operation_of(value: Any) -> str | None:
    """torch's name of an operation, which may stand somewhere wrapped (`minitorch.methods.as_function`)."""
    return OPERATIONS.get(id(inspect.unwrap(value))) if callable(value) else None


def modules() -> Iterator[ModuleType]:
    """minitorch and its public modules, parents first."""
    yield minitorch
    for found in pkgutil.walk_packages(minitorch.__path__, "minitorch."):
        inner = found.name.removeprefix("minitorch.")
        if inner.split(".")[0] not in INSIDE and not any(part.startswith("_") for part in inner.split(".")):
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__") or inner.startswith(WITHOUT_LIST):
                yield module


def names(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    own = module.__name__
    defined = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == own]
    if module is minitorch:
        defined = [
            n for n, v in vars(module).items() if (getattr(v, "__module__", None) or "").startswith("minitorch.")
        ]
    return sorted(name for name in defined if not name.startswith("_"))


@functools.cache
def contents() -> dict[ModuleType, dict[str, Any]]:
    """For each module with a page, what it has that no earlier page tells."""
    told: set[int] = set()
    pages = {}
    for module in modules():
        own = {name: getattr(module, name) for name in names(module)}
        own = {
            name: value for name, value in own.items() if not isinstance(value, ModuleType) and id(value) not in told
        }
        if own:
            pages[module] = own
        told |= {id(value) for value in own.values() if callable(value) and not operation_of(value)}
    return pages


def page(module: ModuleType, own: dict[str, Any]) -> Iterator[str]:
    yield "---\norphan: true\n---\n"
    yield f"# `{module.__name__}`\n"
    yield fenced(inspect.getdoc(module) or "")
    operations = {name: operation for name, value in own.items() if (operation := operation_of(value))}
    if module is minitorch:
        yield "The operations have [pages of their own](../operations/index.md).\n"
    elif operations:
        yield "Operations, each with a page of its own: " + linked(operations) + ".\n"
    aliases: dict[int, str] = {}
    for name, value in own.items():
        if name in operations:
            continue
        yield f"## `{name}`\n"
        if id(value) in aliases and callable(value):
            yield f"The same as `{aliases[id(value)]}`.\n"
        elif inspect.isclass(value):
            yield from of_class(f"{module.__name__}.{name}", value)
        elif callable(value) and not isinstance(value, minitorch.dtype):
            yield f"```python\n{module.__name__}.{name}{signature(value)}\n```\n"
            yield fenced(inspect.getdoc(value) or "")
        else:
            yield fenced(f"{module.__name__}.{name} = {plain(value)}")
        aliases[id(value)] = name


def plain(value: Any) -> str:
    """What a constant is; of a table its keys."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: ...' for key in value)}}}"
    text = repr(value)
    return f"({type(value).__name__})" if "<" in text else text


def of_class(name: str, cls: type) -> Iterator[str]:
    yield f"```python\nclass {name}{signature(cls)}\n```\n"
    own_text = cls.__doc__ is not None and "__doc__" in vars(cls)
    text = inspect.getdoc(cls) if own_text or cls.__mro__[1] is not object else ""
    yield fenced(text or "")
    told, operations = [], {}
    for key, value in members(cls).items():
        function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if operation := operation_of(function):
            operations[key] = operation
        elif f"Tensor.{key}" in PUBLIC and cls is minitorch.Tensor:
            operations[key] = f"Tensor.{key}"
        elif isinstance(value, property) and inspect.getdoc(value):
            told.append((key, inspect.getdoc(value)))
        elif inspect.isfunction(function) and inspect.getdoc(function):
            told.append((key + signature(function), inspect.getdoc(function)))
    if operations:
        yield "Operations: " + linked(operations) + ".\n"
    if told:
        yield fenced("\n\n".join(f"{head}\n{indented(text)}" for head, text in told))


def members(cls: type) -> dict[str, Any]:
    """Those of the class, and those of its bases that have no place of their own."""
    public = {id(value) for own in contents().values() for value in own.values()}
    classes = [base for base in cls.__mro__ if base.__module__.startswith("minitorch")]
    elsewhere = [base for base in classes[1:] if id(base) in public]
    hidden = [base for base in classes[1:] if not any(issubclass(other, base) for other in elsewhere)]
    found = {key: value for base in reversed([cls, *hidden]) for key, value in vars(base).items()}
    return {key: found[key] for key in sorted(found) if not key.startswith("_")}


def linked(operations: dict[str, str]) -> str:
    """Names with the pages of their operations, as far as these were written."""
    targets = {name: f"{file_name(public)}.md" for name, public in operations.items()}
    return ", ".join(
        f"[`{name}`](../operations/{target})" if (OPERATION_PAGES / target).exists() else f"`{name}`"
        for name, target in targets.items()
    )


def signature(function: Any) -> str:
    """Without types, and without `self`; nothing where it cannot be had."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    return str(inspect.Signature(plain))


def fenced(text: str) -> str:
    return f"~~~~text\n{text}\n~~~~\n" if text else ""


def indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def index(pages: dict[ModuleType, dict[str, Any]]) -> Iterator[str]:
    yield "# Modules and classes\n"
    yield (
        "From the docstrings: everything public beside the operations, under torch's names, and minitorch's own models, "
        "pictures and files.\n"
    )
    yield "| module | |\n|---|---|"
    for module in pages:
        first = (inspect.getdoc(module) or "").split("\n")[0].replace("|", "\\|")
        yield f"| [`{module.__name__}`]({module.__name__}.md) | {first} |"
    yield ""


def write_pages(app: Sphinx | None = None) -> None:
    pages = contents()
    texts = {f"{module.__name__}.md": "\n".join(page(module, own)) for module, own in pages.items()}
    renew(PAGES, texts | {"index.md": "\n".join(index(pages))})


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
