"""Forward mode: tangents carried along with the values, one directional derivative per evaluation (torch's interface).

    with dual_level():
        z = f(make_dual(x, t))
        z, jt = unpack_dual(z)        # jt = J t

The rules are in `dual.py`. One level is open at a time here; `minitorch.func.jvp` nests.
"""

from __future__ import annotations

from collections import namedtuple

from ..core.tensor import Tensor, edits_of, node_of, wrap
from .dual import Forward, primal_of, tangent_of

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


class dual_level:
    """Context manager inside which dual tensors exist; leaving it drops their tangents."""

    open: Forward | None = None

    def __enter__(self):
        if dual_level.open is not None:
            raise RuntimeError("Nested forward mode AD is not supported at the moment")
        dual_level.open = Forward()
        dual_level.open.__enter__()
        return 0

    def __exit__(self, *error):
        level, dual_level.open = dual_level.open, None
        level.__exit__(*error)


def enter_dual_level() -> int:
    """Open a level, for `exit_dual_level` to close."""
    return dual_level().__enter__()


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level: dual tensors lose their tangents. RuntimeError when none is open."""
    if dual_level.open is None:
        raise RuntimeError("Trying to exit a forward AD level that was not entered.")
    dual_level().__exit__()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the values of `tensor` that carries `tangent` (same shape and type) along."""
    if dual_level.open is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if not tensor.dtype.is_floating_point or not tangent.dtype.is_floating_point:
        raise ValueError("Expected primal and tangent to be floating point or complex")
    if tensor.array.shape != tangent.array.shape:
        raise RuntimeError(
            f"Expected tangent of shape {list(tangent.array.shape)} to have the same shape as its primal, "
            f"{list(tensor.array.shape)}"
        )
    primal = wrap(tensor.array)
    primal.node, primal.edits = node_of(tensor), edits_of(tensor)
    dual = dual_level.open.dual(primal, tangent)
    dual.node = primal.node
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor; the tangent of an ordinary tensor is None."""
    level_open = dual_level.open
    if level_open is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(primal_of(tensor, level_open), tangent_of(tensor, level_open))
