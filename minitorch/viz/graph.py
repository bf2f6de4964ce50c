"""The tape of a real run, as data: its nodes, what flows along its edges, and one backward pass step by step."""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.node import FREED, Leaf, MultiNode, Node, Output
from ..core.tensor import Tensor
from ..engine import Walk
from ..ops.reduce import sum_to_size
from . import rules
from .recording import PACKAGE, RECORDS, Frame, Record, stack_frames
from .summary import summary

MANY = 300  # from so many nodes on, pictures are smaller


@dataclass(eq=False)
class Entry:
    """A node of the graph that is shown. kind: "operation", "leaf" or "constant" (an input that needs no gradient)."""

    id: int
    kind: str
    name: str
    birth: int
    node: Any = None
    title: str = ""  # the variable or parameter that holds it
    module: str = ""  # the name of a module that does nothing else
    shapes: list[list[int]] = field(default_factory=list)
    values: list[dict] | None = None
    gradients: list[dict | None] | None = None
    kept: list[dict] = field(default_factory=list)
    rules: list[dict] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """`source` made output number `output`, which is the input `name` of `target`."""

    source: int
    target: int
    name: str
    output: int = 0


@dataclass
class Step:
    """One visit of the walk: `entry` has its gradient complete, and sends what its rules make of it to its inputs."""

    entry: int
    sent: list[dict] = field(default_factory=list)
    error: str | None = None


class Watched(Walk):
    """A backward pass that notes what it does. Nothing is accumulated or retained, and nothing kept is let go.

    The targets are all nodes, so every gradient is found and none goes into a `.grad`. Hooks run, as in every pass: what
    they return is part of the gradient.
    """

    def __init__(self, ids: dict, side: int):
        super().__init__(keep_graph=True, create_graph=False, targets=set(ids))
        self.ids, self.side = ids, side
        self.steps: list[Step] = []
        self.gradients: dict[int, Any] = {}

    def visit(self, node) -> None:
        if isinstance(node, Output):
            return super().visit(node)
        step = Step(self.ids[node])
        self.steps.append(step)
        try:
            super().visit(node)
        finally:
            g = self.found.pop(node, None)
            parts = g if isinstance(g, (list, tuple)) else [g]
            self.gradients[step.entry] = [None if p is None else summary(p.array, self.side) for p in parts]

    def add(self, node, g: Tensor, fresh: bool) -> None:
        if self.steps:  # else it is the beginning
            arrived = g if g.array.shape == node.shape else sum_to_size(g, node.shape)
            self.steps[-1].sent.append(
                {
                    "to": self.ids[node.node if isinstance(node, Output) else node],
                    "value": summary(arrived.array, self.side),
                    "summed": None if arrived is g else list(g.array.shape),
                }
            )
        super().add(node, g, fresh)

    def run_hooks(self, hooks, g):
        return hooks.run(g)


@dataclass
class Graph:
    """entries by id, edges, the steps of the pass; `message`: why there is no pass, or why it ended early."""

    entries: list[Entry]
    edges: list[Edge]
    steps: list[Step]
    message: str | None
    root: int
    calls: list
    kept_bytes: int


def read_graph(root: tuple, output: Tensor, names: Names) -> Graph:
    """The graph behind the pair `root` (node, gradient) that a pass starts from.

    Raises nothing about the pass itself: how it ends is part of the graph.
    """
    top, start = root
    nodes = nodes_before(top.node if isinstance(top, Output) else top)
    side = 28 if len(nodes) < MANY else 14
    ids = {node: i for i, node in enumerate(nodes)}
    records = {node: RECORDS[node] for node in nodes if not isinstance(node, Leaf) and node in RECORDS}
    recordings = {record.recording for record in records.values()}
    records |= {
        node: RECORDS[node]
        for node in nodes
        if node in RECORDS and node not in records and RECORDS[node].recording in recordings
    }
    entries = [describe(node, ids, records.get(node)) for node in nodes]
    edges = [
        Edge(ids[source], ids[node], input_name(node, i), getattr(edge, "index", 0))
        for node in nodes
        for i, edge in enumerate(node.edges)
        if edge is not None
        for source in [edge.node if isinstance(edge, Output) else edge]
    ]
    add_kept_values(entries, ids, top, output, side)
    add_constants(entries, edges, records, side)
    name_entries(entries, names, recordings)
    steps, message = watch(ids, entries, top, start, side)
    calls = sorted((call for r in recordings for call in r.calls), key=lambda call: call.begin)
    return Graph(entries, edges, steps, message, ids[nodes[0]], calls, kept_bytes(nodes))


