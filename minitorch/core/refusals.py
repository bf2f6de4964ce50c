"""What an error says: the public function that was called and the shapes that it was given.

Functions say what is wrong where they find it, often deep inside, where nobody knows what the user has called. So the
functions that users see are wrapped: on its way out an error gets what its text lacks,

    Dimension out of range (expected to be in range of [-2, 1], but got 2)
    roll(): Dimension out of range (expected to be in range of [-2, 1], but got 2) (input shape: [3, 4])

and keeps its class and its place. Functions that are one operation do this themselves (call.py).
"""

from __future__ import annotations

import functools
import re

from .tensor import Tensor

# Of these a wrapper would be a tenth of the cost.
QUICK = frozenset(
    """
contiguous dim element_size expand flatten is_contiguous is_floating_point item log_softmax mean ndimension numel
permute reshape select size softmax squeeze storage_offset stride sum swapaxes swapdims t to transpose unsqueeze view
    """.split()
)


def named(name: str, function):
    """`function`, known to users as `name`, with errors that say so. Left as they are: what is one operation; special
    methods, which users do not name; the quick ones, which name themselves; and what runs hooks of the user's own."""
    title = name.rpartition(".")[-1]
    if hasattr(function, "op") or "__" in name or title in QUICK or title == "backward" or not callable(function):
        return function

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception as error:
            told(error, name, (*args, *kwargs.values()))
            raise

    return call


def findable(function, module: str, name: str):
    """`function`, which stands in `module` under this name: so says its pickle."""
    function.__module__, function.__qualname__ = module, name
    return function


def told(error: Exception, name: str, values) -> Exception:
    """The error, with the name and the shapes of the tensors among `values` in its text, if they were not there yet.

    Of several functions on the error's way the outermost one is named: it is the one that was called.
    """
    if (
        len(error.args) != 1
        or not isinstance(error.args[0], str)
        or isinstance(error, (AssertionError, KeyError, OSError))
    ):
        return error
    name = name.rpartition(".")[-1]
    text = error.__dict__.setdefault("said", error.args[0])
    if not re.search(rf"\b{re.escape(name)}\b", text):
        text = f"{name}(): {text}"
    shapes = [*_shapes(values)]
    if shapes and not any([str(list(shape)) in text or str(shape) in text for shape in shapes if shape]):
        text += f" (input shape{'s' * (len(shapes) > 1)}: {', '.join([str(list(shape)) for shape in shapes])})"
    error.args = (text,)
    return error


def _shapes(values):
    for value in values:
        if isinstance(value, Tensor):
            yield value.array.shape
        elif isinstance(value, (tuple, list)):
            yield from [part.array.shape for part in value if isinstance(part, Tensor)]
