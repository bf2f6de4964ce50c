"""Chapter 14: logistic and softmax regression."""

from __future__ import annotations

from hypothesis import strategies as st

import minitorch as torch

from .exercise import exercise
from .strategies import labels, sizes, tensors

large = st.sampled_from([0.0, 1.0, -1.0, 200.0, -200.0, 0.5])


@exercise(
    sizes.flatmap(lambda n: st.fixed_dictionaries({"z": tensors(n, numbers=large), "y": labels(n, 2)})),
    mistake=lambda z, y: -(y * torch.sigmoid(z).log() + (1 - y) * (1 - torch.sigmoid(z)).log()).mean(),
)
def bce_with_logits(z, y):
    r"""The mean binary cross-entropy of the logits `z` (N,) for the labels `y` (N,), 0 or 1, also for $z = \pm 200$:
    $-y z + \ln(1 + e^z)$ with $\ln(1 + e^z) = \max(z, 0) + \ln(1 + e^{-|z|})$."""
    return (z.clamp(min=0) + torch.log1p((-z.abs()).exp()) - y * z).mean()


@exercise(
    sizes.flatmap(
        lambda n: sizes.flatmap(
            lambda d: st.fixed_dictionaries({"x": tensors(n, d), "y": labels(n, 2), "w": tensors(d), "b": tensors()})
        )
    ),
    mistake=lambda x, y, w, b: (x.t() @ (torch.sigmoid(x @ w + b) - y), (torch.sigmoid(x @ w + b) - y).sum()),
)
def logistic_gradient(x, y, w, b):
    r"""The pair of the gradients of the mean binary cross-entropy of $z = x w + b$ with respect to `w` (D,) and `b`, by
    formula: with respect to $z_i$ it is $(p_i - y_i) / N$. `x` is (N, D), `y` (N,) holds 0 and 1."""
    error = (torch.sigmoid(x @ w + b) - y) / len(y)
    return x.t() @ error, error.sum()


@exercise(
    st.tuples(sizes, sizes).flatmap(lambda s: st.fixed_dictionaries({"z": tensors(*s, numbers=large)})),
    mistake=lambda z: z.exp() / z.exp().sum(1, keepdim=True),
)
def stable_softmax(z):
    r"""The softmax of every row of `z` (N, K), also for entries of $\pm 200$, without `torch.softmax`: subtracting a
    row's largest entry from the row does not change its softmax."""
    e = (z - z.max(1, keepdim=True).values).exp()
    return e / e.sum(1, keepdim=True)


@exercise(
    st.tuples(sizes, sizes).flatmap(lambda s: st.fixed_dictionaries({"z": tensors(*s), "y": labels(s[0], s[1])})),
    mistake=lambda z, y: torch.softmax(z, 1) - torch.eye(z.shape[1])[y],
)
def softmax_gradient(z, y):
    r"""The gradient of the *mean* cross-entropy of the logits `z` (N, K) for the labels `y` (N,) with respect to `z`, by
    formula."""
    return (torch.softmax(z, 1) - torch.eye(z.shape[1])[y]) / len(y)
