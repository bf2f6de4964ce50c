"""The gates of LSTM and GRU cells, forward and backward: one row of the batch at a time, while it is in the L1 cache.

A row has 4 H (3 H) sums, gate after gate. Each loop below runs over one gate, or combines them, and reads and writes runs of
memory, so that LLVM makes vectors of it; in Tensor operations the same is a dozen passes over memory and as many calls. The
formulas stand in ops/recurrent.py. Between the two matrix products of a step there are 5 (3) exponentials a number and some
twenty other operations, on 10 H numbers.
"""

import numpy as np

from . import threads
from .elementary import exp, tanh
from .jit import inner, njit, plain, take
from .registry import accelerates

__all__ = ["gru_gates", "gru_gates_backward", "lstm_gates", "lstm_gates_backward"]

OPTIONS = dict(fastmath={"contract"}, error_model="numpy")
TASK = 8192  # numbers of a task, about


@inner(**OPTIONS)
def squash(x, y):
    """y = 1 / (1 + exp(-x))"""
    one = x.dtype.type(1)
    for j in range(len(y)):
        y[j] = one / (one + exp(-x[j]))


@njit(**OPTIONS)
def lstm_rows(counter, sums, c, h_out, c_out, gates, rows):
    """One thread. sums, gates: (N, 4 H); the others (N, H)."""
    count, size = c.shape
    first = take(counter) * rows
    while first < count:
        for row in range(first, min(count, first + rows)):
            s, a, before, after, h = sums[row], gates[row], c[row], c_out[row], h_out[row]
            squash(s[: 2 * size], a[: 2 * size])
            squash(s[3 * size :], a[3 * size :])
            i, f, g, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            s_g = s[2 * size : 3 * size]
            for j in range(size):
                g[j] = tanh(s_g[j])
            for j in range(size):
                after[j] = f[j] * before[j] + i[j] * g[j]
            for j in range(size):
                h[j] = o[j] * tanh(after[j])
        first = take(counter) * rows


@njit(**OPTIONS)
def lstm_rows_backward(counter, grad_h, grad_c, c, new_c, gates, grad_sums, grad_before, rows):
    """One thread. As `lstm_rows`."""
    count, size = c.shape
    one = c.dtype.type(1)
    total, t = np.empty(size, c.dtype), np.empty(size, c.dtype)
    first = take(counter) * rows
    while first < count:
        for row in range(first, min(count, first + rows)):
            a, d, gh, gc, before = gates[row], grad_sums[row], grad_h[row], grad_c[row], c[row]
            i, f, g, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            d_i, d_f, d_g, d_o = d[:size], d[size : 2 * size], d[2 * size : 3 * size], d[3 * size :]
            after, out = new_c[row], grad_before[row]
            for j in range(size):
                t[j] = tanh(after[j])
            for j in range(size):
                d_o[j] = gh[j] * t[j] * o[j] * (one - o[j])
            for j in range(size):
                total[j] = gc[j] + gh[j] * o[j] * (one - t[j] * t[j])
            for j in range(size):
                d_i[j] = total[j] * g[j] * i[j] * (one - i[j])
            for j in range(size):
                d_g[j] = total[j] * i[j] * (one - g[j] * g[j])
            for j in range(size):
                d_f[j] = total[j] * before[j] * f[j] * (one - f[j])
            for j in range(size):
                out[j] = total[j] * f[j]
        first = take(counter) * rows


@njit(**OPTIONS)
def gru_rows(counter, x, y, h, out, gates, rows):
    """One thread. x, y, gates: (N, 3 H); h, out: (N, H)."""
    count, size = h.shape
    first = take(counter) * rows
    while first < count:
        for row in range(first, min(count, first + rows)):
            p, q, a, before, after = x[row], y[row], gates[row], h[row], out[row]
            r, z, n = a[:size], a[size : 2 * size], a[2 * size :]
            both, p_n, q_n = a[: 2 * size], p[2 * size :], q[2 * size :]
            for j in range(2 * size):
                both[j] = p[j] + q[j]
            squash(both, both)
            for j in range(size):
                n[j] = tanh(p_n[j] + r[j] * q_n[j])
            for j in range(size):
                after[j] = (before[j] - n[j]) * z[j] + n[j]
        first = take(counter) * rows


@njit(**OPTIONS)
def gru_rows_backward(counter, grad, y, h, gates, grad_x, grad_y, grad_h, rows):
    """One thread. As `gru_rows`."""
    count, size = h.shape
    one = h.dtype.type(1)
    first = take(counter) * rows
    while first < count:
        for row in range(first, min(count, first + rows)):
            g, a, before, out = grad[row], gates[row], h[row], grad_h[row]
            r, z, n, q_n = a[:size], a[size : 2 * size], a[2 * size :], y[row, 2 * size :]
            d, e = grad_x[row], grad_y[row]
            d_r, d_z, d_n, e_n = d[:size], d[size : 2 * size], d[2 * size :], e[2 * size :]
            for j in range(size):
                d_n[j] = g[j] * (one - z[j]) * (one - n[j] * n[j])
            for j in range(size):
                d_r[j] = d_n[j] * q_n[j] * r[j] * (one - r[j])
            for j in range(size):
                d_z[j] = g[j] * (before[j] - n[j]) * z[j] * (one - z[j])
            for j in range(size):
                e_n[j] = d_n[j] * r[j]
            for j in range(size):
                out[j] = g[j] * z[j]
            for j in range(2 * size):
                e[j] = d[j]
        first = take(counter) * rows


def run(kernel, inputs, outputs, size):
    """Call a kernel on rows of `size` numbers, cut into tasks."""
    rows = max(1, TASK // size)
    arrays = [plain(a) for a in inputs]
    threads.run(kernel, threads.threads_for(10 * len(arrays[0]) * size), *arrays, *outputs, rows)
    return outputs


@accelerates("lstm_gates")
def lstm_gates(sums, c):
    """(h', c', the values of the gates)."""
    outputs = np.empty(c.shape, c.dtype), np.empty(c.shape, c.dtype), np.empty(sums.shape, c.dtype)
    return run(lstm_rows, (sums, c), outputs, sums.shape[1])


@accelerates("lstm_gates_backward")
def lstm_gates_backward(grad_h, grad_c, c, new_c, gates):
    """The gradients of the gates' sums and of c."""
    outputs = np.empty(gates.shape, c.dtype), np.empty(c.shape, c.dtype)
    return run(lstm_rows_backward, (grad_h, grad_c, c, new_c, gates), outputs, gates.shape[1])


@accelerates("gru_gates")
def gru_gates(x, y, h):
    """(h', the values of the gates)."""
    return run(gru_rows, (x, y, h), (np.empty(h.shape, h.dtype), np.empty(x.shape, h.dtype)), x.shape[1])


@accelerates("gru_gates_backward")
def gru_gates_backward(grad, y, h, gates):
    """The gradients of x, y and h."""
    outputs = np.empty(y.shape, h.dtype), np.empty(y.shape, h.dtype), np.empty(h.shape, h.dtype)
    return run(gru_rows_backward, (grad, y, h, gates), outputs, y.shape[1])
