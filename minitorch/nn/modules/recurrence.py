"""The recurrences of RNN, LSTM and GRU, in Tensor operations: one step, one direction of one layer, a whole network.

A state is a tuple of tensors with the batch first: (h,) or, for the LSTM, (h, c). A layer runs over a list of steps;
step t has the batch size sizes[t]. In a padded batch all sizes are equal, in a packed one they fall: sequences are
sorted by length, and those that have ended drop out at the end of the batch.
"""

from __future__ import annotations

from ...core.tensor import Tensor
from ...ops.join import cat
from ...ops.recurrent import gru_cell, lstm_cell
from .. import functional as F


def rnn_tanh_step(x: Tensor, state: tuple, w_hh, b_hh, w_hr=None) -> tuple:
    """h' = tanh(x + W_hh h + b_hh), where x = W_ih input + b_ih."""
    (h,) = state
    return ((x + F.linear(h, w_hh, b_hh)).tanh(),)


def rnn_relu_step(x: Tensor, state: tuple, w_hh, b_hh, w_hr=None) -> tuple:
    """h' = relu(x + W_hh h + b_hh), where x = W_ih input + b_ih."""
    (h,) = state
    return ((x + F.linear(h, w_hh, b_hh)).relu(),)


def lstm_step(x: Tensor, state: tuple, w_hh, b_hh, w_hr=None) -> tuple:
    """h', c' = lstm_cell(x + W_hh h + b_hh, c), where x = W_ih input + b_ih; h' is then projected, if there is a w_hr.

    Hochreiter, Schmidhuber (1997); Sak et al. (2014).
    """
    h, c = state
    h, c = lstm_cell(x + F.linear(h, w_hh, b_hh), c)
    return (h if w_hr is None else F.linear(h, w_hr), c)


def gru_step(x: Tensor, state: tuple, w_hh, b_hh, w_hr=None) -> tuple:
    """h' = gru_cell(x, W_hh h + b_hh, h), where x = W_ih input + b_ih.

    Cho et al. (2014), with the reset gate after the product.
    """
    (h,) = state
    return (gru_cell(x, F.linear(h, w_hh, b_hh), h),)


STEPS = {"RNN_TANH": rnn_tanh_step, "RNN_RELU": rnn_relu_step, "LSTM": lstm_step, "GRU": gru_step}
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def run_layer(
    step, data: Tensor, sizes: list[int], state: tuple, weights: tuple, reverse: bool
) -> tuple[Tensor, tuple]:
    """One direction of one layer.

    data: (sum of sizes, features), step after step; state: of the whole batch; weights: (w_ih, w_hh, b_ih, b_hh, w_hr),
    None where absent. Returns (outputs (sum of sizes, hidden), last state of the whole batch).
    """
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    # The input's part of every step at once.
    steps = F.linear(data, w_ih, b_ih).split(sizes, 0)
    first, outputs, ended = state, [], []
    order = range(len(sizes) - 1, -1, -1) if reverse else range(len(sizes))
    running = sizes[order[0]]
    state = tuple(s[:running] for s in first) if running < first[0].size(0) else first
    for t in order:
        if sizes[t] < running:
            ended.append(tuple(s[sizes[t] :] for s in state))
            state = tuple(s[: sizes[t]] for s in state)
        elif sizes[t] > running:
            state = tuple(cat([s, f[running : sizes[t]]], 0) for s, f in zip(state, first, strict=True))
        running = sizes[t]
        state = step(steps[t], state, w_hh, b_hh, w_hr)
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    if ended:
        # Those that ended first lie at the end of the batch.
        state = tuple(cat(parts, 0) for parts in zip(state, *reversed(ended), strict=True))
    return cat(outputs, 0), state


def run(mode: str, data: Tensor, sizes: list[int], state: tuple, weights: list, directions: int, dropout: float):
    """All layers. state: each (layers * directions, N, size); weights: for each layer and direction, in this order.

    dropout: the probability for the outputs of all layers but the last (0: none).
    Returns (outputs (sum of sizes, directions * hidden), state like the given one).
    """
    step, last = STEPS[mode], []
    layers = len(weights) // directions
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            output, end = run_layer(step, data, sizes, tuple(s[k] for s in state), weights[k], reverse=direction == 1)
            outputs.append(output)
            last.append(end)
        data = outputs[0] if directions == 1 else cat(outputs, -1)
        if dropout and layer < layers - 1:
            data = F.dropout(data, dropout, training=True)
    return data, tuple(cat([s.unsqueeze(0) for s in parts], 0) for parts in zip(*last, strict=True))
