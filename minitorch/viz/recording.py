"""What a node does not know about itself: the numbers that came out, the line that called it, the module that it ran in.

    with minitorch.viz.recording():
        loss = model(x).sum()
    minitorch.viz.tape(loss)

Inside, every primitive call of this thread is seen (`state.trace`, as by a profiler), and every call of a module. A module
holds the nodes that were born between its beginning and its end; the numbers are kept as `summary` shows them, so that
nothing stays alive for it.
"""

from __future__ import annotations

import linecache
import re
import sys
import weakref
from dataclasses import dataclass, field
from pathlib import Path

from ..core.node import Leaf, Output
from ..core.state import state, tick
from ..core.tensor import Tensor
from ..nn import Module
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from .summary import summary

PACKAGE = Path(__file__).parent.parent
STDLIB = str(Path(linecache.__file__).parent)
OURS = tuple(str(PACKAGE / part) for part in ("models", "demo"))  # what in minitorch is a program, not its machinery
FRAMES = 3  # so many lines of the user's stack


@dataclass(frozen=True)
class Frame:
    """A line of a program."""

    file: str
    line: int
    function: str
    text: str


@dataclass(eq=False)
class ModuleCall:
    """One run of a module's `forward`: nodes born after `begin` and before `end` belong to it."""

    name: str
    kind: str
    parent: ModuleCall | None
    begin: int
    end: int | None = None

    def holds(self, birth: int) -> bool:
        return self.begin < birth and (self.end is None or birth < self.end)


@dataclass(eq=False)
class Record:
    """What was seen of one node. values: a summary for each output."""

    recording: recording
    values: list[dict]
    frames: list[Frame]
    constants: dict[int, tuple[int, dict]] = field(default_factory=dict)  # input number -> (which one, its summary)
    numbers: dict[int, float] = field(default_factory=dict)  # input number -> a Python number


RECORDS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class recording:
    """Context manager: what runs inside can be seen in full by `tape`. RuntimeError inside a vmap, a profile, another one."""

    def __enter__(self) -> recording:
        if state.trace is not None:
            raise RuntimeError("recording(): this thread's operations are being watched already")
        self.calls: list[ModuleCall] = []
        self.open: list[tuple[Module, ModuleCall]] = []
        self.names: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self.known: dict[int, tuple] = {}  # id of a constant -> (weak reference, its number)
        self.handles = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        state.trace = self._call
        return self

    def __exit__(self, *error) -> None:
        state.trace = None
        for handle in self.handles:
            handle.remove()
        self.open.clear()

    def _call(self, op, inputs, params):
        """A primitive call."""
        recorded = state.grad and any([isinstance(x, Tensor) and x.requires_grad for x in inputs])
        if op.composite is not None and not op.rules and recorded:
            return op.composite(*inputs, **params)  # whose parts are seen one by one
        state.trace = None
        try:
            outputs = op.call(*inputs, **params)
            if recorded:
                self._note(inputs, outputs if isinstance(outputs, tuple) else (outputs,))
        finally:
            state.trace = self._call
        return outputs

    def _note(self, inputs, outputs) -> None:
        node = outputs[0].node
        if node is None:
            return
        record = Record(self, [summary(z.array) for z in outputs], user_frames(sys._getframe(2)))
        RECORDS[node.node if isinstance(node, Output) else node] = record
        for i, x in enumerate(inputs):
            if isinstance(x, (int, float)):
                record.numbers[i] = x
            elif isinstance(x, Tensor):
                source = x.node
                if source is None:
                    record.constants[i] = (self._number(x), summary(x.array))
                elif not isinstance(source, Output) and getattr(RECORDS.get(source), "recording", None) is not self:
                    RECORDS[source] = Record(self, [summary(x.array)], [])  # a leaf, or what no primitive call made

    def _number(self, x: Tensor) -> int:
        """The same number for the same tensor, as long as it lives."""
        reference, number = self.known.get(id(x), (None, 0))
        if reference is None or reference() is not x:
            number = tick()
            self.known[id(x)] = weakref.ref(x), number
        return number

    def _enter_module(self, module, args) -> None:
        outer, call = self.open[-1] if self.open else (None, None)
        name = type(module).__name__
        if outer is None:
            for parameter_name, parameter in module.named_parameters():
                if type(parameter.node) is Leaf:
                    self.names[parameter.node] = parameter_name
        else:
            name = next((n for n, inner in outer.named_modules() if inner is module and n), name)
        entered = ModuleCall(name, type(module).__name__, call, tick())
        self.calls.append(entered)
        self.open.append((module, entered))

    def _leave_module(self, module, args, output) -> None:
        if self.open:
            self.open.pop()[1].end = tick()


def user_frames(frame) -> list[Frame]:
    """The innermost lines that are a program's own, not minitorch's or of what runs the program."""
    found: list[Frame] = []
    while frame is not None and len(found) < FRAMES:
        file = frame.f_code.co_filename
        if is_machinery(file):
            if found and not file.startswith(str(PACKAGE)):
                break  # what runs the program: a notebook, a test runner
        else:
            line = frame.f_lineno
            found.append(Frame(file, line, frame.f_code.co_name, linecache.getline(file, line).strip()))
        frame = frame.f_back
    return found


def is_machinery(file: str) -> bool:
    if file.startswith(OURS):
        return False
    return file.startswith((str(PACKAGE), STDLIB, "<frozen")) or "site-packages" in file


def stack_frames(stack: list[str]) -> list[Frame]:
    """The same from the stack that a node keeps in anomaly mode: entries of `traceback.format_stack`, outermost first."""
    found = []
    for entry in reversed(stack):
        match = re.match(r'\s*File "(.+)", line (\d+), in (.+)\n\s*(.*)', entry)
        if match and not is_machinery(match[1]):
            found.append(Frame(match[1], int(match[2]), match[3], match[4]))
    return found[:FRAMES]
