"""Kullback-Leibler divergences KL(p || q) = E_p[ln p(X) - ln q(X)], in closed form, pair by pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from ..core.tensor import Tensor
from .distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

REGISTRY: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Declare the decorated function f(p, q) to be the divergence between these two classes."""
    for name, cls in (("p", type_p), ("q", type_q)):
        if not (isinstance(cls, type) and issubclass(cls, Distribution)):
            raise TypeError(f"Expected type_{name} to be a Distribution subclass but got {cls}")

    def declare(function: Callable) -> Callable:
        REGISTRY[type_p, type_q] = function
        return function

    return declare


def _find(type_p: type, type_q: type) -> Callable | None:
    """The function for the closest superclasses of both; a tie is decided by p, with a warning."""
    depth_p, depth_q = type_p.__mro__.index, type_q.__mro__.index
    found = [pair for pair in REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not found:
        return None
    by_p = min(found, key=lambda pair: (depth_p(pair[0]), depth_q(pair[1])))
    by_q = min(found, key=lambda pair: (depth_q(pair[1]), depth_p(pair[0])))
    if REGISTRY[by_p] is not REGISTRY[by_q]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({by_p[0].__name__}, {by_q[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return REGISTRY[by_p]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of shape batch_shape. NotImplementedError for a pair without a closed form here."""
    function = _find(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return function(p, q)
