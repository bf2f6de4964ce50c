"""The geometric distribution: failures before the first success."""

from __future__ import annotations

from ..core.state import no_grad
from ..dtypes import finfo
from ..ops.comparison import where
from ..ops.creation import empty, zeros_like
from ..ops.loss_binary import binary_cross_entropy_with_logits
from . import constraints
from .distribution import Distribution
from .utils import Odds, broadcast_all

__all__ = ["Geometric"]


class Geometric(Odds, Distribution):
    """P(k) = (1 - p)**k p for k = 0, 1, ...: failures before a success of probability p = `probs`, 0 < p <= 1."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._read_odds(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None:
            value = self.probs
            if not (value > 0).all():
                raise ValueError(
                    f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to be positive but found invalid values:\n{value.data[~(value > 0)]}"
                )

    @property
    def mean(self):
        return 1.0 / self.probs - 1.0

    @property
    def mode(self):
        return zeros_like(self.probs)

    @property
    def variance(self):
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape=()):
        """floor(ln u / ln(1 - p)), u uniform in (0, 1)."""
        with no_grad():
            tiny = finfo(self.probs.dtype).tiny
            u = empty(self._extended_shape(sample_shape), dtype=self.probs.dtype).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        self._check(value)
        value, probs = broadcast_all(value, self.probs)
        failure = where((probs == 1) & (value == 0), 0, probs)  # 0 ln 0 is 0
        return value * (-failure).log1p() + self.probs.log()

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
