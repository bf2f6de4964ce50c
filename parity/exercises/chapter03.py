"""Chapter 03: missing values, categories, standardisation."""

from __future__ import annotations

import math

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import halves, vectors

words = st.sampled_from(["Pave", "Grvl", None])


@exercise(
    st.tuples(halves, st.lists(st.one_of(halves, st.none()), max_size=4)).map(lambda t: {"column": [t[0], *t[1]]}),
    mistake=lambda column: torch.tensor([0.0 if v is None else v for v in column]),
)
def fill_with_mean(column):
    r"""A list of numbers in which `None` stands for a missing one (at least one is there), as a float32 tensor in which
    the missing ones are the mean of the others."""
    present = [v for v in column if v is not None]
    mean = sum(present) / len(present)
    return torch.tensor([mean if v is None else v for v in column])


@exercise(
    column=st.lists(words, min_size=1, max_size=4),
    values=st.just(["Grvl", "Pave"]),
    mistake=lambda column, values: torch.tensor([[float(v == w) for w in values] for v in column]),
)
def encode_words(column, values):
    r"""A list of words (`None`: missing) as a float32 tensor (rows, len(values) + 1): a column for each of `values`, 1
    where the word is that value, and a last column that is 1 where the word is missing."""
    return torch.tensor([[float(v == w) for w in [*values, None]] for v in column])


@exercise(
    train=vectors(sizes=st.integers(1, 4)),
    test=vectors(sizes=st.integers(1, 4)),
    mistake=lambda train, test: (test - test.mean()) / (test.std(correction=0) if test.std(correction=0) > 0 else 1),
)
def standardise(train, test):
    r"""`test` minus the mean of `train`, divided by the standard deviation of `train`
    $\sigma = \sqrt{\frac{1}{N} \sum_i (x_i - \mu)^2}$, or by 1 where that is 0. Both are vectors."""
    mean = train.mean()
    spread = math.sqrt((train - mean).square().mean().item()) or 1.0
    return (test - mean) / spread
