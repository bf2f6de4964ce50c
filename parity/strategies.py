"""Hypothesis strategies over the REGISTRY: real calls of a primitive, varied.

Everything comes from the declaration and from the calls that were recorded (see recording.py): which inputs may be
differentiated, which broadcast, what values they can take. There is no list of operations here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from minitorch.core.op import ELEMENTWISE, REGISTRY, Op
from minitorch.core.tensor import wrap

if TYPE_CHECKING:
    from .recording import Recorded


@dataclass(frozen=True)
class Case:
    """A call of a primitive: arrays (or scalars, or ``None``), parameters, and a seed for random directions."""

    op: Op
    inputs: tuple
    params: dict
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @property
    def moving(self) -> list[int]:
        """The inputs that can be differentiated: float arrays with a rule, or all where a composite gives them one."""
        return [i for i, x in enumerate(self.inputs) if is_float_array(x) and has_rule(self.op, i)]


def is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64


def has_rule(op: Op, i: int) -> bool:
    if op.composite is not None and not op.rules:
        return True
    return op.rules.get(op.input_name(i)) is not None


def has_slope(op: Op) -> bool:
    """Whether the inputs can be varied one by one.

    A fused operation without rules of its own (``layer_norm_backward_input``) is handed numbers that depend on each
    other, such as x and its mean: its derivatives are tested where they are used, in its parent's second gradient.
    """
    return bool(op.rules) and op.name not in CONSTRAINED


# Their rules, as torch's, are right only where
CONSTRAINED = frozenset({
    "relu_backward",  # the output is off its step at 0, where half of it is
    "ctc_loss_alpha",  # the input sums to one and goes on doing so
    "cholesky_lower", "symmetric_eigen", "symmetric_eigenvalues", "symmetric_pseudoinverse",  # it stays symmetric
    "gamma_drawn", "dirichlet_drawn",  # the probability of the number drawn stays (tests/test_rejection.py)
    "orthogonal_triangular", "singular_decomposition",  # the factors are reduced, not completed to square matrices
})  # fmt: skip


def primitives(kind: str | None = None) -> list[str]:
    """The names in the REGISTRY, in order of declaration."""
    return [name for name, op in REGISTRY.items() if kind is None or op.kind == kind]


def unreached() -> list[str]:
    """Primitives that no sample and no program calls: their properties would be tested on nothing."""
    return [name for name in REGISTRY if not calls_of(name)]


def unique_places(inputs: tuple, params: dict) -> bool:
    """Whether no plane of ``indices`` names a place twice: else the last value wins, but each gets its gradient."""
    rows = inputs[1].reshape(-1, max(1, int(np.prod(inputs[1].shape[-params["n"] :]))))
    return all(len(set(row)) == len(row) for row in rows.tolist())


def unique_along(inputs: tuple, params: dict) -> bool:
    """Whether no line of ``index`` along ``dim`` names a place twice, where what is put there replaces."""
    index, n = inputs[2], inputs[2].ndim
    lines = np.moveaxis(index, params["dim"], -1).reshape(-1, index.shape[params["dim"]]) if n else index.reshape(1, 1)
    return params["adds"] or all(len(set(line)) == len(line) for line in lines.tolist())


# Calls that torch, and so minitorch, leaves without a well-defined derivative.
WELL_POSED: dict[str, Callable[[tuple, dict], bool]] = {
    "unpool_planes": unique_places,
    "scatter_at": unique_along,
}

# Primitives whose parameters speak of the input's memory, so that another layout is another call.
BOUND_TO_MEMORY = frozenset({"as_strided_view", "relayout", "write_view", "reinterpret", "view_as_shape"})


# Outputs that are kept for the gradient and are no results: a gradient never comes from them.
BY_PRODUCTS: dict[str, tuple[int, ...]] = {"ctc_loss_alpha": (1,), "lstm_steps": (2,), "gru_steps": (1,)}


def calls_of(name: str) -> list[Recorded]:
    """The recorded calls of a primitive that its properties are to hold for."""
    from .recording import recorded  # on first use: torch's test database takes seconds to import

    fits = WELL_POSED.get(name, lambda inputs, params: True)
    return [call for call in recorded()[name] if fits(call.inputs, call.params)]


@st.composite
def cases(draw: st.DrawFn, name: str, move: bool = True) -> Case:
    """A recorded call, its values moved a little; of a public elementwise primitive also in other shapes.

    One that is not public may count on its caller for the shapes (``filled(input, value)`` wants a 0-dim value).
    """
    call = draw(st.sampled_from(calls_of(name)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    arrays = [i for i, x in enumerate(call.inputs) if isinstance(x, np.ndarray)]
    filled = all(call.inputs[i].size for i in arrays)
    symmetric = call.op.kind == ELEMENTWISE and not call.params and (call.op.torch or len(arrays) == 1)
    if symmetric and arrays and filled and move and draw(st.booleans()):
        shapes = draw(mutually_broadcastable_shapes(num_shapes=len(arrays), max_dims=3, max_side=4)).input_shapes
        inputs = list(call.inputs)
        for i, shape in zip(arrays, shapes, strict=True):
            inputs[i] = np.asarray(rng.choice(call.inputs[i].reshape(-1), size=shape))
        return Case(call.op, tuple(map(nudged(rng), inputs)), call.params, seed)
    inputs = tuple(map(nudged(rng), call.inputs)) if move else call.inputs
    return Case(call.op, inputs, call.params, seed)


def nudged(rng: np.random.Generator):
    """Move float values by up to a thousandth: new numbers, still inside the domain the samples were made for."""

    def nudge(value: Any) -> Any:
        if not is_float_array(value):
            return value
        return np.asarray(value * (1 + 1e-3 * rng.uniform(-1, 0, value.shape)))

    return nudge


LAYOUTS = ("fortran", "permuted", "sliced", "reversed", "offset")


def relaid(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values in other memory."""
    if layout == "fortran":
        return array.copy(order="F")
    if layout == "permuted":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0) if array.ndim > 1 else array.copy()
    if layout == "reversed":
        backwards = (..., *[slice(None, None, -1)] * array.ndim)
        return array[backwards].copy()[backwards]
    step = 2 if layout == "sliced" else 1
    block = np.full([step * n + 1 for n in array.shape], 7).astype(array.dtype)
    view = block[(..., *[slice(1, 1 + step * n, step) for n in array.shape])]
    view[...] = array
    return view


def tensors(inputs: Sequence, moving: Sequence[int] = ()) -> list:
    """minitorch tensors of the arrays; those in ``moving`` require grad."""
    made = [wrap(x) if isinstance(x, np.ndarray) else x for x in inputs]
    for i in moving:
        made[i].requires_grad_()
    return made
