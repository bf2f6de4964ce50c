"""The binomial distribution: successes in a number of trials."""

from __future__ import annotations

from ..core.state import no_grad
from ..ops.families import binomial
from ..ops.ranges import arange
from . import constraints
from .distribution import Distribution, enumerated
from .utils import Odds

__all__ = ["Binomial"]


def positive_part(x):
    """max(x, 0), with the derivative 1/2 at 0."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(Odds, Distribution):
    """P(k) = C(n, k) p**k (1 - p)**(n - k) for k = 0 .. n; n = `total_count`, p = `probs`."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        value, total = self._read_odds(probs, logits, total_count)
        self.total_count = total.type_as(value)
        super().__init__(value.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        """ln C(n, k) + k l - n ln(1 + exp(l)), with l = `logits` and the last term written so as not to overflow."""
        self._check(value)
        n, logits = self.total_count, self.logits
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return ways + value * logits - n * positive_part(logits) - n * (-logits.abs()).exp().log1p()

    def _common_count(self, what: str) -> int:
        most = int(self.total_count.max().item())
        if not self.total_count.min().item() == most:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return most

    def entropy(self):
        self._common_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        values = arange(1 + self._common_count("enumerate_support"), dtype=self._param.dtype)
        return enumerated(values, self, expand)
