"""The gates of recurrent cells, fused: what stands between the matrix products of one step and the next state.

`lstm_cell` and `gru_cell` say in Tensor operations what a cell computes, and run the fused operation of the same name where it
serves. Their gradients, with s(x) the sigmoid and s' = s (1 - s), tanh' = 1 - tanh^2:

    LSTM    t = tanh c',  dc' = gc + gh o t':    do = gh t,  di = dc' g,  dg = dc' i,  df = dc' c,  dc = dc' f
    GRU     dn = gh (1 - z),  dz = gh (h - n),  dr = dn n' y_n,  dh = gh z

each times the derivative of its gate.
"""

from __future__ import annotations

import numpy as np

from ..core.op import GENERAL, SAME, op
from ..core.state import state
from ..core.tensor import Tensor
from .join import cat
from .transcendental import sigmoid

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _fused(x: Tensor) -> bool:
    """Whether the fused operations serve. Whoever watches the operations sees those that define a cell instead."""
    return state.trace is None and x.array.dtype in _FLOATS


# LSTM.


def lstm_cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """i, f, g, o = gates;  c' = s(f) c + s(i) tanh(g);  h' = s(o) tanh(c').   gates: (N, 4 H), c: (N, H); returns (h', c')."""
    if _fused(gates):
        return lstm_gates(gates, c)[:2]
    i, f, g, o = gates.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _lstm_slopes(grad_h, grad_c, c, t, i, f, g, o):
    """The gradients of the four gates' sums, and of c; t = tanh c'. Of tensors or of arrays."""
    total = grad_c + grad_h * o * (1 - t * t)
    parts = (
        total * g * i * (1 - i),
        total * c * f * (1 - f),
        total * i * (1 - g * g),
        grad_h * t * o * (1 - o),
    )
    return parts, total * f


def _lstm_gradients(grad_h, grad_c, c, new_c, gates):
    parts, of_c = _lstm_slopes(grad_h, grad_c, c, new_c.tanh(), *gates.chunk(4, -1))
    return cat(parts, -1), of_c


@op(GENERAL, dtype=SAME, composite=_lstm_gradients)
def lstm_gates_backward(grad_h, grad_c, c, new_c, gates):
    """The gradients of the gates' sums (N, 4 H) and of c (N, H), from the gates' values."""
    parts, of_c = _lstm_slopes(grad_h, grad_c, c, np.tanh(new_c), *np.split(gates, 4, -1))
    return np.concatenate(parts, -1), of_c


def _lstm_rule(g, sums, c, z):
    _, new_c, _ = z
    if state.grad:  # the gates again from their sums, so that they can be differentiated
        i, f, n, o = sums.chunk(4, -1)
        gates = cat((i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()), -1)
    else:
        gates = z[2]
    return lstm_gates_backward(g[0], g[1], c, new_c, gates)


@op(GENERAL, dtype=SAME, vjp={("sums", "c"): _lstm_rule})
def lstm_gates(sums, c):
    """(h', c', the values of the gates) of an LSTM: sums (N, 4 H), c (N, H)"""
    i, f, g, o = np.split(sums, 4, -1)
    gates = np.concatenate((sigmoid.op.reference(i), sigmoid.op.reference(f), np.tanh(g), sigmoid.op.reference(o)), -1)
    i, f, g, o = np.split(gates, 4, -1)
    new_c = f * c + i * g
    return o * np.tanh(new_c), new_c, gates


# GRU.


def gru_cell(x: Tensor, y: Tensor, h: Tensor) -> Tensor:
    """r = s(x_r + y_r);  z = s(x_z + y_z);  n = tanh(x_n + r y_n);  h' = n + z (h - n).   x, y: (N, 3 H), h: (N, H)."""
    if _fused(x):
        return gru_gates(x, y, h)[0]
    x_r, x_z, x_n = x.chunk(3, -1)
    y_r, y_z, y_n = y.chunk(3, -1)
    r = (x_r + y_r).sigmoid()
    z = (x_z + y_z).sigmoid()
    n = (x_n + r * y_n).tanh()
    return (h - n) * z + n


def _gru_slopes(grad, y_n, h, r, z, n):
    """The gradients of x's three parts, and of y's. Of tensors or of arrays."""
    new = grad * (1 - z) * (1 - n * n)
    first = new * y_n * r * (1 - r), grad * (h - n) * z * (1 - z)
    return (*first, new), (*first, new * r)


def _gru_gradients(grad, y, h, gates):
    r, z, n = gates.chunk(3, -1)
    of_x, of_y = _gru_slopes(grad, y.chunk(3, -1)[2], h, r, z, n)
    return cat(of_x, -1), cat(of_y, -1), grad * z


@op(GENERAL, dtype=SAME, composite=_gru_gradients)
def gru_gates_backward(grad, y, h, gates):
    """The gradients of x and y (N, 3 H) and of h (N, H), from the gates' values."""
    r, z, n = np.split(gates, 3, -1)
    of_x, of_y = _gru_slopes(grad, np.split(y, 3, -1)[2], h, r, z, n)
    return np.concatenate(of_x, -1), np.concatenate(of_y, -1), grad * z


def _gru_rule(g, x, y, h, z):
    if state.grad:
        (x_r, x_z, x_n), (y_r, y_z, y_n) = x.chunk(3, -1), y.chunk(3, -1)
        r = (x_r + y_r).sigmoid()
        gates = cat((r, (x_z + y_z).sigmoid(), (x_n + r * y_n).tanh()), -1)
    else:
        gates = z[1]
    return gru_gates_backward(g[0], y, h, gates)


@op(GENERAL, dtype=SAME, vjp={("x", "y", "h"): _gru_rule})
def gru_gates(x, y, h):
    """(h', the values of the gates) of a GRU: x, y (N, 3 H), h (N, H)"""
    (x_r, x_z, x_n), (y_r, y_z, y_n) = np.split(x, 3, -1), np.split(y, 3, -1)
    r, z = sigmoid.op.reference(x_r + y_r), sigmoid.op.reference(x_z + y_z)
    n = np.tanh(x_n + r * y_n)
    return (h - n) * z + n, np.concatenate((r, z, n), -1)
