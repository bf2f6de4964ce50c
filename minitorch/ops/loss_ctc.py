"""Connectionist temporal classification (Graves et al. 2006): the likelihood of a label sequence, however it is timed.

A path through time emits one class at each step; blanks and repetitions are dropped. The states are the labels with a
blank before, between and after them, l = (blank, y_1, blank, y_2, ..., blank). From one step to the next a path stays
in its state, goes to the next one, or skips a blank that stands between two different labels.

    alpha[t, s]   log-probability of all beginnings of paths that are in state s at step t
    beta[t, s]    log-probability of all their ends, from step t on
"""

from __future__ import annotations

import numpy as np

from ..core.levels import per_example
from ..core.op import GENERAL, SAME, function, op
from ..core.tensor import Tensor, wrap
from .comparison import where
from .loss import reduction_of
from .reduce import mean, sum


def _states(targets: np.ndarray, blank: int):
    """(the classes of the states (N, 2S+1), which states may be entered by skipping a blank)."""
    states = np.full((len(targets), 2 * targets.shape[1] + 1), blank)
    states[:, 1::2] = targets
    skips = np.zeros(states.shape, np.bool_)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    return states, skips


def _emitted(log_probs: np.ndarray, states: np.ndarray) -> np.ndarray:
    """The log-probability of each state's class at each step: (T, N, 2S+1)."""
    return np.take_along_axis(log_probs, np.broadcast_to(states, (len(log_probs), *states.shape)), 2)


def _arrivals(previous: np.ndarray, skips: np.ndarray) -> np.ndarray:
    """The log-probability of coming to each state from those of the step before."""
    arrived = previous.copy()
    arrived[:, 1:] = np.logaddexp(arrived[:, 1:], previous[:, :-1])
    two_before = np.where(skips[:, 2:], previous[:, :-2], -np.inf)
    arrived[:, 2:] = np.logaddexp(arrived[:, 2:], two_before)
    return arrived


def _ends(target_lengths: np.ndarray):
    """The last state and the last label state of each sequence (the same one where there are no labels)."""
    return 2 * target_lengths, np.maximum(2 * target_lengths - 1, 0)


def _ctc_gradient(g, log_probs, targets, input_lengths, target_lengths, z, blank, zero_infinity):
    return ctc_loss_backward(
        g[0], log_probs, targets, input_lengths, target_lengths, z[0], z[1], blank=blank, zero_infinity=zero_infinity
    )


@op(GENERAL, dtype=SAME, vjp=dict(log_probs=_ctc_gradient), backward_name="CtcLossBackward0")
def ctc_loss_alpha(log_probs, targets, input_lengths, target_lengths, *, blank, zero_infinity):
    """(-ln p(targets) for each sequence (N), alpha (T, N, 2S+1)). log_probs (T, N, C), targets (N, S) padded"""
    states, skips = _states(targets, blank)
    emitted = _emitted(log_probs, states)
    alpha = np.full(emitted.shape, -np.inf, log_probs.dtype)
    with np.errstate(invalid="ignore"):
        if len(alpha):
            alpha[0, :, :2] = emitted[0, :, :2]
        for t in range(1, len(alpha)):
            alpha[t] = _arrivals(alpha[t - 1], skips) + emitted[t]
    last, last_label = _ends(target_lengths)
    every = np.arange(len(targets))
    likelihood = np.where(target_lengths == 0, 0, -np.inf).astype(log_probs.dtype)
    if len(alpha):
        final = alpha[input_lengths - 1, every]
        both = np.logaddexp(final[every, last], np.where(target_lengths > 0, final[every, last_label], -np.inf))
        likelihood = np.where(input_lengths == 0, likelihood, both)
    return -likelihood, alpha


