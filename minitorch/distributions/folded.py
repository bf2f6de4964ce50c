"""|X|, where X is distributed symmetrically around 0: what the half-normal and the half-Cauchy have in common."""

from __future__ import annotations

import math

from ..ops.comparison import where
from ..ops.creation import zeros_like
from ..ops.data import as_tensor
from . import constraints
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform

__all__: list[str] = []


class Folded(TransformedDistribution):
    """The half of `base`, a distribution with loc 0 and a `scale`, that lies at 0 and above: with twice the density."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, base: Distribution, validate_args=None):
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self):
        return self.base_dist.scale

    @property
    def mode(self):
        return zeros_like(self.scale)

    def log_prob(self, value):
        value = as_tensor(value, dtype=self.scale.dtype)
        self._check(value)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value):
        self._check(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value):
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self):
        return self.base_dist.entropy() - math.log(2)
