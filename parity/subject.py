"""Whose function is it? What a function of the user's takes: tensors of minitorch or of torch, or NumPy arrays.

A subject runs the function on arguments that are made from torch's, with the same numbers, dtype and strides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.core.op import PUBLIC
from minitorch.core.tensor import wrap

from . import calls
from .bridge import memory_of, reversed_memory

LIBRARIES: dict[str, Any] = {"minitorch": minitorch, "torch": torch, "numpy": np}


@dataclass(frozen=True)
class Subject:
    """The user's function, its name, the library whose tensors it takes, and whether it may be asked for tangents."""

    function: Callable
    name: str
    library: str
    forward_mode: bool = True

    @property
    def lib(self) -> Any:
        return LIBRARIES[self.library]

    @property
    def differentiable(self) -> bool:
        return self.library != "numpy"

    def argument(self, value: Any, backwards: bool = False) -> Any:
        """A tensor (or array) of the subject's library with the numbers, dtype and strides of a torch tensor.

        backwards: its memory runs the other way in every dimension, where the library can do that.
        """
        if not isinstance(value, torch.Tensor):
            return value
        if self.library == "torch":
            return calls.copy_tensor(value)
        array = reversed_memory(memory_of(value)) if backwards else memory_of(value)
        if self.library == "numpy":
            return array
        return wrap(array).requires_grad_(value.requires_grad)

    def call(self, arguments: Sequence, keywords: dict) -> Any:
        output = self.function(*arguments, **keywords)
        return arrays_of(output) if self.library == "numpy" else output


def arrays_of(value: Any) -> Any:
    """NumPy's scalars as 0-dim arrays, also inside tuples and lists."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(arrays_of, value))
    return np.asarray(value) if isinstance(value, np.generic) else value


def subject_of(function: Any, example: Sequence, keywords: dict, library: str | None) -> Subject:
    """The subject for what a user handed in: a function, or a subclass of either library's ``autograd.Function``.

    Without ``library``, a plain function is tried on minitorch's tensors first, then on NumPy arrays, then on torch's
    tensors: what it computes with without an error is taken for its own. ``example`` are torch tensors to try with.
    """
    name = public_name(function) or getattr(function, "__name__", None) or type(function).__name__
    if library is not None and library not in LIBRARIES:
        raise ValueError(f"library must be one of {', '.join(LIBRARIES)}, not {library!r}")
    if isinstance(function, type):
        for candidate, base in (("minitorch", minitorch.autograd.Function), ("torch", torch.autograd.Function)):
            if issubclass(function, base):
                return Subject(function.apply, name, candidate, function.jvp is not base.jvp)
        raise TypeError(f"{name} is a class, but neither minitorch's nor torch's autograd.Function")
    if not callable(function):
        raise TypeError(f"my_fn must be a function or an autograd.Function, not {type(function).__name__}")
    if library is not None:
        return Subject(function, name, library)
    home = (getattr(function, "__module__", None) or "").split(".")[0]
    if isinstance(function, np.ufunc):
        home = "numpy"
    if home in LIBRARIES:
        return Subject(function, name, home)
    errors = []
    for candidate in ("minitorch", "numpy", "torch"):
        subject = Subject(function, name, candidate)
        try:
            output = subject.call([subject.argument(t) for t in example], keywords)
        except Exception as error:
            errors.append(f"{candidate}: {type(error).__name__}: {error}")
        else:
            if belongs(output, candidate):
                return subject
            errors.append(f"{candidate}: it returns {type(output).__name__}")
    listed = "\n  ".join(errors)
    raise AssertionError(
        f"{name} fails on tensors of the shapes given, whichever library they come from (say `library=`):\n  {listed}"
    )


def public_name(function: Any) -> str | None:
    """The name under which minitorch offers one of its own functions: ``minitorch.matmul``."""
    inner = getattr(function, "__wrapped__", function)
    found = next((name for name, public in PUBLIC.items() if public is function or public is inner), None)
    return found and f"minitorch.{found}"


def belongs(output: Any, library: str) -> bool:
    """Whether a function given one library's tensors answered in kind; other values (numbers, shapes) always do."""
    first = output[0] if isinstance(output, (tuple, list)) and output else output
    kinds = {"minitorch": minitorch.Tensor, "torch": torch.Tensor, "numpy": np.ndarray}
    return isinstance(first, kinds[library]) or not isinstance(first, tuple(kinds.values()))
