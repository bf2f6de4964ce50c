"""The transforms themselves: of numbers, of vectors to the simplex, and of parts of a tensor each by its own."""

from __future__ import annotations

import math

from ..dtypes import finfo
from ..ops.creation import full_like
from ..ops.join import cat, stack
from ..ops.pad import pad
from ..ops.ranges import arange
from ..ops.smooth import logsigmoid, softplus
from ..shapes import broadcast_shapes
from . import constraints
from .transform import ComposeTransform, IndependentTransform, ReshapeTransform, Transform, identity_transform
from .utils import NUMBERS, broadcast_all, lazy_property, sum_rightmost

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CumulativeDistributionTransform",
    "ExpTransform", "IndependentTransform", "LowerCholeskyTransform", "PowerTransform", "ReshapeTransform",
    "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform", "StackTransform", "StickBreakingTransform",
    "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip


class _Fixed(Transform):
    """A transform without parameters: all of one class are equal."""

    def __eq__(self, other):
        return isinstance(other, type(self))

    __hash__ = Transform.__hash__


class _OfVectors(_Fixed):
    """Takes the last dimension together and makes it `longer` by so many."""

    longer = 0

    def _shape(self, shape, longer):
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        return shape[:-1] + (shape[-1] + longer,)

    def forward_shape(self, shape):
        return self._shape(shape, self.longer)

    def inverse_shape(self, shape):
        return self._shape(shape, -self.longer)


# Numbers.


class ExpTransform(_Fixed):
    """y = exp(x)"""

    domain, codomain = constraints.real, constraints.positive
    bijective, sign = True, +1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """y = x**exponent"""

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    @lazy_property
    def sign(self):
        return self.exponent.sign()

    def __eq__(self, other):
        return isinstance(other, PowerTransform) and self.exponent.eq(other.exponent).all().item()

    __hash__ = Transform.__hash__

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape):
        return broadcast_shapes(shape, self.exponent.shape)

    def inverse_shape(self, shape):
        return broadcast_shapes(shape, self.exponent.shape)


def clipped_sigmoid(x):
    """sigmoid(x), kept inside (0, 1)."""
    limits = finfo(x.dtype)
    return x.sigmoid().clamp(min=limits.tiny, max=1.0 - limits.eps)


class SigmoidTransform(_Fixed):
    """y = 1 / (1 + exp(-x))"""

    domain, codomain = constraints.real, constraints.unit_interval
    bijective, sign = True, +1

    def _call(self, x):
        return clipped_sigmoid(x)

    def _inverse(self, y):
        limits = finfo(y.dtype)
        y = y.clamp(min=limits.tiny, max=1.0 - limits.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Fixed):
    """y = ln(1 + exp(x))"""

    domain, codomain = constraints.real, constraints.positive
    bijective, sign = True, +1

    def _call(self, x):
        return softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x)


class TanhTransform(_Fixed):
    """y = tanh(x). Near +-1 its inverse loses all digits: use cache_size=1 there."""

    domain, codomain = constraints.real, constraints.interval(-1.0, 1.0)
    bijective, sign = True, +1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x, y):
        """ln(1 - tanh(x)**2), written without cancellation."""
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class AbsTransform(_Fixed):
    """y = |x|; the inverse chosen is y itself."""

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


def _equal(a, b) -> bool:
    if isinstance(a, NUMBERS) and isinstance(b, NUMBERS):
        return a == b
    return bool((a == b).all().item())


class AffineTransform(Transform):
    """y = loc + scale x; loc and scale are numbers or tensors, scale is not 0. event_dim: dimensions of an event."""

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    @property
    def event_dim(self):
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return self.domain

    def __eq__(self, other):
        return isinstance(other, AffineTransform) and _equal(self.loc, other.loc) and _equal(self.scale, other.scale)

    __hash__ = Transform.__hash__

    @property
    def sign(self):
        if isinstance(self.scale, NUMBERS):
            return (self.scale > 0) - (self.scale < 0)
        return self.scale.sign()

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        shape, scale = x.shape, self.scale
        volume = full_like(x, math.log(abs(scale))) if isinstance(scale, NUMBERS) else scale.abs().log()
        if self.event_dim:
            volume, shape = sum_rightmost(volume, self.event_dim), shape[: -self.event_dim]
        return volume.expand(shape)

    def forward_shape(self, shape):
        return broadcast_shapes(shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))

    def inverse_shape(self, shape):
        return self.forward_shape(shape)


