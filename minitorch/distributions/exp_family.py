"""Exponential families: densities exp(<t(x), theta> - F(theta) + k(x)).

From the log normalizer F alone follow the entropy and the divergence within a family, since the gradient of F is the
expectation of t(X) (Nielsen & Nock 2010).
"""

from __future__ import annotations

from ..autograd import grad
from ..core.tensor import Tensor
from .distribution import Distribution
from .utils import sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Subclasses give `_natural_params` theta, `_log_normalizer` F and `_mean_carrier_measure` E[k(X)]."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> float:
        raise NotImplementedError

    def _normalizer_and_moments(self) -> tuple[Tensor, list[Tensor], tuple[Tensor, ...]]:
        """F(theta), theta, and the gradient of F."""
        theta = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*theta)
        return normalizer, theta, grad(normalizer.sum(), theta, create_graph=True)

    def entropy(self) -> Tensor:
        """F(theta) - <theta, grad F(theta)> - E[k(X)]"""
        carrier = self._mean_carrier_measure
        result, theta, moments = self._normalizer_and_moments()
        for p, m in zip(theta, moments, strict=True):
            result = result - sum_rightmost(p * m, len(self._event_shape))
        return result - carrier
