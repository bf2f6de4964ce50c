"""Chapter 01: data, model, objective, algorithm."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import alike, halves, matrices, positive, sizes, tensors


@exercise(
    alike("prediction", "target"),
    mistake=lambda prediction, target: (prediction - target).square().sum(),
)
def squared_error(prediction, target):
    r"""The mean squared error (均方误差) of N predictions, without the factor 1/2:
    $L = \frac{1}{N} \sum_i (\hat y_i - y_i)^2$. `prediction` and `target` are tensors of shape (N,); the result has
    no dimension."""
    return (prediction - target).square().mean()


@exercise(
    st.tuples(sizes, sizes).flatmap(
        lambda shape: st.fixed_dictionaries(
            {
                "logits": tensors(*shape),
                "label": tensors(shape[0], numbers=st.integers(0, shape[1] - 1), dtype=torch.int64),
            }
        )
    ),
    mistake=lambda logits, label: -torch.softmax(logits, 1)[range(len(label)), label].mean().log(),
)
def cross_entropy(logits, label):
    r"""The cross-entropy (交叉熵) $-\frac{1}{N} \sum_i \ln p_i$ of scores `logits` (N, classes), where $p_i$ is the
    softmax of row i at the place `label[i]`. `label` is int64 (N,). Do not call `torch.nn.functional.cross_entropy`."""
    log_p = logits - logits.exp().sum(1, keepdim=True).log()
    return -log_p[range(len(label)), label].mean()


@exercise(
    st.tuples(sizes, sizes).flatmap(
        lambda shape: st.fixed_dictionaries(
            {"x": tensors(*shape), "y": tensors(shape[0]), "w": tensors(shape[1]), "b": tensors(), "lr": positive}
        )
    ),
    mistake=lambda x, y, w, b, lr: (w - lr * (x.t() @ (x @ w + b - y)), b - lr * (x @ w + b - y).sum()),
)
def descent_step(x, y, w, b, lr):
    r"""One step of gradient descent (梯度下降) for linear regression with the loss
    $L = \frac{1}{2N} \sum_i (x_i w + b - y_i)^2$: the pair of the new `w` and the new `b`. `x` is (N, features), `y`
    (N,), `w` (features,), `b` has no dimension, `lr` is a number. Use the two gradients as formulas, or `backward()`."""
    error = x @ w + b - y
    return w - lr * (x.t() @ error) / len(y), b - lr * error.mean()


@exercise(
    w=matrices(),
    weight_decay=halves.map(abs),
    mistake=lambda w, weight_decay: weight_decay * w.square().sum(),
)
def decay_penalty(w, weight_decay):
    r"""The penalty of weight decay (权重衰减): $\frac{\lambda}{2} \sum_j w_j^2$ over all entries of `w`, where
    $\lambda$ is `weight_decay`."""
    return weight_decay / 2 * w.square().sum()
