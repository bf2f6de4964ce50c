"""Chapter 08: batch norm and layer norm."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, positive, tensors

channels = st.integers(1, 3)


@exercise(
    st.tuples(st.integers(2, 4), channels, st.integers(1, 3)).flatmap(
        lambda shape: st.fixed_dictionaries(
            {"x": tensors(*shape), "weight": tensors(shape[1]), "bias": tensors(shape[1]), "eps": positive}
        )
    ),
    mistake=lambda x, weight, bias, eps: (
        (x - x.mean(0)) / (x.var(0, correction=0) + eps).sqrt() * weight[:, None] + bias[:, None]
    ),
    within=1e-4,
)
def batch_norm(x, weight, bias, eps):
    """Batch norm (批归一化) in training of `x` (N, C, L): each of the C channels by its mean and variance over all
    samples *and* positions. `weight` and `bias` are (C,). The variance divides by the number of entries. Do not
    call `torch.nn.functional.batch_norm`."""
    mean = x.mean((0, 2), keepdim=True)
    var = (x - mean).square().mean((0, 2), keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight[:, None] + bias[:, None]


@exercise(
    st.tuples(*[st.integers(1, 3)] * 2, st.integers(2, 4)).flatmap(
        lambda shape: st.fixed_dictionaries(
            {"x": tensors(*shape), "weight": tensors(shape[2]), "bias": tensors(shape[2]), "eps": positive}
        )
    ),
    mistake=lambda x, weight, bias, eps: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt() * weight + bias
    ),
    within=1e-4,
)
def layer_norm(x, weight, bias, eps):
    """Layer norm (层归一化) of `x` (N, L, d) as in a Transformer: each word, a vector of d features, by its own
    mean and variance. `weight` and `bias` are (d,). The variance divides by d, and not by d - 1 as `Tensor.var`
    does if nothing is said. Do not call `torch.nn.functional.layer_norm`."""
    mean = x.mean(-1, keepdim=True)
    var = (x - mean).square().mean(-1, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@exercise(
    st.tuples(st.integers(2, 4), channels).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "running_var": tensors(shape[1], numbers=positive),
                "x": tensors(*shape),
                "momentum": st.sampled_from([0.0, 0.1, 0.5, 1.0]),
            }
        )
    ),
    mistake=lambda running_var, x, momentum: (1 - momentum) * running_var + momentum * x.var(0, correction=0),
)
def updated_running_var(running_var, x, momentum):
    """What batch norm's running variance (C,) becomes in training when the batch `x` (N, C) has passed, N at
    least 2. Mind the factor n / (n - 1)."""
    return (1 - momentum) * running_var + momentum * x.var(0, correction=1)


@exercise(
    st.tuples(st.integers(1, 3), channels).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "x": tensors(*shape),
                "running_mean": tensors(shape[1], numbers=halves),
                "running_var": tensors(shape[1], numbers=positive),
                "eps": positive,
            }
        )
    ),
    mistake=lambda x, running_mean, running_var, eps: torch.nn.functional.batch_norm(
        torch.cat([x, x + 1]), None, None, training=True, eps=eps
    )[: len(x)],
)
def batch_norm_eval(x, running_mean, running_var, eps):
    """Batch norm in evaluation of `x` (N, C), without weight and bias. It must also serve a batch of one."""
    return (x - running_mean) / (running_var + eps).sqrt()
