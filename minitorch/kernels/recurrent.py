"""Recurrent layers: BLAS for the one product of a step, and all that stands between two products in one pass.

    for each step t                          backward, from the last step
        gates[t] = h W^T                         ds[t], dc = slopes(dhs[t] + dh, dc, gates[t], ..)
        gates[t], c, h = cell(x[t], ..)          dh = ds[t] W
                                             dW = ds^T h, of all steps

A row of the batch has 4 H (3 H) sums, gate after gate. The pass takes one row at a time, while it is in the L1 cache. Each of
its loops runs over one gate, or combines them, and reads and writes runs of memory, so that LLVM makes vectors of it; in Tensor
operations the same is a dozen passes over memory and as many calls. The formulas stand in ops/recurrent.py.

A step has 2 N H 4 H operations in its product, on the 4 H H numbers of W, which stay in the L2 cache up to H = 180 or so
(float32); and 5 (3) exponentials and some twenty other operations for each of N H states.
"""

import numpy as np

from ..ops.recurrent import order
from . import blas, threads
from .elementary import exp, tanh
from .jit import inner, njit, plain, take_many
from .reduce import sum_dims
from .registry import accelerates

__all__ = ["gru_steps", "gru_steps_backward", "lstm_steps", "lstm_steps_backward", "rnn_steps", "rnn_steps_backward"]

OPTIONS = dict(fastmath={"contract"}, error_model="numpy")
TASK = 8192  # numbers of a task, about
MANY_STEPS = 4  # from which on a turned copy of W pays


@inner(**OPTIONS)
def squash(x):
    """x = 1 / (1 + exp(-x))"""
    one = x.dtype.type(1)
    for j in range(len(x)):
        x[j] = one / (one + exp(-x[j]))


@njit(**OPTIONS)
def rnn_rows(counter, x, hs, relu, rows):
    """One thread. hs: W h on entry. All (N, H)."""
    count, size = x.shape
    zero = x.dtype.type(0)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            p, h = x[row], hs[row]
            if relu:
                for j in range(size):
                    total = p[j] + h[j]
                    h[j] = zero if total < zero else total  # so that NaN passes
            else:
                for j in range(size):
                    h[j] = tanh(p[j] + h[j])
        first = take_many(counter, count, rows)


@njit(**OPTIONS)
def rnn_rows_backward(counter, grad, back, hs, grad_x, relu, rows):
    """One thread. back: the gradient from the step after. All (N, H)."""
    count, size = hs.shape
    zero, one = hs.dtype.type(0), hs.dtype.type(1)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            g, b, h, d = grad[row], back[row], hs[row], grad_x[row]
            if relu:
                for j in range(size):
                    d[j] = (g[j] + b[j]) * (one if h[j] > zero else zero)
            else:
                for j in range(size):
                    d[j] = (g[j] + b[j]) * (one - h[j] * h[j])
        first = take_many(counter, count, rows)


@njit(**OPTIONS)
def lstm_rows(counter, x, gates, c, hs, cs, rows):
    """One thread. x: (N, 4 H); gates: (N, 4 H), W h on entry; the others (N, H)."""
    count, size = c.shape
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            p, a, before, after, h = x[row], gates[row], c[row], cs[row], hs[row]
            i, f, g, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            for j in range(4 * size):
                a[j] += p[j]
            squash(a[: 2 * size])
            squash(o)
            for j in range(size):
                g[j] = tanh(g[j])
            for j in range(size):
                after[j] = f[j] * before[j] + i[j] * g[j]
            for j in range(size):
                h[j] = o[j] * tanh(after[j])
        first = take_many(counter, count, rows)


