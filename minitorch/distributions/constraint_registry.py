"""From unconstrained numbers to a constrained region: `biject_to` by a bijection, `transform_to` by any map onto it."""

from __future__ import annotations

from collections.abc import Callable

from . import constraints, transforms
from .utils import NUMBERS

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table from classes of constraints to functions that make a transform for such a constraint."""

    def __init__(self):
        self._registry: dict[type, Callable] = {}

    def register(self, constraint, factory: Callable | None = None):
        """Add `factory(constraint) -> Transform` for a class of constraints, or for that of an instance; without
        `factory`, a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        cls = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not isinstance(cls, type) or not issubclass(cls, constraints.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[cls] = factory
        return factory

    def __call__(self, constraint):
        """The transform from all real numbers into the region. NotImplementedError where there is none."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _shifted_exponential(bound, direction: int):
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(bound, direction)])


def _to_interval(constraint):
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, NUMBERS) and isinstance(high, NUMBERS) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _parts(registry: ConstraintRegistry) -> dict:
    """The transforms of constraints made of others, whose parts come from the same registry."""
    return {
        constraints.independent: lambda c: transforms.IndependentTransform(
            registry(c.base_constraint), c.reinterpreted_batch_ndims
        ),
        constraints.cat: lambda c: transforms.CatTransform([registry(part) for part in c.cseq], c.dim, c.lengths),
        constraints.stack: lambda c: transforms.StackTransform([registry(part) for part in c.cseq], c.dim),
    }


_NUMBERS = {
    constraints.real: lambda c: transforms.identity_transform,
    constraints.greater_than: lambda c: _shifted_exponential(c.lower_bound, 1),
    constraints.greater_than_eq: lambda c: _shifted_exponential(c.lower_bound, 1),
    constraints.less_than: lambda c: _shifted_exponential(c.upper_bound, -1),
    constraints.interval: _to_interval,
    constraints.half_open_interval: _to_interval,
}

for _registry, _own in (
    (biject_to, {constraints.simplex: lambda c: transforms.StickBreakingTransform()}),
    (
        transform_to,
        {
            constraints.simplex: lambda c: transforms.SoftmaxTransform(),
            constraints.lower_cholesky: lambda c: transforms.LowerCholeskyTransform(),
        },
    ),
):
    for _constraint, _factory in {**_NUMBERS, **_parts(_registry), **_own}.items():
        _registry.register(_constraint, _factory)
