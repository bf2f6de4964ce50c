"""Tensors overwritten in place with random numbers (`uniform_`, `normal_`, ...), in the order of their memory.

All take `generator`, whose stream they draw from (None: the default generator).
"""

from __future__ import annotations

from .. import samplers
from ..core.inplace import apply_in_place, check_overlap
from ..core.levels import draws
from ..core.op import ELEMENTWISE, KEEP, function, op
from ..core.tensor import Tensor
from ..dtypes import finfo
from ..samplers import arrange
from ..shapes import as_int
from .arithmetic import zeros_as
from .integer_range import check_bounds, mantissa_digits, open_bounds
from .random import bernoulli_drawn, check_floating, check_probability, check_std, draw_bernoulli, stream


def _redraw(name: str, self: Tensor, sample) -> Tensor:
    """Overwrite `self` with the numbers `sample(count, dtype)`, in the order of its memory."""
    array = self.array
    check_overlap(name, array)

    def draw(old: Tensor) -> Tensor:
        return redrawn(old, values=arrange(sample(array.size, array.dtype), array))

    return apply_in_place(name, draw, self)


@op(ELEMENTWISE, dtype=KEEP, vjp=dict(input=zeros_as))
def redrawn(input, *, values):
    """Numbers that take the place of `input`, whatever it was"""
    return values


def _from(first, named: dict):
    """The argument that torch calls `from`, a word which Python reserves."""
    value = named.pop("from", first)
    if named:
        raise TypeError(f"got an unexpected keyword argument '{next(iter(named))}'")
    return value


@function(torch="Tensor.uniform_")
@draws
def uniform_(self: Tensor, low: float = 0.0, to: float = 1.0, *, generator=None, **named) -> Tensor:
    """Overwrite with uniform numbers in [from, to); `from` comes first or by name."""
    low = _from(low, named)
    check_floating("uniform_", self.array.dtype)
    largest = finfo(self.dtype).max
    for argument, value in (("from", low), ("to", to)):
        if not abs(value) <= largest:
            raise RuntimeError(f"uniform_(): {argument} is out of bounds for {self.dtype}")
    if low > to or to - low > largest:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range within {self.dtype}, but found from={low}, to={to}"
        )
    source = stream("uniform_", generator)
    return _redraw("uniform_", self, lambda count, dtype: samplers.uniform(source, count, dtype, low, to))


@function(torch="Tensor.normal_")
@draws
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """Overwrite with normal numbers. RuntimeError for a negative `std`."""
    check_std("normal", std)
    check_floating("normal_", self.array.dtype)
    source, contiguous = stream("normal_", generator), self.array.flags.c_contiguous

    def sample(count, dtype):
        return samplers.normal(source, count, dtype, mean, std, contiguous=contiguous)

    return _redraw("normal_", self, sample)


@function(torch="Tensor.random_")
@draws
def random_(self: Tensor, *bounds, generator=None, **named) -> Tensor:
    """Overwrite with integers: `random_()` takes all that the type holds without gaps from 0 on, `random_(to)` those
    in [0, to), `random_(from, to)` those in [from, to); with to=None, from `from` to the largest.

    RuntimeError for an empty range and for one that the type cannot hold.
    """
    source, dtype = stream("random_", generator), self.array.dtype
    if not bounds and not named:
        digits = mantissa_digits(dtype)
        return _redraw("random_", self, lambda n, dtype: samplers.random_integers(source, n, dtype, digits))
    if len(bounds) == 2 or "from" in named:
        low, high = [*bounds, *[named[k] for k in ("from", "to") if k in named], None][:2]
    else:
        low, high = 0, bounds[0] if bounds else named["to"]
    low = as_int(low, "random_(): argument 'from'")
    if high is None:
        low, high = open_bounds("random_", low, dtype)
    else:
        low, high = check_bounds("random_", low, as_int(high, "random_(): argument 'to'"), dtype)
    return _redraw("random_", self, lambda n, dtype: samplers.integers(source, n, dtype, low, high))


@function(torch="Tensor.bernoulli_")
@draws
def bernoulli_(self: Tensor, p=0.5, *, generator=None) -> Tensor:
    """Overwrite with ones with probability `p` (a number or a tensor that broadcasts), else zeros."""
    if isinstance(p, Tensor):
        array = self.array
        check_overlap("bernoulli_", array)

        def draw(old: Tensor, p: Tensor) -> Tensor:
            return bernoulli_drawn(old, p, values=draw_bernoulli("bernoulli_", p.array, array, generator))

        return apply_in_place("bernoulli_", draw, self, (p,))
    check_probability("bernoulli_", p)
    source = stream("bernoulli_", generator)
    return _redraw("bernoulli_", self, lambda count, dtype: samplers.bernoulli(source, count, dtype, p))


@function(torch="Tensor.exponential_")
@draws
def exponential_(self: Tensor, lambd: float = 1.0, *, generator=None) -> Tensor:
    """Overwrite with exponential numbers of rate `lambd` > 0."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    check_floating("exponential_", self.array.dtype)
    source = stream("exponential_", generator)
    return _redraw("exponential_", self, lambda count, dtype: samplers.exponential(source, count, dtype, lambd))


@function(torch="Tensor.geometric_")
@draws
def geometric_(self: Tensor, p: float, *, generator=None) -> Tensor:
    """Overwrite with the number of trials up to a first success of probability 0 < `p` < 1."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if self.array.dtype.kind == "b":
        raise NotImplementedError("geometric_(): not implemented for bool")
    source = stream("geometric_", generator)
    return _redraw("geometric_", self, lambda count, dtype: samplers.geometric(source, count, dtype, p))


@function(torch="Tensor.cauchy_")
@draws
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator=None) -> Tensor:
    """Overwrite with Cauchy numbers of the given median and scale `sigma` > 0."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    check_floating("cauchy_", self.array.dtype)
    source = stream("cauchy_", generator)
    return _redraw("cauchy_", self, lambda count, dtype: samplers.cauchy(source, count, dtype, median, sigma))


@function(torch="Tensor.log_normal_")
@draws
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator=None) -> Tensor:
    """Overwrite with exp of normal numbers of mean `mean` and deviation `std` > 0."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    check_floating("log_normal_", self.array.dtype)
    source = stream("log_normal_", generator)
    return _redraw("log_normal_", self, lambda count, dtype: samplers.log_normal(source, count, dtype, mean, std))
