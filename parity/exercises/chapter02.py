"""Chapter 02: axes, broadcasting, reduction, memory."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import alike, matrices, sizes, tensors, vectors

shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@exercise(
    first=shapes,
    second=shapes,
    mistake=lambda first, second: tuple(map(max, first, second)) if len(first) == len(second) else None,
)
def broadcast_shape(first, second):
    r"""The shape (a tuple) that two shapes (tuples of integers) broadcast to, or `None` if they do not."""
    result = []
    for k in range(1, max(len(first), len(second)) + 1):
        a = first[-k] if k <= len(first) else 1
        b = second[-k] if k <= len(second) else 1
        if a != b and 1 not in (a, b):
            return None
        result.insert(0, b if a == 1 else a)
    return tuple(result)


@exercise(
    alike("x", "y"),
    mistake=lambda x, y: x * y,
)
def dot(x, y):
    r"""The dot product $\sum_i x_i y_i$ of two vectors of the same length, without `torch.dot` and without `@`: a tensor
    without axes."""
    return (x * y).sum()


@exercise(
    x=matrices(),
    mistake=lambda x: x - x.mean(1),
)
def centred(x):
    r"""`x` (N, M) with the mean of each row subtracted from that row."""
    return x - x.mean(1, keepdim=True)


@exercise(
    st.tuples(sizes, sizes, sizes).flatmap(
        lambda s: st.fixed_dictionaries({"x": tensors(s[0], s[2]), "y": tensors(s[1], s[2])})
    ),
    mistake=lambda x, y: ((x[:, None] - y) ** 2).sum(1),
)
def squared_distances(x, y):
    r"""The squared distances $\sum_k (x_{ik} - y_{jk})^2$ between every row of `x` (N, D) and every row of `y` (M, D): a
    tensor (N, M). One expression, by broadcasting."""
    return ((x[:, None] - y) ** 2).sum(2)


@exercise(
    label=vectors(numbers=st.integers(0, 3)).map(lambda t: t.long()),
    classes=st.integers(4, 5),
    mistake=lambda label, classes: torch.eye(int(label.max()) + 1)[label],
)
def one_hot(label, classes):
    r"""Labels as vectors: row i of the result (N, classes) is 1 at `label[i]` and 0 elsewhere. `label` is int64 (N,)."""
    return (label[:, None] == torch.arange(classes)).float()


@exercise(
    st.lists(st.integers(1, 3), min_size=1, max_size=3).flatmap(
        lambda shape: st.fixed_dictionaries(
            {"shape": st.just(tuple(shape)), "index": st.tuples(*[st.integers(0, n - 1) for n in shape])}
        )
    ),
    mistake=lambda shape, index: sum(index),
)
def place_in_memory(shape, index):
    r"""At which place in memory, counted from 0, the entry `index` of a contiguous tensor of shape `shape` stands (both
    are tuples of integers of equal length)."""
    place = 0
    for length, i in zip(shape, index, strict=True):
        place = place * length + i
    return place
