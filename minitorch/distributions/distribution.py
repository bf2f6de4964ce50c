"""The base class of all distributions: shapes, checks of parameters and values, expanding."""

from __future__ import annotations

import warnings

from ..core.state import no_grad
from ..core.tensor import Tensor
from ..shapes import Size
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """A batch of probability distributions.

    A sample has the shape sample_shape + batch_shape + event_shape: `batch_shape` distributions side by side, each of
    which draws one event of `event_shape` (empty for numbers).

    validate_args: check parameters and values against `arg_constraints` and `support` (None: as
    `set_default_validate_args` says, by default unless Python runs with -O). ValueError where they do not satisfy them.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _own_expand: tuple[str, ...] = ()  # attributes that the common `expand` leaves as they are

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions check their arguments when not told otherwise."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(self, batch_shape=Size(), event_shape=Size(), validate_args: bool | None = None):  # noqa: B008
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()

    def _validate_parameters(self) -> None:
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for name, constraint in arg_constraints.items():
            computed = name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or computed:
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape, _instance=None):
        """The same distributions for a larger batch: a view of the parameters, whose memory is not copied."""
        batch_shape = Size(batch_shape)
        new = self._get_checked_instance(type(self), _instance)
        batch_dims = len(self._batch_shape)
        for name, value in self.__dict__.items():
            if name not in self._own_expand:
                if isinstance(value, Distribution):
                    value = value.expand(batch_shape)
                elif isinstance(value, Tensor):
                    value = value.expand(batch_shape + value.shape[batch_dims:])
            new.__dict__.setdefault(name, value)
        new._batch_shape = batch_shape
        return new

    def _get_checked_instance(self, cls, _instance=None):
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method."
            )
        return object.__new__(type(self)) if _instance is None else _instance

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """Which region each parameter must lie in, by its name."""
        raise NotImplementedError

    @property
    def support(self) -> constraints.Constraint:
        """The region in which all events lie."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """E[X]"""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable event."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """E[(X - E[X])**2]"""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        """Events, drawn without a gradient: sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        """Events that are differentiable by the parameters: sample_shape + batch_shape + event_shape."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, as it was called once."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", category=FutureWarning, stacklevel=2
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density (of the probability, for discrete events) at `value`."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= value)"""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The x with P(X <= x) = value."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All events of a discrete distribution along dimension 0, for each of the batch, or once (expand=False)."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """-E[ln p(X)], of shape batch_shape."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape=()) -> Size:
        return Size(tuple(sample_shape) + self._batch_shape + self._event_shape)

    def _validate_sample(self, value: Tensor) -> None:
        """ValueError where `value` is no tensor, does not broadcast to the batch, or lies outside the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, expected = value.shape, self._batch_shape + self._event_shape
        if shape[len(shape) - len(self._event_shape) :] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}.")
        for n, m in zip(reversed(shape), reversed(expected), strict=False):
            if n != 1 and m != 1 and n != m:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _check(self, value) -> None:
        if self._validate_args:
            self._validate_sample(value)

    def __repr__(self) -> str:
        given = {name: self.__dict__[name] for name in self.arg_constraints if name in self.__dict__}
        return (
            f"{type(self).__name__}({', '.join(f'{k}: {v if v.numel() == 1 else v.shape}' for k, v in given.items())})"
        )


def enumerated(values: Tensor, distribution: Distribution, expand: bool) -> Tensor:
    """The events `values` (n, *event_shape) along dimension 0 of the batch."""
    batch, event = distribution.batch_shape, distribution.event_shape
    values = values.view((-1,) + (1,) * len(batch) + event)
    return values.expand((-1,) + batch + event) if expand else values
