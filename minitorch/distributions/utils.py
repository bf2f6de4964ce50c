"""What the distributions share: broadcasting of parameters, and the two ways of saying a probability."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from ..core.state import enable_grad
from ..core.tensor import Tensor
from ..dtypes import finfo, get_default_dtype
from ..ops.data import tensor
from ..ops.shape import broadcast_tensors

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"]

euler_constant = 0.57721566490153286060
NUMBERS = (int, float)


def broadcast_all(*values) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take the type of the first tensor, or the default type.

    ValueError for anything else.
    """
    if not all(isinstance(v, (Tensor, *NUMBERS)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), get_default_dtype())
    return broadcast_tensors(*[v if isinstance(v, Tensor) else tensor(v, dtype=dtype) for v in values])


def sum_rightmost(value: Tensor, dims: int) -> Tensor:
    """The sum over the last `dims` dimensions."""
    return value if dims == 0 else value.reshape((*value.shape[:-dims], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """sigmoid of log odds, or softmax of unnormalised log probabilities along the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities in [eps, 1 - eps], so that their logarithms are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds ln(p / (1 - p)), or log probabilities."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


class lazy_property:
    """A property that is computed, with gradients, when first asked for, and kept from then on."""

    def __init__(self, compute: Callable[[Any], Tensor]):
        self.compute = compute
        update_wrapper(self, compute)  # type: ignore[arg-type]

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with enable_grad():
            value = self.compute(instance)
        instance.__dict__[self.compute.__name__] = value
        return value


class Odds:
    """Mixed into distributions of two outcomes, which have `probs` p or `logits` ln(p / (1 - p))."""

    _given: str

    def _read_odds(self, probs, logits, *others) -> tuple[Tensor, ...]:
        """Keep whichever is given; returns it, and `others`, broadcast. ValueError unless exactly one is given."""
        check_exactly_one(probs, logits)
        name, value = ("probs", probs) if probs is not None else ("logits", logits)
        values = broadcast_all(value, *others)
        self.__dict__[name], self._given = values[0], name
        return values

    @lazy_property
    def logits(self) -> Tensor:
        """ln(p / (1 - p))"""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of the outcome 1."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return self.__dict__[self._given]

    @property
    def param_shape(self):
        return self._param.shape


def check_exactly_one(probs, logits) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
