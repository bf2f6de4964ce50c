"""The multinomial distribution: how often each of several outcomes occurs in a number of trials."""

from __future__ import annotations

import math

from ..core.state import no_grad
from ..ops.comparison import where
from ..ops.creation import ones_like, zeros
from ..ops.data import tensor
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """P(x) = n! / (x_1! ... x_k!) p_1**x_1 ... p_k**x_k for counts x >= 0 that sum to n = `total_count`, an int."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def probs(self):
        return self._categorical.probs

    @property
    def logits(self):
        return self._categorical.logits

    @property
    def param_shape(self):
        return self._categorical.param_shape

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *sample_shape))  # (n, *sample_shape, *batch_shape)
            drawn = drawn.movedim(0, -1)
            counts = zeros(self._extended_shape(sample_shape), dtype=drawn.dtype)
            return counts.scatter_add_(-1, drawn, ones_like(drawn)).type_as(self.probs)

    def entropy(self):
        """n H - ln n! + sum over outcomes of E[ln x_i!], x_i binomial, H the entropy of one trial."""
        n = tensor(self.total_count)
        one = Binomial(self.total_count, probs=self.probs)
        counts = one.enumerate_support(expand=False)[1:]
        log_factorials = (one.log_prob(counts).exp() * (counts + 1).lgamma()).sum([0, -1])
        return n * self._categorical.entropy() - (n + 1).lgamma() + log_factorials

    def log_prob(self, value):
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        logits = where((value == 0) & (logits == -math.inf), 0, logits)  # 0 ln 0 is 0
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + (logits * value).sum(-1)
