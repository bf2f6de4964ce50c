"""A `Function` under vmap and forward mode, for which its author gives the rules.

    vmap(info, in_dims, *args)  ->  (outputs, out_dims)      all examples at once: arguments with a mapped dimension
    jvp(ctx, *tangents)         ->  the tangents of the outputs

`generate_vmap_rule = True` says instead that forward, backward and jvp are made of Tensor operations, which a vmap can
follow. (torch's "Extending torch.func with autograd.Function".)
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from .. import trees
from ..batching import vmap
from ..batching.batched import Mapping
from ..core.levels import Level, lowered
from ..core.state import no_grad
from ..core.tensor import Tensor, wrap
from .dual import Forward, primal_of, tangent_of

VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def overrides(cls, name: str) -> bool:
    """Whether the author of a Function gave the static method."""
    return getattr(cls, name) is not getattr(cls.__mro__[-2], name)


def outputs_at(level: Level, cls, args: tuple, kwargs: dict) -> Any:
    """What cls.apply(*args, **kwargs) gives at `level`, unrecorded there."""
    if isinstance(level, Mapping):
        return _mapped(level, cls, args, kwargs)
    assert isinstance(level, Forward)
    return _pushed(level, cls, args, kwargs)


def _mapped(level: Mapping, cls, args: tuple, kwargs: dict) -> Any:
    if not overrides(cls, "setup_context"):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override "
            "the setup_context staticmethod."
        )
    given = overrides(cls, "vmap")
    if given and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity."
        )
    if not given:
        if not cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the "
                "vmap staticmethod or set generate_vmap_rule=True."
            )
    in_dims = tuple([0 if isinstance(x, Tensor) and level.is_mapped(x) else None for x in args])
    whole = [level.below(x) if isinstance(x, Tensor) else x for x in args]
    with lowered(level):
        if given:
            outputs, dims = cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *whole, **kwargs)
        elif any([dim is not None for dim in in_dims]):
            outputs, dims = _generated(level, cls, in_dims, kwargs).apply(*whole), 0
        else:
            outputs, dims = cls.apply(*whole, **kwargs), None
    leaves, structure = trees.flatten(outputs)
    places = trees.spread(dims, outputs)
    if places is None:
        raise RuntimeError(f"{cls.__name__}.vmap: out_dims {dims} is not compatible with the structure of its outputs")
    shown = [z if dim is None else level.example_of(z, dim) for z, dim in zip(leaves, places, strict=True)]
    return trees.unflatten(shown, structure)


def _generated(level: Mapping, cls, in_dims: tuple, kwargs: dict):
    """A Function of whole batches whose forward, backward and jvp are the vmaps of those of `cls`."""

    def per_example(rule, inputs, outputs, others):
        """rule(ctx, *others) for every example, the results that are None left out; and where the others stand."""
        places: list[int] = []

        def one(inputs, outputs, others):
            ctx = cls._fresh_context()
            ctx.needs_input_grad = tuple([isinstance(x, Tensor) for x in inputs])
            cls.setup_context(ctx, inputs, outputs)
            if rule is cls.jvp:
                ctx._saved = ctx.saved_for_forward
            results = rule(ctx, *others)
            results = results if isinstance(results, tuple) else (results,)
            places[:] = [i for i, part in enumerate(results) if part is not None]
            return tuple([part for part in results if part is not None])

        dims = tuple([0 if isinstance(x, Tensor) else None for x in others])
        if rule is cls.jvp:
            dims = tuple([None if t is None else dim for t, dim in zip(others, in_dims, strict=True)])
        return vmap(one, (in_dims, 0, dims), randomness=level.randomness)(inputs, outputs, others), places

    class Vmapped(cls.__mro__[-2]):  # type: ignore[misc]
        @staticmethod
        def forward(*inputs):
            return vmap(lambda *xs: cls.forward(*xs, **kwargs), in_dims, randomness=level.randomness)(*inputs)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.leaves, ctx.structure = trees.flatten((inputs, output))
            tensors = [x for x in ctx.leaves if isinstance(x, Tensor)]
            ctx.leaves = [None if isinstance(x, Tensor) else (x,) for x in ctx.leaves]
            ctx.save_for_backward(*tensors)
            ctx.save_for_forward(*tensors)

        @staticmethod
        def _kept(ctx):
            saved = iter(ctx.saved_tensors)
            return trees.unflatten([next(saved) if x is None else x[0] for x in ctx.leaves], ctx.structure)

        @staticmethod
        def backward(ctx, *grads):
            inputs, outputs = Vmapped._kept(ctx)
            found, places = per_example(cls.backward, inputs, outputs, grads)
            results: list = [None] * len(inputs)
            for i, part in zip(places, found, strict=True):  # one argument for all examples gets the sum of theirs
                results[i] = part if in_dims[i] is not None else part.sum(0)
            return tuple(results)

        @staticmethod
        def jvp(ctx, *tangents):
            inputs, outputs = Vmapped._kept(ctx)
            found, places = per_example(cls.jvp, inputs, outputs, tangents)
            results: list = [None] * (len(outputs) if isinstance(outputs, tuple) else 1)
            for i, part in zip(places, found, strict=True):
                results[i] = part
            return tuple(results) if isinstance(outputs, tuple) else results[0]

    Vmapped.__name__ = f"Vmapped{cls.__name__}"
    return Vmapped


def _pushed(level: Forward, cls, args: tuple, kwargs: dict) -> Any:
    ctx = cls._fresh_context()
    tangents = [tangent_of(x, level) if isinstance(x, Tensor) else None for x in args]
    primals = [primal_of(x, level) if isinstance(x, Tensor) else x for x in args]
    with lowered(level):
        outputs = cls.apply(*primals, **kwargs)
        if all([t is None for t in tangents]):
            return outputs
        with no_grad():
            if overrides(cls, "setup_context"):
                cls.setup_context(ctx, tuple(primals), outputs)
            else:
                cls.forward(ctx, *primals, **kwargs)
        ctx._saved = ctx.saved_for_forward
        pushed = cls.jvp(ctx, *[_materialized(ctx, x, t) for x, t in zip(primals, tangents, strict=True)])
    several = isinstance(outputs, (tuple, list))
    results, pushed = (outputs, pushed) if several else ([outputs], [pushed])
    duals = [
        level.dual(z, t) if isinstance(z, Tensor) and z.dtype.is_floating_point else z
        for z, t in zip(results, pushed, strict=True)
    ]
    return tuple(duals) if several else duals[0]


def _materialized(ctx, x, tangent: Tensor | None) -> Tensor | None:
    """The tangent that `jvp` gets: zeros where a tensor has none, unless ctx says otherwise."""
    if tangent is None and isinstance(x, Tensor) and ctx._materialize and x.dtype.is_floating_point:
        return wrap(np.zeros(x.array.shape, x.array.dtype))
    return tangent
