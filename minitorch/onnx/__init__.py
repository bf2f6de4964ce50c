"""torch.onnx.export: a model as an ONNX graph, which other programs can run.

The model runs once on example arguments, and every primitive operation that depends on them becomes a few ONNX nodes
(`operators.py` has the table). What does not depend on them is stored as a constant, parameters under their names. So
the graph has the shapes of the example, and the branches that the example took; axes that are to have any size
(`dynamic_axes`) are found by running the model at several (`dynamic.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..core.state import no_grad, state, tick
from ..core.tensor import Tensor, root_of, wrap
from ..io.atomic import replacing
from ..trees import flatten, unflatten
from .dynamic import Axes, joined, symbols, trial_sizes
from .graph import Graph
from .operators import CONVERTERS

__all__ = ["export"]


def export(
    model: Any,
    args: Any,
    f: str | Path | IO[bytes] | None = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Mapping[int, str] | Sequence[int]] | None = None,
    opset_version: int = 20,
    **kwargs: Any,
) -> Any:
    """Write the graph of `model(*args)` to `f`; with None, only return it (an `onnx.ModelProto`).

    args: a tensor or a tuple of arguments; the tensors in it become the inputs of the graph, in their order.
    input_names, output_names: "input", "output" with a number where there are several, unless given.
    dynamic_axes: {name: {axis: symbol}} or {name: [axes]}: axes that may have any size; one symbol has one size.
    A module is run in evaluation mode. torch's other arguments are accepted and change nothing.

    NotImplementedError, naming the operation, for what has no form in ONNX here, and for a model that is not the same
    for all sizes of a dynamic axis. ValueError for an axis that an argument lacks. Needs the package onnx.
    """
    if kwargs.get("dynamic_shapes"):
        raise NotImplementedError("onnx.export(): dynamic_shapes is torch.export's; dynamic_axes says the same")
    args = args if isinstance(args, tuple) else (args,)
    graph = _trace(model, args, input_names, output_names)
    if dynamic_axes:
        shapes = {entry.name: x.size() for entry, x in zip(graph.inputs, _tensors(args), strict=True)}
        axes = symbols(dynamic_axes, shapes)
        for name in set(axes) - {entry.name for entry in (*graph.inputs, *graph.outputs)}:
            warnings.warn(f"onnx.export(): dynamic_axes names '{name}', which is no input and no output", stacklevel=2)
        sizes = trial_sizes(axes, shapes)
        trials = [
            _trace(model, _resized(args, list(shapes), axes, trial), input_names, output_names) for trial in sizes
        ]
        graph = joined(trials, sizes, axes)
    made = graph.model(getattr(type(model), "__name__", "model"), opset_version)
    if isinstance(f, (str, Path)):
        with replacing(f) as temporary:
            temporary.write_bytes(made.SerializeToString())
    elif f is not None:
        f.write(made.SerializeToString())
    return made


def _tensors(tree: Any) -> list[Tensor]:
    return [value for value in flatten(tree)[0] if isinstance(value, Tensor)]


def _trace(model: Any, args: tuple, input_names: Sequence[str] | None, output_names: Sequence[str] | None) -> Graph:
    """The graph of one run."""
    trace, given = _Trace(model), _tensors(args)
    for name, tensor in zip(_names(input_names, "input", len(given)), given, strict=True):
        trace.remember(tensor, trace.graph.input(name, tensor.array))
    results = _tensors(trace.run(model, args))
    for name, tensor in zip(_names(output_names, "output", len(results)), results, strict=True):
        trace.graph.output(name, trace.name_of(tensor), tensor.array)
    return trace.graph


def _resized(args: tuple, names: list[str], axes: Axes, sizes: dict[str, int]) -> tuple:
    """The arguments with their dynamic axes of these sizes, filled with their own elements, again and again."""
    leaves, structure = flatten(args)
    tensors = iter(names)
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            array = leaf.array
            for axis, symbol in axes.get(next(tensors), {}).items():
                array = np.take(array, np.arange(sizes[symbol]) % array.shape[axis], axis)
            leaves[i] = wrap(array)
    return unflatten(leaves, structure)


def _names(given: Sequence[str] | None, word: str, count: int) -> list[str]:
    names = list(given or [])
    if len(names) > count:
        raise ValueError(f"onnx.export(): {len(names)} names are given for {count} {word}s")
    return names + [word if count == 1 else f"{word}_{number}" for number in range(len(names), count)]


class _Trace:
    """One run of a model, written down."""

    def __init__(self, model: Any):
        self.graph = Graph()
        self.tensors: list[Tensor] = []  # kept alive, so that an id names one tensor
        self.known: dict[int, tuple[str, int]] = {}  # id -> name in the graph, and when it was computed
        self.results: list[tuple[int, Tensor, str]] = []  # when, what, name: in the order of the run
        named = [*model.named_parameters(), *model.named_buffers()] if hasattr(model, "named_parameters") else []
        self.labels = {id(tensor): name for name, tensor in named}

    def run(self, model: Any, args: tuple) -> Any:
        modes = [(module, module.training) for module in model.modules()] if hasattr(model, "modules") else []
        previous = state.trace
        try:
            if modes:
                model.eval()
            state.trace = self.call
            with no_grad():
                return model(*args)
        finally:
            state.trace = previous
            for module, training in modes:
                module.training = training

    def call(self, op: Any, inputs: tuple, params: dict) -> Any:
        """What every primitive operation comes to: it is run, and written down if it depends on the arguments."""
        # Before it runs: its inputs may have been changed in place since they were computed.
        depends = any(isinstance(x, Tensor) and self.find(x) is not None for x in inputs)
        names = [self.name_of(x) if isinstance(x, Tensor) else x for x in inputs] if depends else []
        state.trace = None
        try:
            out = op.call(*inputs, **params)
        finally:
            state.trace = self.call
        if depends:
            if op.name not in CONVERTERS:
                shapes = ", ".join(str(list(x.shape)) for x in inputs if isinstance(x, Tensor))
                raise NotImplementedError(f"onnx.export(): there is no ONNX form of '{op.name}' (shapes {shapes})")
            outs = out if isinstance(out, tuple) else (out,)
            made = CONVERTERS[op.name](self.graph, names, {**op.defaults, **params}, inputs, outs)
            for tensor, name in zip(outs, made if isinstance(made, tuple) else (made,), strict=False):
                self.remember(tensor, name)
        return out

    def remember(self, tensor: Tensor, name: str) -> None:
        now = tick()
        self.tensors.append(tensor)
        self.known[id(tensor)] = name, now
        self.results.append((now, tensor, name))

    def find(self, tensor: Tensor) -> str | None:
        """The name of the tensor's present value, None if it does not depend on the arguments."""
        edits = root_of(tensor).edits
        edited = 0 if edits is None else edits.stamp
        name, since = self.known.get(id(tensor), (None, 0))
        if edited <= since:
            return name
        # Changed in place: the value is the result that was computed last before it was written here.
        source = next((entry for entry in reversed(self.results) if entry[0] < edited), None)
        if source is not None and source[0] > since:
            _, result, name = source
            if result.array.shape == tensor.array.shape and np.array_equal(result.array, tensor.array):
                self.tensors.append(tensor)
                self.known[id(tensor)] = name, edited
                return name
        if name is None:
            return None
        raise NotImplementedError(
            f"onnx.export(): a part of a tensor of shape {list(tensor.shape)}, or a view of it, was changed in place"
        )

    def name_of(self, tensor: Tensor) -> str:
        name = self.find(tensor)
        return self.graph.constant(tensor.array, self.labels.get(id(tensor))) if name is None else name