@njit(**OPTIONS)
def lstm_rows_backward(counter, grad_h, grad_c, back, carried, c, cs, gates, grad_x, rows):
    """One thread. back: dh from the step after; carried: dc from there, replaced by what goes on to the step before."""
    count, size = c.shape
    one = c.dtype.type(1)
    total, t = np.empty(size, c.dtype), np.empty(size, c.dtype)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            a, d, gh, bh, before, after = gates[row], grad_x[row], grad_h[row], back[row], c[row], cs[row]
            gc, bc = grad_c[row], carried[row]
            i, f, g, o = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            d_i, d_f, d_g, d_o = d[:size], d[size : 2 * size], d[2 * size : 3 * size], d[3 * size :]
            for j in range(size):
                t[j] = tanh(after[j])
            for j in range(size):
                total[j] = gh[j] + bh[j]
            for j in range(size):
                d_o[j] = total[j] * t[j] * o[j] * (one - o[j])
            for j in range(size):
                total[j] = gc[j] + bc[j] + total[j] * o[j] * (one - t[j] * t[j])
            for j in range(size):
                d_i[j] = total[j] * g[j] * i[j] * (one - i[j])
            for j in range(size):
                d_g[j] = total[j] * i[j] * (one - g[j] * g[j])
            for j in range(size):
                d_f[j] = total[j] * before[j] * f[j] * (one - f[j])
            for j in range(size):
                bc[j] = total[j] * f[j]
        first = take_many(counter, count, rows)


@njit(**OPTIONS)
def gru_rows(counter, x, y, h, hs, gates, rows):
    """One thread. x, y: (N, 3 H); gates: (N, 4 H), r, z, n and y_n; h, hs: (N, H)."""
    count, size = h.shape
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            p, q, a, before, after = x[row], y[row], gates[row], h[row], hs[row]
            r, z, n, y_n = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            both, p_n, q_n = a[: 2 * size], p[2 * size :], q[2 * size :]
            for j in range(2 * size):
                both[j] = p[j] + q[j]
            squash(both)
            for j in range(size):
                y_n[j] = q_n[j]
            for j in range(size):
                n[j] = tanh(p_n[j] + r[j] * q_n[j])
            for j in range(size):
                after[j] = (before[j] - n[j]) * z[j] + n[j]
        first = take_many(counter, count, rows)


@njit(**OPTIONS)
def gru_rows_backward(counter, grad, back, carried, h, gates, grad_x, grad_y, rows):
    """One thread. back, carried: the two parts of dh from the step after; carried is replaced by what passes by the gates."""
    count, size = h.shape
    one = h.dtype.type(1)
    g = np.empty(size, h.dtype)
    first = take_many(counter, count, rows)
    while first < count:
        for row in range(first, min(count, first + rows)):
            a, before, gh, bh, past = gates[row], h[row], grad[row], back[row], carried[row]
            r, z, n, y_n = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
            d, e = grad_x[row], grad_y[row]
            d_r, d_z, d_n, e_n = d[:size], d[size : 2 * size], d[2 * size :], e[2 * size :]
            for j in range(size):
                g[j] = gh[j] + bh[j] + past[j]
            for j in range(size):
                d_n[j] = g[j] * (one - z[j]) * (one - n[j] * n[j])
            for j in range(size):
                d_r[j] = d_n[j] * y_n[j] * r[j] * (one - r[j])
            for j in range(size):
                d_z[j] = g[j] * (before[j] - n[j]) * z[j] * (one - z[j])
            for j in range(size):
                e_n[j] = d_n[j] * r[j]
            for j in range(size):
                past[j] = g[j] * z[j]
            for j in range(2 * size):
                e[j] = d[j]
        first = take_many(counter, count, rows)