def nodes_before(top) -> list:
    """`top` and every node that it depends on, youngest first; stops at single outputs are left out."""
    found, stack = {top}, [top]
    while stack:
        for edge in stack.pop().edges:
            source = edge.node if isinstance(edge, Output) else edge
            if source is not None and source not in found:
                found.add(source)
                stack.append(source)
    return sorted(found, key=lambda node: -node.birth)


def watch(ids: dict, entries: list[Entry], top, start: Tensor, side: int) -> tuple[list[Step], str | None]:
    """One backward pass over the graph; its gradients are put into the entries."""
    if any(getattr(node, "inputs", None) is FREED for node in ids):
        return [], (
            "What this graph had kept for its rules was freed by a backward pass, so there is none to show. Call tape(loss) "
            "before loss.backward(), or keep the graph: loss.backward(retain_graph=True)."
        )
    walk, message = Watched(ids, side), None
    try:
        walk.run([(top, start)])
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        message = f"The pass ends at {entries[walk.steps[-1].entry].name}: {error}"
        walk.steps[-1].error = str(error)
    for step in walk.steps:
        entries[step.entry].gradients = walk.gradients[step.entry]
    return walk.steps, message


def describe(node, ids: dict, record: Record | None) -> Entry:
    if isinstance(node, Leaf):
        entry = Entry(ids[node], "leaf", "leaf", node.birth, node, shapes=[list(node.shape)])
        tensor = node.tensor()
        if record is not None:
            entry.values = record.values
        elif tensor is not None:
            entry.values = [summary(tensor.array)]
        return entry
    several = isinstance(node, MultiNode)
    entry = Entry(ids[node], "operation", shown_name(node.name()), node.birth, node)
    entry.shapes = [list(shape) for shape in (node.shape if several else (node.shape,))]
    entry.values = record.values if record is not None else None
    entry.rules = list(rules_of(node, ids))
    entry.kept = list(kept_by(node))
    entry.frames = frames_of(node, record)
    if node.op is not None:
        kept = enumerate(() if node.inputs is FREED else node.inputs)
        numbers = record.numbers if record is not None else {i: x for i, x in kept if isinstance(x, (int, float))}
        entry.parameters = {
            name: short(value)
            for name, value in {**{input_name(node, i): x for i, x in numbers.items()}, **node.params}.items()
        }
    return entry


def shown_name(backward: str) -> str:
    """What torch calls an operation, from the name of its node: "MaxPool2DBackward0" is of max_pool2d."""
    words = re.sub(r"Backward\d*$", "", backward)
    words = re.sub(r"(?<=\d)D(?=[A-Z]|$)", "d", words)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()


def short(value) -> str:
    words = repr(value)
    return words if len(words) < 60 else f"{words[:57]}..."


def frames_of(node, record: Record | None) -> list[Frame]:
    if record is not None and record.frames:
        return record.frames
    if getattr(node, "stack", None):
        return stack_frames(node.stack)
    if node.op is not None and node.op.name == "write_view":  # made by the in-place operation whose result it writes
        values = node.edges[1]
        written = RECORDS.get(values.node if isinstance(values, Output) else values)
        return written.frames if written is not None else []
    return []


def rules_of(node, ids: dict):
    """For each input that gets a gradient: its rule, and the node that the gradient goes to."""
    for i, edge in enumerate(node.edges):
        if edge is None:
            continue
        rule = node.op.rules.get(node.op.input_name(i)) if node.op else node.params._function.backward
        if rule is not None:
            to = ids[edge.node if isinstance(edge, Output) else edge]
            yield {"to": to, "rule": rule_text(input_name(node, i), rule)}


@dataclass(frozen=True)
class RuleText:
    """The gradient rule for the input `name`: formula (MathML, where there is one), code, and where that stands."""

    name: str
    formula: str | None
    source: str
    where: str


@functools.lru_cache(1024)
def rule_text(name: str, rule) -> RuleText:
    return RuleText(name, rules.mathml(name, rule), rules.source(rule), place(rule))


def input_name(node, i: int) -> str:
    return node.op.input_name(i) if node.op else f"input {i}"


def place(function) -> str:
    """File and line of a function, from the package's folder on where it is minitorch's."""
    code = inspect.unwrap(function).__code__
    path = Path(code.co_filename)
    shown = path.relative_to(PACKAGE.parent) if path.is_relative_to(PACKAGE) else path.name
    return f"{shown}:{code.co_firstlineno}"


