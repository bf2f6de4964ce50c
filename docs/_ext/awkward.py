"""What an operation does where formulas end: found out by running it while the page is made."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import minitorch
from minitorch.core.op import ELEMENTWISE, Op

POINTS = (-math.inf, -1.0, -0.0, 0.0, 1.0, math.inf, math.nan)
PAIRS = (
    (0.0, 0.0),
    (1.0, 1.0),
    (1.0, 0.0),
    (0.0, 1.0),
    (-1.0, 0.5),
    (math.inf, math.inf),
    (math.inf, 0.0),
    (1.0, math.nan),
)
ROWS = {
    "no elements": [],
    "one": [2.0],
    "a tie": [2.0, 2.0, 1.0],
    "a zero": [3.0, 0.0, 2.0],
    "all zero": [0.0, 0.0],
    "all -inf": [-math.inf, -math.inf],
    "a nan": [1.0, math.nan],
}

COPIES = 16  # of each number: vectorised loops, torch's more so, treat nan and -0 otherwise than those for the rest
RANDOM = {"dropout", "random", "families", "redraw", "rrelu"}  # whose results are drawn

Table = tuple[list[str], list[list[str]]]


def table(public: Callable, primitives: list[Op]) -> Table | None:
    """(header, rows) of the behaviour of a public operation at awkward inputs; None where there is nothing to say."""
    if not hasattr(public, "__code__") or public.__module__.rsplit(".", 1)[-1] in RANDOM:
        return None
    parameters = list(inspect.signature(public).parameters.values())
    if not primitives and "activation" not in public.__module__:
        return None
    tensors = [
        p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "dim"
    ]
    if tensors[:1] == ["input"] and any(p.name == "dim" for p in parameters):
        return of_rows(public) if len(tensors) == 1 else None
    elementwise = all(op.kind == ELEMENTWISE for op in primitives)
    if elementwise and tensors == ["input"]:
        return of_one(public)
    if elementwise and tensors == ["input", "other"]:
        return of_two(public)
    return None


def text(value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(text, value))
    if value is None:
        return "none"
    found = value.clone().tolist() if isinstance(value, minitorch.Tensor) else value
    if isinstance(found, list):
        return "[" + ", ".join(text(item) for item in found) + "]"
    return str(found) if isinstance(found, (bool, int)) else f"{found:.6g}"


def ran(function: Callable, *inputs: minitorch.Tensor, shown: Callable = text) -> list[str]:
    """The value, and the gradient at each input, of the sum over the result; or the error."""
    for x in inputs:
        x.requires_grad_()
    try:
        result = function(*inputs)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return [type(error).__name__] + [""] * len(inputs)
    parts = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    live = [z for z in parts if isinstance(z, minitorch.Tensor) and z.requires_grad]
    value = shown(parts) if len(parts) != 1 else shown(parts[0])
    if not live:
        return [value] + ["none"] * len(inputs)
    try:
        grads = minitorch.autograd.grad(live[0].sum(), list(inputs), allow_unused=True)
    except RuntimeError:  # there is no derivative
        return [value] + ["not defined"] * len(inputs)
    return [value, *map(shown, grads)]


def many(value: float) -> minitorch.Tensor:
    return minitorch.full((COPIES,), value, dtype=minitorch.float64)


def first(value) -> str:
    return text(value if value is None or not isinstance(value, minitorch.Tensor) else value[0])


def of_one(public: Callable) -> Table:
    return ["input", "result", "gradient"], [[text(x), *ran(public, many(x), shown=first)] for x in POINTS]


def of_two(public: Callable) -> Table:
    header = ["input", "other", "result", "gradient of input", "gradient of other"]
    return header, [[text(x), text(y), *ran(public, many(x), many(y), shown=first)] for x, y in PAIRS]


def of_rows(public: Callable) -> Table:
    """Along the only dimension of a few short vectors."""
    rows = [
        [what, text(values), *ran(lambda x: public(x, dim=0), minitorch.tensor(values, dtype=minitorch.float64))]
        for what, values in ROWS.items()
    ]
    return ["", "input", "result", "gradient"], rows
