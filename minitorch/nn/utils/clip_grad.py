"""Keeping gradients small: clip their norm, or each element."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable

from ...core.op import PUBLIC
from ...core.state import no_grad
from ...core.tensor import Tensor
from ...ops.data import tensor as new_tensor
from ...ops.join import stack


def _as_list(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken as one vector. RuntimeError if it is not finite (when asked)."""
    tensors, norm_type = _as_list(tensors), float(norm_type)
    if not tensors:
        return new_tensor(0.0)
    norm = PUBLIC["linalg.vector_norm"]
    # The norm of the norms is the norm of everything.
    total = norm(stack([norm(t, norm_type) for t in tensors]), norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients, in place, by min(1, max_norm / (total_norm + 1e-6))."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for parameter in _as_list(parameters):
        if parameter.grad is not None:
            parameter.grad.mul_(scale)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of the parameters, in place, so that the norm of all together is at most max_norm.

    Returns the norm before. Pascanu, Mikolov, Bengio (2012).
    """
    from_generator = isinstance(parameters, types.GeneratorType)
    parameters = _as_list(parameters)
    if from_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    gradients = [p.grad for p in parameters if p.grad is not None]
    total_norm = get_total_norm(gradients, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(*args, **kwargs) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(*args, **kwargs)


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut each element of the gradients off at -clip_value and clip_value, in place.

    RuntimeError where no parameter has a gradient, as in torch.
    """
    clip_value = float(clip_value)
    gradients = [parameter.grad for parameter in _as_list(parameters) if parameter.grad is not None]
    if not gradients:
        raise RuntimeError("clip_grad_value_(): no parameter has a gradient")
    for gradient in gradients:
        gradient.clamp_(min=-clip_value, max=clip_value)