@op(GENERAL, dtype=SAME, backward_name="CtcLossBackwardBackward0")
def ctc_loss_backward(grad, log_probs, targets, input_lengths, target_lengths, loss, alpha, *, blank, zero_infinity):
    """x'[t, c] = g (e^x[t, c] - the probability of being in a state of class c at step t, given the targets).

    The first term vanishes behind log_softmax, whose output `log_probs` is meant to be; torch's gradient has it.
    """
    states, skips = _states(targets, blank)
    emitted = _emitted(log_probs, states)
    steps, every = np.arange(len(alpha)), np.arange(len(targets))
    last, last_label = _ends(target_lengths)
    beta = np.full(alpha.shape, -np.inf, alpha.dtype)
    ahead = np.zeros_like(skips)  # which states may be left by skipping a blank, counted from the end
    ahead[:, 2:] = skips[:, :1:-1]
    with np.errstate(invalid="ignore", over="ignore"):
        for t in steps[::-1]:
            if t + 1 < len(alpha):
                beta[t] = _arrivals(beta[t + 1][:, ::-1], ahead)[:, ::-1] + emitted[t]
            ends_here = every[input_lengths == t + 1]
            beta[t, ends_here] = -np.inf
            for state in (last, last_label):
                beta[t, ends_here, state[ends_here]] = emitted[t, ends_here, state[ends_here]]
        occupied = np.exp(alpha + beta - emitted + loss[:, None])
        spent = np.zeros_like(log_probs)
        np.add.at(spent, (steps[:, None, None], every[:, None], states), np.where(emitted == -np.inf, 0, occupied))
        spent[:, np.isinf(loss)] = np.nan  # impossible targets: no state has a probability given them
        out = (np.exp(log_probs) - spent) * grad[:, None]
    out[steps[:, None] >= input_lengths] = 0
    if zero_infinity:
        out[:, np.isinf(loss)] = 0
    return out


def _lengths(name: str, lengths, batch: int) -> np.ndarray:
    array = lengths.array if isinstance(lengths, Tensor) else np.array(lengths, np.int64)
    if array.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss(): {name} must be integral")
    array = array.astype(np.int64).reshape(-1)
    if len(array) != batch:
        raise RuntimeError(f"ctc_loss(): {name} must be of size batch_size ({batch}), got {len(array)}")
    if (array < 0).any():
        raise RuntimeError(f"ctc_loss(): Expected {name} to have values of at least 0, but got {array.min()}")
    return array


def _padded(targets: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Targets as (N, S), S the longest, from (N, S) or from all sequences one after another."""
    longest = int(lengths.max(initial=0))
    if targets.ndim == 2:
        if targets.shape[0] != len(lengths) or targets.shape[1] < longest:
            raise RuntimeError(
                f"ctc_loss(): Expected targets to have size at least {longest} at dimension 1 for {len(lengths)} "
                f"sequences, but got size {list(targets.shape)}"
            )
        used = targets[:, :longest]
    else:
        if targets.size < lengths.sum():
            raise RuntimeError(f"ctc_loss(): {targets.size} targets are fewer than target_lengths add up to")
        starts = np.cumsum(lengths) - lengths
        places = np.minimum(starts[:, None] + np.arange(longest), max(targets.size - 1, 0))
        used = targets[places] if targets.size else np.zeros((len(lengths), longest), np.int64)
    return np.where(np.arange(longest) < lengths[:, None], used, 0)


@function(torch=("nn.functional.ctc_loss", "ctc_loss"))
@per_example
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-ln p(targets | log_probs), summed over all alignments.

    log_probs: (T, N, C) or (T, C), logarithms of probabilities. targets: (N, S), or all sequences one after another.
    input_lengths, target_lengths: N numbers each. The mean is over each sequence's loss / its target length.
    zero_infinity: impossible targets (longer than the input) count as loss 0.
    """
    reduction = reduction_of(reduction)
    shape = log_probs.array.shape
    if log_probs.array.dtype.kind in "iub":
        raise RuntimeError(f"ctc_loss(): log_probs must be floating, got {log_probs.dtype}")
    if targets.array.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss(): targets must be integral, got {targets.dtype}")
    if len(shape) not in (2, 3):
        raise RuntimeError(f"ctc_loss(): log_probs must be (T, N, C) or (T, C), got shape {list(shape)}")
    batched = log_probs if len(shape) == 3 else log_probs.unsqueeze(1)
    steps, batch, classes = batched.array.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss(): blank must be in label range, got {blank} for {classes} classes")
    inputs, labels = _lengths("input_lengths", input_lengths, batch), _lengths("target_lengths", target_lengths, batch)
    if (inputs > steps).any() or (inputs < 0).any():
        raise RuntimeError(f"ctc_loss(): input_lengths must be at most {steps}, but got {inputs.tolist()}")
    padded = _padded(targets.array.reshape(1, -1) if len(shape) == 2 else targets.array, labels)
    if padded.size and not (0 <= padded.min() and padded.max() < classes):
        raise RuntimeError(f"ctc_loss(): targets out of range for {classes} classes")
    loss, _ = ctc_loss_alpha(
        batched, wrap(padded), wrap(inputs), wrap(labels), blank=blank, zero_infinity=zero_infinity
    )
    if zero_infinity:
        loss = where(loss == np.inf, 0.0, loss)
    if reduction == "mean":
        return mean(loss / wrap(np.maximum(labels, 1).astype(loss.array.dtype)))
    if reduction == "sum":
        return sum(loss)
    return loss if len(shape) == 3 else loss.reshape(())