def pass_over(kernel, *arguments):
    """Call a kernel on the rows of the first argument, cut into tasks."""
    count, size = arguments[0].shape
    threads.run(kernel, threads.threads_for(80 * count * size), *arguments, max(1, TASK // (4 * size)))


def turned(w, steps: int):
    """W^T, row by row where it is used often."""
    return np.ascontiguousarray(w.T) if steps >= MANY_STEPS else w.T


def previous(first, steps, t: int, reverse: bool):
    """The state before step t."""
    if reverse:
        return steps[t + 1] if t + 1 < len(steps) else first
    return steps[t - 1] if t > 0 else first


def weight_gradient(grad_sums, h, hs, reverse: bool):
    """dW = sum_t ds_t^T h_{t-1}"""
    before = np.concatenate((hs[1:], h[None]) if reverse else (h[None], hs[:-1]))
    return blas.mm(grad_sums.reshape(-1, grad_sums.shape[-1]).T, before.reshape(-1, before.shape[-1]))


@accelerates("rnn_steps")
def rnn_steps(x, h, w, *, relu, reverse):
    """hs"""
    x, turn = plain(x), turned(w, len(x))
    hs = np.empty(x.shape, x.dtype)
    with blas.one_thread:
        for t in order(len(x), reverse):
            blas.product(hs[t], h, turn)
            pass_over(rnn_rows, x[t], hs[t], relu)
            h = hs[t]
    return hs


@accelerates("rnn_steps_backward")
def rnn_steps_backward(grad, h, w, hs, *, relu, reverse):
    """The gradients of x, h and w."""
    grad, hs = plain(grad), plain(hs)
    grad_x, back = np.empty(hs.shape, hs.dtype), np.zeros(h.shape, h.dtype)
    with blas.one_thread:
        for t in order(len(hs), not reverse):
            pass_over(rnn_rows_backward, grad[t], back, hs[t], grad_x[t], relu)
            blas.product(back, grad_x[t], w)
    return grad_x, back, weight_gradient(grad_x, h, hs, reverse)


@accelerates("lstm_steps")
def lstm_steps(x, h, c, w, *, reverse):
    """(hs, cs, the values of the gates)."""
    x, c, turn = plain(x), plain(c), turned(w, len(x))
    gates = np.empty(x.shape, x.dtype)
    hs, cs = np.empty((2, *x.shape[:2], c.shape[1]), x.dtype)
    with blas.one_thread:
        for t in order(len(x), reverse):
            blas.product(gates[t], h, turn)
            pass_over(lstm_rows, x[t], gates[t], c, hs[t], cs[t])
            h, c = hs[t], cs[t]
    return hs, cs, gates


@accelerates("lstm_steps_backward")
def lstm_steps_backward(grad_hs, grad_cs, x, h, c, w, hs, cs, gates, *, reverse):
    """The gradients of x, h, c and w."""
    grad_hs, grad_cs, hs, c, cs, gates = (plain(a) for a in (grad_hs, grad_cs, hs, c, cs, gates))
    grad_x, back, carried = np.empty(gates.shape, c.dtype), np.zeros(h.shape, c.dtype), np.zeros(c.shape, c.dtype)
    with blas.one_thread:
        for t in order(len(hs), not reverse):
            before = previous(c, cs, t, reverse)
            pass_over(
                lstm_rows_backward, grad_hs[t], grad_cs[t], back, carried, before, cs[t], gates[t], grad_x[t]
            )  # fmt: skip
            blas.product(back, grad_x[t], w)
    return grad_x, back, carried, weight_gradient(grad_x, h, hs, reverse)


@accelerates("gru_steps")
def gru_steps(x, h, w, b=None, *, reverse):
    """(hs, the values of r, z, n and y_n)."""
    x, h, turn = plain(x), plain(h), turned(w, len(x))
    hs, y = np.empty((*x.shape[:2], h.shape[1]), x.dtype), np.empty(x.shape[1:], x.dtype)
    gates = np.empty((*x.shape[:2], 4 * h.shape[1]), x.dtype)
    with blas.one_thread:
        for t in order(len(x), reverse):
            blas.product(y, h, turn)
            if b is not None:
                y += b
            pass_over(gru_rows, x[t], y, h, hs[t], gates[t])
            h = hs[t]
    return hs, gates


@accelerates("gru_steps_backward")
def gru_steps_backward(grad, x, h, w, b, hs, gates, *, reverse):
    """The gradients of x, h, w and b."""
    grad, h, hs, gates = (plain(a) for a in (grad, h, hs, gates))
    grad_x, grad_y = np.empty((2, *x.shape), x.dtype)
    back, carried = np.zeros((2, *h.shape), x.dtype)
    with blas.one_thread:
        for t in order(len(hs), not reverse):
            before = previous(h, hs, t, reverse)
            pass_over(gru_rows_backward, grad[t], back, carried, before, gates[t], grad_x[t], grad_y[t])
            blas.product(back, grad_y[t], w)
    return grad_x, back + carried, weight_gradient(grad_y, h, hs, reverse), sum_dims(grad_y, dim=(0, 1), keepdim=False)
