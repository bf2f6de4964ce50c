"""Recurrent layers over T steps: RNN, LSTM and GRU.

    x       (T, N, gates H)   the input's part of the sums of each gate, W_ih input + b_ih, of all steps
    h, c    (N, H)            the state before the first step
    w       (gates H, H)      W_hh

Step after step they compute the state, hs[t] (and cs[t] of an LSTM), from the one before; with `reverse` they begin at the last.
Only W_hh h must wait for the step before. So the products with W_ih are one product of all steps, outside, and in the backward
walk, where the gradient dh of the state has to come step by step, the weight's gradient is one product again:

    ds_t    the gradient of the sums of step t, from dh_t          dh_{t-1} = ds_t W        dW = sum_t ds_t^T h_{t-1}

The slopes of a step, with s(x) the sigmoid and s' = s (1 - s), tanh' = 1 - tanh^2:

    LSTM    t = tanh c',  dc' = gc + gh o t':    do = gh t,  di = dc' g,  dg = dc' i,  df = dc' c,  dc = dc' f
    GRU     dn = gh (1 - z),  dz = gh (h - n),  dr = dn n' y_n,  dh = gh z,   y = W h + b

each times the derivative of its gate. `lstm`, `gru` and `rnn` say in Tensor operations what a layer computes, and run the
fused operation where it serves.
"""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, SAME, op
from ..core.state import state
from ..core.tensor import Tensor
from .join import cat, stack
from .matmul import linear
from .reduce import add_reduce
from .transcendental import sigmoid

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _fused(x: Tensor) -> bool:
    """Whether the fused operations serve. Whoever watches the operations sees those that define a layer instead."""
    return state.trace is None and x.array.dtype in _FLOATS


def order(count: int, reverse: bool) -> range:
    """The steps in the order in which they are taken."""
    return range(count - 1, -1, -1) if reverse else range(count)


def _in_place(steps: list, reverse: bool) -> list:
    """What was computed in the order of the steps, each at its own time."""
    return steps[::-1] if reverse else steps


def _before(first, steps, reverse: bool, join):
    """The state before each step (T, N, H). Of tensors or of arrays, as what follows."""
    return join((steps[1:], first[None]) if reverse else (first[None], steps[:-1]), 0)


def _weight_gradient(grad_sums, before):
    """dW = sum_t ds_t^T h_{t-1}, for any number of dimensions before the last."""
    return grad_sums.reshape(-1, grad_sums.shape[-1]).T @ before.reshape(-1, before.shape[-1])


# RNN.


def rnn(x: Tensor, h: Tensor, w: Tensor, relu: bool = False, reverse: bool = False) -> Tensor:
    """h' = tanh(x + W h), or relu. Returns hs (T, N, H)."""
    if _fused(x):
        return rnn_steps(x, h, w, relu=relu, reverse=reverse)
    steps = []
    for t in order(len(x), reverse):
        h = x[t] + linear(h, w)
        h = h.relu() if relu else h.tanh()
        steps.append(h)
    return stack(_in_place(steps, reverse), 0)


def _rnn_walk(grad, h, w, hs, relu, reverse, join, pile):
    grad_h, sums = 0, []
    for t in order(len(hs), not reverse):
        sums.append((grad[t] + grad_h) * ((hs[t] > 0) if relu else (1 - hs[t] * hs[t])))
        grad_h = sums[-1] @ w
    grad_x = pile(_in_place(sums, not reverse), 0)
    return grad_x, grad_h, _weight_gradient(grad_x, _before(h, hs, reverse, join))


def _rnn_gradients(grad, h, w, hs, *, relu, reverse):
    return _rnn_walk(grad, h, w, hs, relu, reverse, cat, stack)


@op(GENERAL, dtype=SAME, composite=_rnn_gradients)
def rnn_steps_backward(grad, h, w, hs, *, relu, reverse):
    """The gradients of x, h and w."""
    return _rnn_walk(grad, h, w, hs, relu, reverse, np.concatenate, np.stack)


def _rnn_rule(g, h, w, z, relu, reverse):
    return rnn_steps_backward(g, h, w, z, relu=relu, reverse=reverse)


