"""Batches of sequences of different lengths: padded to one tensor, or packed without padding.

    sequences    padded (L, N)   packed: data            batch_sizes
    a b c        a d f           a d f | b e | c         3 2 1
    d e          b e .
    f            c . .

The sequences are sorted by falling length, so that those still running at a step are the first batch_sizes[step].
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable

from ..core.tensor import Tensor
from ..dtypes import float16, float32, float64, int8, int16, int32, int64, uint8
from ..ops.creation import arange, empty_like, full
from ..ops.data import tensor
from ..ops.join import cat, stack
from . import functional as F

_Fields = namedtuple("_Fields", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])


class PackedSequence(_Fields):
    """Packed sequences; sorted_indices lead from the given order to the sorted one, unsorted_indices back."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs) -> PackedSequence:
        """The same sequences with the data converted."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self, *args, **kwargs) -> PackedSequence:
        return self._replace(data=self.data.cpu())

    def cuda(self, *args, **kwargs) -> PackedSequence:
        return self._replace(data=self.data.cuda(*args, **kwargs))

    def double(self) -> PackedSequence:
        return self.to(float64)

    def float(self) -> PackedSequence:
        return self.to(float32)

    def half(self) -> PackedSequence:
        return self.to(float16)

    def long(self) -> PackedSequence:
        return self.to(int64)

    def int(self) -> PackedSequence:
        return self.to(int32)

    def short(self) -> PackedSequence:
        return self.to(int16)

    def char(self) -> PackedSequence:
        return self.to(int8)

    def byte(self) -> PackedSequence:
        return self.to(uint8)

    @property
    def is_cuda(self) -> bool:
        return False

    def is_pinned(self) -> bool:
        return False

    def pin_memory(self) -> PackedSequence:
        return self


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one: result[permutation[i]] = i."""
    if permutation is None:
        return None
    return empty_like(permutation).scatter_(0, permutation, arange(permutation.numel()))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch. input: (L, N, *), or (N, L, *) if batch_first; lengths: (N).

    enforce_sorted: the lengths must already fall; with False, the batch is sorted, and sorted back when unpacked.
    """
    counts = lengths.to(dtype=int64) if isinstance(lengths, Tensor) else tensor(lengths, dtype=int64)
    sorted_indices = None
    if not enforce_sorted:
        counts, sorted_indices = counts.sort(descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    data, batch_sizes = _pack(input.transpose(0, 1) if batch_first else input, counts.tolist())
    return PackedSequence(data, batch_sizes, sorted_indices, None)


def _pack(input: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    if len(lengths) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.size(1)})"
        )
    if any(length <= 0 for length in lengths):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in zip(lengths, lengths[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    if lengths[0] > input.size(0):
        raise RuntimeError(f"Expected lengths of at most {input.size(0)}, the padded length, but got {lengths[0]}")
    sizes = [sum(length > t for length in lengths) for t in range(lengths[0])]
    return cat([input[t, :size] for t, size in enumerate(sizes)], 0), tensor(sizes, dtype=int64)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`: (padded (L, N, *), or batch first, lengths (N)). total_length: pad to this."""
    sizes = sequence.batch_sizes.tolist()
    length = len(sizes)
    if total_length is not None:
        if total_length < length:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {length}"
            )
        length = total_length
    rest, batch = sequence.data.shape[1:], sizes[0]
    steps = []
    for step in sequence.data.split(sizes, 0):
        missing = full((batch - step.size(0), *rest), padding_value, dtype=step.dtype)
        steps.append(cat([step, missing], 0))
    steps += [full((batch, *rest), padding_value, dtype=sequence.data.dtype)] * (length - len(sizes))
    padded = stack(steps, 1 if batch_first else 0)
    lengths = tensor([sum(size > n for size in sizes) for n in range(batch)], dtype=int64)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | list[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, *) in one tensor (L, N, *), or (N, L, *) if batch_first, L the longest."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    given = tuple(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    longest = max(sequence.size(0) for sequence in given)
    padded = []
    for sequence in given:
        missing = longest - sequence.size(0)
        amounts = (0, 0) * (sequence.ndim - 1) + ((0, missing) if padding_side == "right" else (missing, 0))
        padded.append(F.pad(sequence, amounts, "constant", padding_value) if missing else sequence)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Undo `pad_sequence`: the sequences (L_i, *)."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[: int(length)] for sequence, length in zip(padded_sequences, lengths, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (L_i, *)."""
    lengths = [sequence.size(0) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
