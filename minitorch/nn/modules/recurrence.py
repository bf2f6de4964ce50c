"""The recurrences of RNN, LSTM and GRU: steps of one size, one direction of one layer, a whole network.

A state is a tuple of tensors with the batch first: (h,) or, for the LSTM, (h, c). A layer runs over a list of steps;
step t has the batch size sizes[t]. In a padded batch all sizes are equal, in a packed one they fall: sequences are
sorted by length, and those that have ended drop out at the end of the batch.
"""

from __future__ import annotations

from itertools import groupby

from ...core.tensor import Tensor
from ...ops.join import cat
from ...ops.recurrent import gru, lstm, rnn
from .. import functional as F

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def input_sums(mode: str, data: Tensor, weights: tuple) -> Tensor:
    """What the inputs contribute to the gates' sums: W_ih x + b_ih, and b_hh where that is not needed apart.

    weights: (w_ih, w_hh, b_ih, b_hh, w_hr), None where absent.
    """
    w_ih, _, b_ih, b_hh, _ = weights
    return F.linear(data, w_ih, b_ih if b_hh is None or mode == "GRU" else b_ih + b_hh)


def run_steps(mode: str, sums: Tensor, state: tuple, weights: tuple, reverse: bool = False) -> tuple:
    """Steps of one size. sums: (T, N, gates * hidden). Returns the states after each of them, (T, N, size) each."""
    _, w_hh, _, b_hh, w_hr = weights
    if mode == "LSTM":
        return lstm(sums, state[0], state[1], w_hh, w_hr, reverse)
    if mode == "GRU":
        return (gru(sums, state[0], w_hh, b_hh, reverse),)
    return (rnn(sums, state[0], w_hh, mode == "RNN_RELU", reverse),)


def run_layer(
    mode: str, data: Tensor, sizes: list[int], state: tuple, weights: tuple, reverse: bool
) -> tuple[Tensor, tuple]:
    """One direction of one layer.

    data: (sum of sizes, features), step after step; state: of the whole batch.
    Returns (outputs (sum of sizes, hidden), last state of the whole batch).
    """
    runs = [(size, len(list(steps))) for size, steps in groupby(sizes)]  # steps of one size are run together
    parts = list(zip(runs, input_sums(mode, data, weights).split([n * count for n, count in runs], 0), strict=True))
    first, outputs, ended, running = state, [], [], 0
    for (size, count), sums in reversed(parts) if reverse else parts:
        if not running:
            state = tuple(s[:size] for s in first)
        elif size < running:
            ended.append(tuple(s[size:] for s in state))
            state = tuple(s[:size] for s in state)
        else:
            state = tuple(cat([s, f[running:size]], 0) for s, f in zip(state, first, strict=True))
        running = size
        states = run_steps(mode, sums.view(count, size, sums.size(1)), state, weights, reverse)
        state = tuple(s[0 if reverse else -1] for s in states)
        outputs.append(states[0].flatten(0, 1))
    if reverse:
        outputs.reverse()
    if ended:
        # Those that ended first lie at the end of the batch.
        state = tuple(cat(parts, 0) for parts in zip(state, *reversed(ended), strict=True))
    return outputs[0] if len(outputs) == 1 else cat(outputs, 0), state


def run(mode: str, data: Tensor, sizes: list[int], state: tuple, weights: list, directions: int, dropout: float):
    """All layers. state: each (layers * directions, N, size); weights: for each layer and direction, in this order.

    dropout: the probability for the outputs of all layers but the last (0: none).
    Returns (outputs (sum of sizes, directions * hidden), state like the given one).
    """
    last = []
    layers = len(weights) // directions
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            output, end = run_layer(mode, data, sizes, tuple(s[k] for s in state), weights[k], reverse=direction == 1)
            outputs.append(output)
            last.append(end)
        data = outputs[0] if directions == 1 else cat(outputs, -1)
        if dropout and layer < layers - 1:
            data = F.dropout(data, dropout, training=True)
    return data, tuple(cat([s.unsqueeze(0) for s in parts], 0) for parts in zip(*last, strict=True))
