"""Finds minitorch's counterpart of a torch callable.

Most of torch's test cases name a plain function (``torch.add``) or a method (``torch.Tensor.expand``): the counterpart
is minitorch's object of the same dotted name. Some wrap it in a lambda (``lambda s: with_seed(torch.randn, s)``): then
the lambda itself is run again, with ``torch`` in its globals replaced by ``minitorch``.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import types
from collections.abc import Callable
from typing import Any

import torch

import minitorch

NAMESPACES = ("", "nn.functional", "linalg", "special", "Tensor")


def lookup(root: Any, dotted: str) -> Any:
    """``lookup(torch, "nn.functional.relu")``; AttributeError when a step is missing."""
    return functools.reduce(getattr, filter(None, dotted.split(".")), root)


@functools.cache
def names_by_identity() -> dict[int, str]:
    """id of each public torch callable -> its dotted name."""
    names: dict[int, str] = {}
    for namespace in NAMESPACES:
        holder = lookup(torch, namespace)
        for name in dir(holder):
            value = getattr(holder, name, None)
            if callable(value) and (name.startswith("__") or not name.startswith("_")):
                names.setdefault(id(value), f"{namespace}.{name}".lstrip("."))
    return names


def slice_along(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """``aten::slice``, which torch's users write as ``input[:, start:end:step]``."""
    if input.ndim == 0:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"slice(): dimension {dim} out of range for shape {list(input.shape)}")
    if step < 1:
        raise RuntimeError(f"slice(): step must be positive, got {step}")
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


def with_seed(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """torch's ``wrapper_set_seed``: the call as it comes out right after ``manual_seed(42)``."""
    minitorch.manual_seed(42)
    return function(*args, **kwargs)


# Names in the globals of torch's test code that need a counterpart of their own.
TEST_HELPERS = {
    "torch": minitorch,
    "wrapper_set_seed": with_seed,
    "freeze_rng_state": contextlib.nullcontext,
}


def translate(value: Any) -> Any:
    """minitorch's counterpart of a torch callable; AttributeError when minitorch lacks the name."""
    if isinstance(value, functools.partial):
        return functools.partial(translate(value.func), *value.args, **value.keywords)
    if isinstance(value, torch._ops.OpOverload) and value._schema.name == "aten::slice":
        return slice_along
    if id(value) in names_by_identity():
        return lookup(minitorch, names_by_identity()[id(value)])
    if isinstance(value, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return getattr(minitorch.Tensor, value.__name__)
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch.testing."):
        return rebind(value)
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch"):
        return lookup(minitorch, value.__qualname__)
    return value


def rebind(function: types.FunctionType) -> Callable:
    """The same code with the torch objects in its globals and closure replaced by minitorch's."""
    names = names_used(function.__code__)
    namespace = {**function.__globals__, **{k: v for k, v in TEST_HELPERS.items() if k in names}}
    for name in names - TEST_HELPERS.keys():
        if isinstance(value := namespace.get(name), types.FunctionType) and value is not function:
            namespace[name] = translate(value)
    cells = tuple(types.CellType(translate(cell.cell_contents)) for cell in function.__closure__ or ())
    twin = types.FunctionType(function.__code__, namespace, function.__name__, function.__defaults__, cells)
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def names_used(code: types.CodeType) -> set[str]:
    """The global and attribute names in a code object and the functions inside it."""
    inner = [names_used(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*inner)


def attributes_needed(function: types.FunctionType) -> list[str]:
    """The dotted names below ``torch`` that a lambda's code reads: ``["nn.functional.dropout"]``."""
    found, current = [], None
    for instruction in dis.get_instructions(function):
        attribute = instruction.opname in ("LOAD_ATTR", "LOAD_METHOD")
        if current is not None and not attribute:
            found.append(".".join(current))
            current = None
        if instruction.opname == "LOAD_GLOBAL" and instruction.argval == "torch":
            current = []
        elif attribute and current is not None:
            current.append(instruction.argval)
    return [name for name in found if name]


def missing_name(info: Any) -> str | None:
    """The first name that minitorch lacks for running an OpInfo, or ``None`` when it has them all."""
    function = info.op
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch.testing."):
        names = attributes_needed(function)
        if not names:  # lambda x, *args: x.view(*args)
            names = [f"Tensor.{name}" for name in function.__code__.co_names[:1]]
    else:
        try:
            translate(function)
            return None
        except AttributeError:
            return names_by_identity().get(id(function), info.name)
    for name in names:
        try:
            lookup(minitorch, name)
        except AttributeError:
            return name
    return None