@op(GENERAL, dtype=SAME, vjp={("x", "h", "w"): _rnn_rule})
def rnn_steps(x, h, w, *, relu, reverse):
    """hs"""
    hs = np.empty(x.shape, x.dtype)
    for t in order(len(x), reverse):
        sums = x[t] + h @ w.T
        h = hs[t] = np.maximum(sums, 0) if relu else np.tanh(sums)
    return hs


# LSTM.


def lstm(
    x: Tensor, h: Tensor, c: Tensor, w: Tensor, projection: Tensor | None = None, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """i, f, g, o = x + W h;  c' = s(f) c + s(i) tanh(g);  h' = s(o) tanh(c').   Returns (hs, cs), each (T, N, H).

    Hochreiter, Schmidhuber (1997); Gers, Schmidhuber, Cummins (2000) for f. projection: (P, H), by which h' is multiplied,
    so that h is (N, P) and w (4 H, P); Sak, Senior, Beaufays (2014).
    """
    if _fused(x) and projection is None:
        return lstm_steps(x, h, c, w, reverse=reverse)[:2]
    hs, cs = [], []
    for t in order(len(x), reverse):
        i, f, g, o = (x[t] + linear(h, w)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        if projection is not None:
            h = linear(h, projection)
        hs.append(h)
        cs.append(c)
    return stack(_in_place(hs, reverse), 0), stack(_in_place(cs, reverse), 0)


def _lstm_slopes(grad_h, grad_c, c, t, i, f, g, o):
    """The gradients of the four gates' sums, and of c; t = tanh c'."""
    total = grad_c + grad_h * o * (1 - t * t)
    parts = (
        total * g * i * (1 - i),
        total * c * f * (1 - f),
        total * i * (1 - g * g),
        grad_h * t * o * (1 - o),
    )
    return parts, total * f


def _lstm_walk(grad_hs, grad_cs, h, c, w, hs, tanh_cs, cs, gates, reverse, join, pile):
    """gates: i, f, g, o, each (T, N, H)."""
    grad_h, grad_c, sums = 0, 0, []
    before = _before(c, cs, reverse, join)
    for t in order(len(hs), not reverse):
        values = [gate[t] for gate in gates]
        parts, grad_c = _lstm_slopes(grad_hs[t] + grad_h, grad_cs[t] + grad_c, before[t], tanh_cs[t], *values)
        sums.append(join(parts, -1))
        grad_h = sums[-1] @ w
    grad_x = pile(_in_place(sums, not reverse), 0)
    return grad_x, grad_h, grad_c, _weight_gradient(grad_x, _before(h, hs, reverse, join))


def _lstm_gradients(grad_hs, grad_cs, x, h, c, w, hs, cs, gates, *, reverse):
    """The gates are computed again from their sums, so that they can be differentiated."""
    i, f, g, o = (x + linear(_before(h, hs, reverse, cat), w)).chunk(4, -1)
    values = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    return _lstm_walk(grad_hs, grad_cs, h, c, w, hs, cs.tanh(), cs, values, reverse, cat, stack)


@op(GENERAL, dtype=SAME, composite=_lstm_gradients)
def lstm_steps_backward(grad_hs, grad_cs, x, h, c, w, hs, cs, gates, *, reverse):
    """The gradients of x, h, c and w."""
    parts = np.split(gates, 4, -1)
    return _lstm_walk(grad_hs, grad_cs, h, c, w, hs, np.tanh(cs), cs, parts, reverse, np.concatenate, np.stack)


def _lstm_rule(g, x, h, c, w, z, reverse):
    return lstm_steps_backward(g[0], g[1], x, h, c, w, *z, reverse=reverse)


@op(GENERAL, dtype=SAME, vjp={("x", "h", "c", "w"): _lstm_rule})
def lstm_steps(x, h, c, w, *, reverse):
    """(hs, cs, the values of the gates (T, N, 4 H))"""
    hs, cs, gates = np.empty((*x.shape[:2], c.shape[1]), x.dtype), np.empty((*x.shape[:2], c.shape[1]), x.dtype), []
    for t in order(len(x), reverse):
        i, f, g, o = np.split(x[t] + h @ w.T, 4, -1)
        i, f, g, o = sigmoid.op.reference(i), sigmoid.op.reference(f), np.tanh(g), sigmoid.op.reference(o)
        c = cs[t] = f * c + i * g
        h = hs[t] = o * np.tanh(c)
        gates.append(np.concatenate((i, f, g, o), -1))
    return hs, cs, np.stack(_in_place(gates, reverse))


# GRU.


def gru(x: Tensor, h: Tensor, w: Tensor, b: Tensor | None = None, reverse: bool = False) -> Tensor:
    """y = W h + b;  r = s(x_r + y_r);  z = s(x_z + y_z);  n = tanh(x_n + r y_n);  h' = n + z (h - n).   Returns hs (T, N, H).

    Cho et al. (2014), with the reset gate after the product.
    """
    if _fused(x):
        return gru_steps(x, h, w, b, reverse=reverse)[0]
    steps = []
    for t in order(len(x), reverse):
        x_r, x_z, x_n = x[t].chunk(3, -1)
        y_r, y_z, y_n = linear(h, w, b).chunk(3, -1)
        z = (x_z + y_z).sigmoid()
        n = (x_n + (x_r + y_r).sigmoid() * y_n).tanh()
        h = (h - n) * z + n
        steps.append(h)
    return stack(_in_place(steps, reverse), 0)


def _gru_slopes(grad, y_n, h, r, z, n):
    """The gradients of x's three parts, and of y's."""
    new = grad * (1 - z) * (1 - n * n)
    first = new * y_n * r * (1 - r), grad * (h - n) * z * (1 - z)
    return (*first, new), (*first, new * r)


def _gru_walk(grad, h, w, hs, gates, reverse, join, pile):
    """The gradients of x, h, w and y. gates: r, z, n, y_n, each (T, N, H)."""
    grad_h, of_x, of_y = 0, [], []
    before = _before(h, hs, reverse, join)
    r, z, n, y_n = gates
    for t in order(len(hs), not reverse):
        total = grad[t] + grad_h
        parts, others = _gru_slopes(total, y_n[t], before[t], r[t], z[t], n[t])
        of_x.append(join(parts, -1))
        of_y.append(join(others, -1))
        grad_h = total * z[t] + of_y[-1] @ w
    grad_y = pile(_in_place(of_y, not reverse), 0)
    return pile(_in_place(of_x, not reverse), 0), grad_h, _weight_gradient(grad_y, before), grad_y


def _gru_gradients(grad, x, h, w, b, hs, gates, *, reverse):
    """The gates are computed again from their sums, so that they can be differentiated."""
    x_r, x_z, x_n = x.chunk(3, -1)
    y_r, y_z, y_n = linear(_before(h, hs, reverse, cat), w, b).chunk(3, -1)
    r = (x_r + y_r).sigmoid()
    values = r, (x_z + y_z).sigmoid(), (x_n + r * y_n).tanh(), y_n
    *grads, grad_y = _gru_walk(grad, h, w, hs, values, reverse, cat, stack)
    return (*grads, grad_y.sum((0, 1)))


@op(GENERAL, dtype=SAME, composite=_gru_gradients)
def gru_steps_backward(grad, x, h, w, b, hs, gates, *, reverse):
    """The gradients of x, h, w and b."""
    *grads, grad_y = _gru_walk(grad, h, w, hs, np.split(gates, 4, -1), reverse, np.concatenate, np.stack)
    return (*grads, add_reduce(grad_y, (0, 1), False))


def _gru_rule(g, x, h, w, b, z, reverse):
    return gru_steps_backward(g[0], x, h, w, b, *z, reverse=reverse)


@op(GENERAL, dtype=SAME, vjp={("x", "h", "w", "b"): _gru_rule})
def gru_steps(x, h, w, b=None, *, reverse):
    """(hs, the values of r, z, n and y_n (T, N, 4 H))"""
    hs, gates = np.empty((*x.shape[:2], h.shape[1]), x.dtype), []
    for t in order(len(x), reverse):
        y = h @ w.T if b is None else h @ w.T + b
        (x_r, x_z, x_n), (y_r, y_z, y_n) = np.split(x[t], 3, -1), np.split(y, 3, -1)
        r, z = sigmoid.op.reference(x_r + y_r), sigmoid.op.reference(x_z + y_z)
        n = np.tanh(x_n + r * y_n)
        h = hs[t] = (h - n) * z + n
        gates.append(np.concatenate((r, z, n, y_n), -1))
    return hs, np.stack(_in_place(gates, reverse))