def kept_tensors(node):
    """(name, tensor or array) of everything that a node has kept for its rules."""
    if isinstance(node, Leaf) or node.inputs is FREED:
        return
    for i, kept in enumerate(node.inputs):
        if isinstance(kept, tuple):  # of a Function
            yield f"saved {i}", kept[0]
        elif isinstance(kept, Tensor):
            yield input_name(node, i), kept
    if node.output is not None:
        pairs = node.output if isinstance(node, MultiNode) else (node.output,)
        yield from ((f"z[{k}]" if len(pairs) > 1 else "z", array) for k, (array, _) in enumerate(pairs))


def kept_by(node):
    for name, kept in kept_tensors(node):
        array = getattr(kept, "array", kept)
        owner = kept.node.tensor() if isinstance(kept, Tensor) and isinstance(kept.node, Leaf) else None
        yield {
            "name": name, "shape": list(array.shape), "dtype": str(array.dtype), "bytes": int(array.nbytes),
            "leaf": owner is not None,
        }  # fmt: skip


def kept_bytes(nodes) -> int:
    """Bytes that the graph keeps alive beside its leaves; memory that is kept several times counts once."""
    memory = {}
    for node in nodes:
        for _, kept in kept_tensors(node):
            if isinstance(kept, Tensor) and isinstance(kept.node, Leaf):
                continue
            array = getattr(kept, "array", kept)
            while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
                array = array.base
            memory[id(array)] = int(array.nbytes)
    return sum(memory.values())


def add_kept_values(entries: list[Entry], ids: dict, top, output: Tensor, side: int) -> None:
    """Values of a graph that was not recorded, as far as something has kept them."""
    if not isinstance(top, Output) and entries[ids[top]].values is None:
        entries[ids[top]].values = [summary(output.array, side)]
    for node in ids:
        if isinstance(node, Leaf) or node.inputs is FREED:
            continue
        own = entries[ids[node]]
        if own.values is None and node.output is not None and type(node) is Node:
            own.values = [summary(node.output[0], side)]
        for kept, edge in zip(node.inputs, node.edges, strict=False):
            if isinstance(kept, Tensor) and edge is not None and not isinstance(edge, Output):
                source = entries[ids[edge]]
                if source.values is None:
                    source.values = [summary(kept.array, side)]


def add_constants(entries: list[Entry], edges: list[Edge], records: dict, side: int) -> None:
    """Inputs that need no gradient, as far as they were recorded or kept."""
    known: dict[Any, int] = {}
    for entry in list(entries):
        node = entry.node
        if entry.kind != "operation" or node.op is None or node.inputs is FREED:
            continue
        record = records.get(node)
        found: dict[int, tuple[Any, dict]] = dict(record.constants) if record is not None else {}
        for i, kept in enumerate(node.inputs):
            if isinstance(kept, Tensor) and node.edges[i] is None and i not in found:
                found[i] = (kept, summary(kept.array, side))
        for i, (key, value) in found.items():
            marker = key if isinstance(key, int) else -id(key)
            if marker not in known:
                known[marker] = len(entries)
                constant = Entry(
                    len(entries), "constant", "constant", entry.birth, shapes=[value["shape"]], values=[value]
                )
                constant.node = key
                entries.append(constant)
            edges.append(Edge(known[marker], entry.id, input_name(node, i)))


def name_entries(entries: list[Entry], names: Names, recordings: set) -> None:
    """Titles: of a parameter its name in the module, else the name of the variable that holds the tensor."""
    parameters = {leaf: name for r in recordings for leaf, name in r.names.items()}
    numbers = {number: id_ for r in recordings for id_, (tensor, number) in r.known.items() if tensor() is not None}
    for entry in entries:
        if entry.kind == "constant":
            key = entry.node
            entry.title = names.tensors.get(numbers.get(key, 0) if isinstance(key, int) else id(key), "")
        else:
            entry.title = parameters.get(entry.node) or names.nodes.get(entry.node, "")


@dataclass
class Names:
    """What a program calls its tensors: by the id of the tensor, and by the node that made it."""

    tensors: dict[int, str] = field(default_factory=dict)
    nodes: dict[Any, str] = field(default_factory=dict)


def variable_names(frame) -> Names:
    """The names that the program at `frame` has at this moment."""
    names = Names()
    for name, value in {**frame.f_globals, **frame.f_locals}.items():
        if isinstance(value, Tensor) and not name.startswith("_"):
            names.tensors[id(value)] = name
            if value.node is not None:
                names.nodes[value.node] = name
    return names
