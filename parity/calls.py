"""One call on one library: the function, its arguments, and the derivatives of what it returns.

Both libraries have one API, so the same few lines run on either; ``lib`` is ``torch`` or ``minitorch``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .bridge import ToMinitorch, memory_of, numpy_dtype, representable, tensors_in
from .harness import dtype_name


@dataclass
class Call:
    """``function(*args, **kwargs)`` on one library; ``inputs`` are the tensors among the arguments."""

    lib: Any
    function: Callable
    args: tuple
    kwargs: dict
    process: Callable = field(default=lambda output: output)
    up_to_signs: bool = False  # see ``exceptions.UP_TO_SIGNS``
    output: Any = None
    error: Exception | None = None

    @property
    def inputs(self) -> list:
        return tensors_in([self.args, self.kwargs])

    @property
    def leaves(self) -> list:
        unique = {id(t): t for t in self.inputs if t.requires_grad}
        return list(unique.values())

    def run(self) -> Call:
        seed(self.lib)
        try:
            self.output = self.function(*self.args, **self.kwargs)
        except Exception as error:
            self.error = error
        return self

    @property
    def unique(self) -> Any:
        """The output, or what of it does not depend on a choice of signs."""
        return self.process(self.output) if self.up_to_signs else self.output

    def differentiable(self) -> list:
        """The outputs a gradient can start from, after torch's ``output_process_fn_grad`` of this sample."""
        return [t for t in tensors_in(self.process(self.output)) if t.requires_grad]


def seed(lib: Any) -> None:
    """Random operations draw from the same place of the same stream."""
    if lib is torch:  # `torch.manual_seed` takes down the stack for every kind of device: half the time of a small call
        torch.default_generator.manual_seed(0)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(0)
    elif hasattr(lib, "manual_seed"):
        lib.manual_seed(0)


def copy_strided(value: Any) -> Any:
    """torch's side of the arguments, copied: same strides, same values, fresh memory, leaves again."""
    seen: dict[int, torch.Tensor] = {}

    def copy(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            if id(item) not in seen:
                seen[id(item)] = copy_tensor(item)
            return seen[id(item)]
        if isinstance(item, torch.Size):
            return item
        if isinstance(item, (list, tuple)):
            return type(item)(map(copy, item))
        if isinstance(item, dict):
            return {key: copy(entry) for key, entry in item.items()}
        return item

    return copy(value)


def copy_tensor(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.device.type != "cpu" or not representable(tensor):
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    if tensor.is_contiguous():  # memory of torch's own: `out=` may resize it
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    return from_numpy(memory_of(tensor), tensor.dtype).requires_grad_(tensor.requires_grad)


def from_numpy(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """A torch tensor over a NumPy array, strides kept (``torch.from_numpy`` knows no bfloat16)."""
    if dtype == torch.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def cotangents(outputs: Sequence[torch.Tensor], rng: np.random.Generator) -> list[torch.Tensor]:
    """Random gradients to start the backward pass from, one per output. All ones would hide a transposed gradient."""
    drawn = [np.asarray(rng.standard_normal(tuple(t.shape))) for t in outputs]
    return [torch.from_numpy(v).to(t.dtype).to(t.device) for v, t in zip(drawn, outputs, strict=True)]


def carry(tensors: Sequence[torch.Tensor | None], to: ToMinitorch) -> list:
    return [None if t is None else to.tensor(t) for t in tensors]


def gradient(lib: Any, outputs: Sequence, leaves: Sequence, starts: Sequence, create_graph: bool = False) -> list:
    """The vector-Jacobian products of ``outputs`` at ``leaves``; ``None`` where an output does not depend on a leaf."""
    if not outputs or not leaves:
        return [None] * len(leaves)
    found = lib.autograd.grad(
        list(outputs), list(leaves), list(starts), retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return list(found)


def second_gradient(lib: Any, grads: Sequence, inputs: Sequence, starts: Sequence) -> list:
    """Gradients of the gradients, at the leaves and at the cotangents they started from."""
    pairs = [(g, v) for g, v in zip(grads, starts, strict=True) if g is not None and g.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    return gradient(lib, [g for g, _ in pairs], inputs, [v for _, v in pairs])


def forward_derivative(call: Call, tangents: Sequence) -> list:
    """The Jacobian-vector product in forward mode: one tangent per float output (``None``: no dependence)."""
    lib, leaves = call.lib, call.leaves
    forward_ad = lib.autograd.forward_ad
    with forward_ad.dual_level():
        duals = {id(leaf): forward_ad.make_dual(leaf, v) for leaf, v in zip(leaves, tangents, strict=True)}
        seed(lib)
        output = call.function(*replace(call.args, duals), **replace(call.kwargs, duals))
        outputs = [t for t in tensors_in(call.process(output)) if t.is_floating_point()]
        parts = [forward_ad.unpack_dual(t) for t in outputs]
        return [None if part.tangent is None else part.tangent.detach().clone() for part in parts]


def replace(value: Any, table: dict[int, Any]) -> Any:
    """``value`` with the tensors whose id is in ``table`` exchanged."""
    if id(value) in table:
        return table[id(value)]
    if isinstance(value, (list, tuple)) and not hasattr(value, "numel"):
        return type(value)(replace(item, table) for item in value)
    if isinstance(value, dict):
        return {key: replace(item, table) for key, item in value.items()}
    return value


def widened(value: Any) -> Any:
    """torch's arguments with float tensors (and dtypes) in float64, for the truth a rounding error is measured from."""
    if isinstance(value, torch.Tensor):
        if not value.is_floating_point():
            return value.detach().clone()
        return value.detach().to(torch.float64).requires_grad_(value.requires_grad)
    if isinstance(value, torch.dtype):
        return torch.float64 if value.is_floating_point else value
    if isinstance(value, torch.Size):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(map(widened, value))
    if isinstance(value, dict):
        return {key: widened(item) for key, item in value.items()}
    return value


def summary(args: Sequence, kwargs: dict) -> str:
    """Arguments in a line: ``float32[2, 3], dim=1``; a layout that is not contiguous shows its strides."""

    def text(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            strides = "" if value.is_contiguous() else f" strides {list(value.stride())}"
            content = f" = {value.item()!r}" if value.ndim == 0 and value.layout == torch.strided else ""
            return f"{dtype_name(value.dtype)}{list(value.shape)}{strides}{content}"
        if isinstance(value, torch.Size):
            return str(list(value))
        if isinstance(value, (list, tuple)):
            inner = ", ".join(map(text, value[:6])) + (", ..." if len(value) > 6 else "")
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        return getattr(value, "__name__", None) or repr(value)

    return ", ".join([*map(text, args), *(f"{key}={text(item)}" for key, item in kwargs.items())])


def same_memory_layout(ours: Any, theirs: torch.Tensor) -> bool:
    """Whether two views step through memory alike; dimensions of size one have no step."""
    item = numpy_dtype(theirs.dtype).itemsize
    return all(
        n <= 1 or s == t * item
        for n, s, t in zip(theirs.shape, np.asarray(ours.array).strides, theirs.stride(), strict=True)
    )
