"""Two runs of one program in step: torch goes ahead, minitorch follows and takes over torch's numbers.

torch's side writes two messages for a call: what it is given, before, and what came of it, after. A tensor's elements
are sent when the other side cannot have them, that is, when the tensor has not been sent before or has been written to
since. minitorch's side reads the messages as it makes the same calls, compares, and writes torch's elements into its
own tensors. It writes into their memory, past the version counters, so that the tensors that a backward pass has kept
hold torch's numbers too.
"""

from __future__ import annotations

import pickle
import weakref
import zlib
from collections.abc import Collection
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from .call import LOSS, READ, Call
from .compare import Comparison, Judge, Read
from .kept import ROUNDING, Kept, largest

SHOWN = 6  # elements of an argument that a report shows


class Side:
    """What a recorder tells of a run's calls (abstract); notes the numbers that the program reads."""

    def __init__(self, library: ModuleType, file: BinaryIO | None = None):
        self.library = library
        self.read: list[Read] = []
        self.step = 0

    def wanted(self) -> Collection[str] | None:
        """The names of the library that have to be wrapped; None: all."""
        return None

    def names(self, names: list[str]) -> None:
        """These have been wrapped."""

    def found(self) -> Any:
        """What is known when the program has ended."""
        return self.read

    def array(self, tensor: Any) -> np.ndarray | None:
        """A tensor's memory, or a copy; None where it cannot be read."""
        try:
            tensor = tensor.detach()
            if tensor.is_complex():
                tensor = self.library.view_as_real(tensor)
            return np.asarray((tensor.float() if str(tensor.dtype).endswith("bfloat16") else tensor).numpy())
        except Exception:  # a tensor inside vmap or a forward derivative, a sparse one, one without memory
            return None

    def kept(self, tensor: Any, values: np.ndarray | None) -> Kept:
        dtype = str(tensor.dtype).removeprefix("torch.")
        return Kept(dtype, tuple(tensor.shape), tensor.requires_grad, values)

    def stream(self) -> int | None:
        """A checksum of the default generator's state: what the next random number depends on."""
        state = self.array(self.library.get_rng_state())
        return None if state is None else zlib.crc32(state)

    def begin(self, call: Call, tensors: list) -> None:
        """The program is about to make this call."""
        if call.name in LOSS and tensors and tensors[0].numel() == 1:
            array = self.array(tensors[0])
            if array is not None:
                self.read.append(Read("loss", call.where, self.step, float(array.reshape(-1)[0])))

    def end(self, call: Call, results: list) -> None:
        """The call has been made: `results` are tensors and plain values."""
        if call.name in READ and results and isinstance(results[0], float):
            self.read.append(Read(call.name, call.where, self.step, results[0]))
        self.step += call.steps


class Free(Side):
    """Runs on its own."""

    def wanted(self) -> Collection[str]:
        return (*LOSS, *READ)


class Lead(Side):
    """Goes ahead and sends its numbers."""

    def __init__(self, library: ModuleType, file: BinaryIO):
        super().__init__(library)
        self.file = file
        self.sent: dict[int, tuple[weakref.ref, int]] = {}  # tensors, with their versions then

    def names(self, names: list[str]) -> None:
        self.send(("names", names))

    def send(self, message: Any) -> None:
        pickle.dump(message, self.file, protocol=pickle.HIGHEST_PROTOCOL)

    def told(self, value: Any) -> Any:
        """What goes into a message: of a tensor that the other side has, no elements."""
        if isinstance(value, np.ndarray):
            return Kept(str(value.dtype), value.shape, False, value)
        if not isinstance(value, self.library.Tensor):
            return value
        array = self.array(value)
        if array is None or value.is_inference():  # without a version
            return self.kept(value, array)
        key, version = id(value), value._version
        known, at = self.sent.get(key, (None, None))
        if known is not None and known() is value and at == version:
            return self.kept(value, None)
        self.sent[key] = weakref.ref(value, lambda _: self.sent.pop(key, None)), version
        return self.kept(value, array)

    def begin(self, call: Call, tensors: list) -> None:
        super().begin(call, tensors)
        self.send(("begin", call.name, call.where, [self.told(tensor) for tensor in tensors]))

    def end(self, call: Call, results: list) -> None:
        super().end(call, results)
        self.send(("end", [self.told(value) for value in results], call.error, self.stream()))


class Follow(Side):
    """Follows, compares, and takes over the other side's numbers."""

    def __init__(self, library: ModuleType, file: BinaryIO):
        super().__init__(library)
        self.file = file
        self.judge = Judge()
        self.open: list[Call] = []  # the other side's calls that have begun
        self.in_step = True

    def wanted(self) -> Collection[str] | None:
        names = self.next("names")
        return None if names is None else set(names[0])

    def found(self) -> Comparison:
        self.through()
        return self.judge.found

    def next(self, kind: str) -> tuple | None:
        """The next message; None where it is of another kind, or the other side is through."""
        try:
            found, *message = pickle.load(self.file)
        except (EOFError, pickle.UnpicklingError):
            return None
        return tuple(message) if found == kind else None

    def own(self, value: Any) -> tuple[Any, np.ndarray | None]:
        """(the record of a result, its memory)."""
        if isinstance(value, np.ndarray):
            return Kept(str(value.dtype), value.shape, False, value), value
        if not isinstance(value, self.library.Tensor):
            return value, None
        array = self.array(value)
        return self.kept(value, array), array

    def begin(self, call: Call, tensors: list) -> None:
        super().begin(call, tensors)
        if not self.in_step:
            return
        message = self.next("begin")
        true = None if message is None else Call(*message)
        self.in_step = self.judge.order(call, true)
        if true is None or not self.in_step:
            return
        records = [self.own(tensor) for tensor in tensors]
        call.inputs = [record for record, _ in records]
        self.judge.inputs(call, true)
        for (record, memory), kept in zip(records, true.inputs, strict=False):
            take_over(record, memory, kept)
        if not call.steps:
            floats = [record.values for record in call.inputs if record.dtype in ROUNDING and record.values is not None]
            call.scale = max(map(largest, floats), default=0.0)
        call.inputs = [beginning(record) for record in call.inputs]
        self.open.append(true)

    def end(self, call: Call, results: list) -> None:
        super().end(call, results)
        if not self.in_step:
            return
        message, true = self.next("end"), self.open.pop()
        if message is None:  # inside this call the other side made another one, or ended
            self.in_step = self.judge.order(call, None)
            return
        true.outputs, true.error, true.stream = message
        records = [self.own(value) for value in results]
        call.outputs, call.stream = [record for record, _ in records], self.stream()
        self.judge.outputs(call, true)
        for (record, memory), kept in zip(records, true.outputs, strict=False):
            take_over(record, memory, kept)

    def through(self) -> None:
        """The program has ended here: has it there?"""
        if self.in_step and (message := self.next("begin")) is not None:
            self.judge.order(None, Call(*message))
        while self.file.read(1 << 20):  # the other side would wait
            pass


def beginning(record: Kept) -> Kept:
    """The record with the elements that a report shows, kept from what the call does to the tensor."""
    values = None if record.values is None else record.values.reshape(-1)[:SHOWN].copy()
    return Kept(record.dtype, record.shape, record.requires_grad, values)


def take_over(record: Any, memory: np.ndarray | None, kept: Any) -> None:
    """Write the other side's elements into a tensor's memory."""
    if memory is None or not isinstance(kept, Kept) or kept.values is None or record.dtype == "bfloat16":
        return
    if (record.dtype, record.shape) == (kept.dtype, kept.shape) and memory.flags.writeable:
        np.copyto(memory, kept.values)