class CumulativeDistributionTransform(Transform):
    """y = P(X <= x) for X of `distribution`, which has `cdf` and `icdf`."""

    bijective, sign = True, +1
    codomain = constraints.unit_interval

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self):
        return self.distribution.support

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)


# Vectors and matrices.


class SoftmaxTransform(_OfVectors):
    """y = softmax(x); the inverse chosen is ln y."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x):
        exponentials = (x - x.max(-1, True)[0]).exp()
        return exponentials / exponentials.sum(-1, True)

    def _inverse(self, y):
        return y.log()


def _counting_down(x, last):
    """(..., last + 2, last + 1, last), one for each entry of the last dimension of x."""
    n = x.shape[-1]
    return arange(n + last - 1, last - 1, -1, dtype=x.dtype)


class StickBreakingTransform(_OfVectors):
    """k numbers to a point of the simplex of k + 1 parts: each takes its share sigmoid(x_i - ln(k - i)) of what the
    ones before have left, so that x = 0 gives equal parts."""

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective, longer = True, 1

    def _call(self, x):
        share = clipped_sigmoid(x - _counting_down(x, 1).log())
        left = (1 - share).cumprod(-1)
        return pad(share, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y):
        parts = y[..., :-1]
        left = (1 - parts.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return parts.log() - left.log() + _counting_down(parts, 1).log()

    def log_abs_det_jacobian(self, x, y):
        x = x - _counting_down(x, 1).log()
        return (-x + logsigmoid(x) + y[..., :-1].log()).sum(-1)


class LowerCholeskyTransform(_Fixed):
    """Square matrices to lower triangular ones with a positive diagonal: the exponential of the diagonal."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


# Parts.


class _Parts(Transform):
    """Several transforms along the dimension `dim`."""

    def __init__(self, tseq, dim, cache_size):
        super().__init__(cache_size=cache_size)
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    def _check(self, length, *tensors):
        for x in tensors:
            if not -x.dim() <= self.dim < x.dim():
                raise AssertionError(f"dim {self.dim} out of range for tensor with {x.dim()} dimensions")
            if x.size(self.dim) != length:
                raise AssertionError(f"x.size({self.dim}) = {x.size(self.dim)} must equal length {length}")


class CatTransform(_Parts):
    """Parts of `lengths` (default 1 each) along `dim`, each by its own transform."""

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    @lazy_property
    def event_dim(self):
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self):
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _split(self, *tensors):
        self._check(self.length, *tensors)
        return zip(self.transforms, *[x.split(self.lengths, self.dim) for x in tensors], strict=True)

    def _call(self, x):
        return cat([t(part) for t, part in self._split(x)], self.dim)

    def _inverse(self, y):
        return cat([t.inv(part) for t, part in self._split(y)], self.dim)

    def log_abs_det_jacobian(self, x, y):
        volumes = [
            sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim) for t, a, b in self._split(x, y)
        ]
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return cat(volumes, dim) if dim < 0 else sum(volumes)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Parts):
    """Slices along `dim`, each by its own transform."""

    def __init__(self, tseq, dim=0, cache_size=0):
        super().__init__(tseq, dim, cache_size)

    def with_cache(self, cache_size=1):
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _split(self, *tensors):
        self._check(len(self.transforms), *tensors)
        return zip(self.transforms, *[x.unbind(self.dim) for x in tensors], strict=True)

    def _call(self, x):
        return stack([t(part) for t, part in self._split(x)], self.dim)

    def _inverse(self, y):
        return stack([t.inv(part) for t, part in self._split(y)], self.dim)

    def log_abs_det_jacobian(self, x, y):
        return stack([t.log_abs_det_jacobian(a, b) for t, a, b in self._split(x, y)], self.dim)

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
