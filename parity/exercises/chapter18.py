"""Chapter 18: what is copied, what is new, and how fast each learns."""

from __future__ import annotations

from hypothesis import strategies as st

from .exercise import exercise
from .strategies import alike, positive, tensors

NAMES = ("features.0", "features.2", "classifier.0", "classifier.2")


@exercise(
    st.fixed_dictionaries(
        {
            "source": st.fixed_dictionaries({name: tensors(2) for name in NAMES}),
            "target": st.fixed_dictionaries({name: tensors(2) for name in NAMES}),
            "head": st.sampled_from(NAMES),
        }
    ),
    mistake=lambda source, target, head: dict(source),
)
def copy_body(source, target, head):
    """The parameters of a model that is fine-tuned (微调): those of `source`, but under the name `head` those of
    `target`. Both are dictionaries from the same names to tensors; the answer is a new one, in the same order."""
    return {name: target[name] if name == head else source[name] for name in source}


@exercise(
    st.tuples(alike("body", "body_gradient"), alike("head", "head_gradient"), positive, positive).map(
        lambda drawn: drawn[0] | drawn[1] | {"body_lr": drawn[2], "head_lr": drawn[3]}
    ),
    mistake=lambda body, body_gradient, head, head_gradient, body_lr, head_lr: (
        body - head_lr * body_gradient,
        head - head_lr * head_gradient,
    ),
)
def two_rates_step(body, body_gradient, head, head_gradient, body_lr, head_lr):
    """One step of gradient descent with two learning rates (学习率): the pair of the new `body` and the new `head`."""
    return body - body_lr * body_gradient, head - head_lr * head_gradient


@exercise(
    channels=st.integers(1, 16),
    layers=st.integers(1, 4),
    mistake=lambda channels, layers: (1 + 2 * layers) ** 2 * channels**2 - 9 * channels**2,
)
def weights_saved(channels, layers):
    """How many weights VGG saves: `layers` convolutions with 3x3 kernels see as far as one with a large kernel. How
    many fewer weights do they have than that one, with `channels` channels in and out everywhere, without biases?
    (For two layers the large kernel is 5x5. The answer can be negative.)"""
    return (2 * layers + 1) ** 2 * channels**2 - layers * 9 * channels**2
