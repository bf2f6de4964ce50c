"""RNN, LSTM and GRU over sequences."""

from __future__ import annotations

import math
import numbers
import warnings

from ...core.tensor import Tensor
from ...ops.creation import empty, zeros
from .. import init
from ..packing import PackedSequence
from ..parameter import Parameter
from .module import Module
from .recurrence import GATES, run


class RNNBase(Module):
    """Arguments, parameters and walk over the sequence of all recurrent layers (abstract).

    Parameters of layer k, for each direction (the second with the suffix "_reverse"): weight_ih_l{k} (gates * hidden,
    input), weight_hh_l{k} (gates * hidden, hidden), bias_ih_l{k}, bias_hh_l{k} and, with proj_size, weight_hr_l{k}.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        for name, value, kind in (
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0:
            raise ValueError("proj_size should be a positive integer or zero to disable projections")
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        self._make_weights(GATES[mode] * hidden_size, device, dtype)
        self.reset_parameters()

    def _make_weights(self, gate_size: int, device, dtype) -> None:
        output_size = self.proj_size or self.hidden_size
        for layer in range(self.num_layers):
            input_size = self.input_size if layer == 0 else output_size * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gate_size, input_size),
                    "weight_hh": (gate_size, output_size),
                }
                if self.bias:
                    shapes |= {"bias_ih": (gate_size,), "bias_hh": (gate_size,)}
                if self.proj_size:
                    shapes |= {"weight_hr": (self.proj_size, self.hidden_size)}
                names = []
                for kind, shape in shapes.items():
                    names.append(f"{kind}_l{layer}{suffix}")
                    setattr(self, names[-1], Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)

    def reset_parameters(self) -> None:
        """Draw new initial values, uniform in +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [weight for weights in self.all_weights for weight in weights]

    def flatten_parameters(self) -> None:
        """Accepted for programs written for GPUs; parameters stay where they are."""

    def _layer_weights(self) -> list[tuple]:
        """(w_ih, w_hh, b_ih, b_hh, w_hr) for each layer and direction, None where absent."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        result = []
        for names in self._all_weights:
            found = {name.rsplit("_l", 1)[0]: getattr(self, name) for name in names}
            result.append(tuple(found.get(kind) for kind in kinds))
        return result

    # checks

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """ValueError or RuntimeError when the input does not fit."""
        weight_dtype = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != weight_dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight_dtype}). "
                f"Convert input: input.to({weight_dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that the hidden state must have."""
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        return (self.num_layers * self._directions, batch, self.proj_size or self.hidden_size)

    def check_hidden_size(self, hx: Tensor, expected: tuple, msg: str = "Expected hidden size {}, got {}") -> None:
        """RuntimeError when the state has another shape."""
        if tuple(hx.size()) != tuple(expected):
            raise RuntimeError(msg.format(expected, list(hx.size())))

    def check_forward_args(self, input: Tensor, hidden, batch_sizes: Tensor | None) -> None:
        """RuntimeError when input or state do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation: Tensor | None):
        """The state with its batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # The one difference of the LSTM, whose state is a pair.

    def _first_state(self, input: Tensor, batch: int):
        shape = (self.num_layers * self._directions, batch, self.proj_size or self.hidden_size)
        return zeros(shape, dtype=input.dtype)

    def _check_state_ndim(self, hx, ndim: int) -> None:
        if hx.ndim != ndim:
            kind = "batched 3-D" if ndim == 3 else "unbatched 2-D"
            raise RuntimeError(f"For {kind} input, hx should also be {ndim}-D but got {hx.ndim}-D tensor")

    def _as_tuple(self, hx) -> tuple:
        return (hx,)

    def _from_tuple(self, state: tuple):
        return state[0]

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        batched = input.ndim == 3
        if hx is not None:
            self._check_state_ndim(hx, input.ndim)
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = self._from_tuple(tuple(s.unsqueeze(1) for s in self._as_tuple(hx)))
        if hx is None:
            hx = self._first_state(input, input.size(0 if self.batch_first else 1))
        self.check_forward_args(input, hx, None)

        data = input.transpose(0, 1) if self.batch_first else input
        length, batch = data.size(0), data.size(1)
        output, state = self._run(data.reshape(length * batch, data.size(2)), [batch] * length, self._as_tuple(hx))
        output = output.reshape(length, batch, output.size(-1))
        if self.batch_first:
            output = output.transpose(0, 1)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            state = tuple(s.squeeze(1) for s in state)
        return output, self._from_tuple(state)

    def _forward_packed(self, input: PackedSequence, hx):
        data, batch_sizes, sorted_indices, unsorted_indices = input
        hx = self._first_state(data, int(batch_sizes[0])) if hx is None else self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(data, hx, batch_sizes)
        output, state = self._run(data, batch_sizes.tolist(), self._as_tuple(hx))
        packed = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
        return packed, self.permute_hidden(self._from_tuple(state), unsorted_indices)

    def _run(self, data: Tensor, sizes: list[int], state: tuple):
        if not sizes:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        dropout = self.dropout if self.training else 0.0
        return run(self.mode, data, sizes, state, self._layer_weights(), self._directions, dropout)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


def _refuse(unknown: dict) -> None:
    if "proj_size" in unknown:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if unknown:
        raise TypeError(f"got an unexpected keyword argument '{next(iter(unknown))}'")


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu. Elman (1990).

    input: (L, N, input_size), (N, L, input_size) if batch_first, (L, input_size), or a PackedSequence;
    hx: (num_layers * directions, N, hidden_size), zeros if not given.
    Returns (outputs (L, N, directions * hidden_size), last hx).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        **unknown,
    ) -> None:
        _refuse(unknown)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory; the formula stands in `ops.recurrent.lstm`.

    As RNN, but the state is a pair (h, c), c: (num_layers * directions, N, hidden_size). With proj_size, outputs and h
    have that many features.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device=device,
            dtype=dtype,
        )

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """The shape that the cell state must have."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return (layers, batch, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: tuple, batch_sizes: Tensor | None) -> None:
        """RuntimeError when input or state do not fit."""
        self.check_input(input, batch_sizes)
        h, c = hidden
        hidden_size = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(h, hidden_size, "Expected hidden[0] size {}, got {}")
        cell_size = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(c, cell_size, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: tuple, permutation: Tensor | None) -> tuple:
        """The state with its batch in another order."""
        return hx if permutation is None else tuple(s.index_select(1, permutation) for s in hx)

    def _first_state(self, input: Tensor, batch: int):
        cell = zeros((self.num_layers * self._directions, batch, self.hidden_size), dtype=input.dtype)
        return super()._first_state(input, batch), cell

    def _check_state_ndim(self, hx: tuple, ndim: int) -> None:
        if any(s.ndim != ndim for s in hx):
            kind = "batched 3-D" if ndim == 3 else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {ndim}-D but got ({hx[0].ndim}-D, {hx[1].ndim}-D) tensors"
            )

    def _as_tuple(self, hx: tuple) -> tuple:
        return tuple(hx)

    def _from_tuple(self, state: tuple) -> tuple:
        return state


class GRU(RNNBase):
    """Gated recurrent units; the formula stands in `ops.recurrent.gru`. Arguments and results as for RNN."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        **unknown,
    ) -> None:
        _refuse(unknown)
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
