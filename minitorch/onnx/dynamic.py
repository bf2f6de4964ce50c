"""Axes of any size: one graph from several, which differ only in the sizes of these axes.

A graph is written for the shapes of its arguments. The same model, written down for other sizes, gives the same nodes
with other numbers in them: where a batch of 4 is flattened to [4, 64], a batch of 5 is flattened to [5, 64]. So the
model is traced at several sizes, and every constant that changes becomes what it is for all of them,

    a s + b  for one symbol s,  or  c s_1 s_2 ...  for several,

computed in the graph from the shape of an argument. Where no such formula holds for all traces, the graph would be wrong
for other sizes: NotImplementedError.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .graph import Graph

Axes = dict[str, dict[int, str]]  # name of an argument or result -> axis -> symbol


def symbols(dynamic_axes: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Axes:
    """torch's `dynamic_axes` with a symbol for every axis.

    Where only axes are listed, those of one place and size are one axis (the batch of two arguments).
    ValueError for an axis that an argument lacks, or that is empty.
    """
    found: Axes = {}
    for name, axes in dynamic_axes.items():
        named = dict(axes) if isinstance(axes, Mapping) else dict.fromkeys(axes)
        shape = shapes.get(name)
        if shape is not None and (wrong := [axis for axis in named if not 0 <= axis < len(shape) or shape[axis] == 0]):
            raise ValueError(f"onnx.export(): dynamic_axes names axis {wrong[0]} of '{name}', of shape {list(shape)}")
        sizes = {axis: shape[axis] if shape is not None else "" for axis in named}
        found[name] = {axis: symbol or f"axis_{axis}_{sizes[axis]}" for axis, symbol in named.items()}
    return found


def trial_sizes(axes: Axes, shapes: Mapping[str, tuple[int, ...]]) -> list[dict[str, int]]:
    """For every trace, the size of every symbol: all at least 2, since axes of size 1 broadcast."""
    first = {symbol: shapes[name][axis] + 1 for name in shapes for axis, symbol in axes.get(name, {}).items()}
    one_by_one = [{**first, symbol: size + 1} for symbol, size in first.items()]
    spread = itertools.count(2)
    return [first, *one_by_one, *({symbol: size + next(spread) for symbol, size in first.items()} for _ in range(2))]


def joined(graphs: Sequence[Graph], sizes: Sequence[dict[str, int]], axes: Axes) -> Graph:
    """The first graph, made to hold for any size."""
    return _Joined(graphs, sizes, axes).graph


class _Joined:
    def __init__(self, graphs: Sequence[Graph], sizes: Sequence[dict[str, int]], axes: Axes):
        self.graphs, self.sizes, self.graph = graphs, sizes, graphs[0]
        self.sources = {
            symbol: (entry.name, axis)
            for entry in self.graph.inputs
            for axis, symbol in axes.get(entry.name, {}).items()
        }
        self.made: dict[tuple, str] = {}
        rows = list(zip(*(graph.nodes for graph in graphs), strict=False))
        if any(len(graph.nodes) != len(rows) for graph in graphs) or not all(map(self.alike, rows)):
            raise NotImplementedError("onnx.export(): the model takes other steps for other sizes of a dynamic axis")
        self.graph.nodes = []
        for row in rows:
            self.join(row)
        for which in ("inputs", "outputs"):
            for entries in zip(*(getattr(graph, which) for graph in graphs), strict=True):
                self.name_axes(entries, axes.get(entries[0].name, {}))

    def alike(self, row: tuple) -> bool:
        first = row[0]
        attributes = [attribute.SerializeToString() for attribute in first.attribute]
        return all(
            node.op_type == first.op_type
            and len(node.input) == len(first.input)
            and [attribute.SerializeToString() for attribute in node.attribute] == attributes
            for node in row
        )

    def join(self, row: tuple) -> None:
        """Add the node, its constants replaced by what holds for all sizes."""
        for i, names in enumerate(zip(*(node.input for node in row), strict=True)):
            known = zip(self.graphs, names, strict=True)
            constants = [graph.arrays[name] for graph, name in known if name in graph.arrays]
            if len(constants) == len(names):
                if any(not _equal(array, constants[0]) for array in constants):
                    row[0].input[i] = self.value(constants)
            elif len(set(names)) > 1:
                raise NotImplementedError(
                    "onnx.export(): the model takes other steps for other sizes of a dynamic axis"
                )
        self.graph.nodes.append(row[0])

    def value(self, arrays: list) -> str:
        """The name of what is `arrays[t]` for the sizes of trace t."""
        key = tuple((array.dtype.str, array.shape, array.tobytes()) for array in arrays)
        if key not in self.made:
            self.made[key] = self.compute(arrays)
        return self.made[key]

    def compute(self, arrays: list) -> str:
        first = arrays[0]
        if all(array.shape == first.shape for array in arrays):
            if first.ndim <= 1 and all(
                np.isfinite(array).all() and (array == np.rint(array)).all() for array in arrays
            ):
                entries = np.stack([array.reshape(-1).astype(np.int64) for array in arrays], 1)
                whole = self.vector([tuple(entry) for entry in entries.tolist()], scalar=first.ndim == 0)
                return whole if first.dtype == np.int64 else self.graph.cast(whole, first.dtype)
        elif all(array.ndim == first.ndim for array in arrays):
            # What was computed from a state of zeros, for instance: the same for every element of the axis.
            shapes = list(zip(*(array.shape for array in arrays), strict=True))
            changing = [axis for axis, lengths in enumerate(shapes) if len(set(lengths)) > 1]
            one = first.take([0], changing[0])
            for axis in changing[1:]:
                one = one.take([0], axis)
            if all(_equal(np.broadcast_to(one, array.shape), array) for array in arrays):
                return self.graph.add("Expand", one, self.vector(shapes))
        raise NotImplementedError(
            "onnx.export(): the model computes a constant of shape "
            f"{list(first.shape)} from the size of a dynamic axis ({self.sizes[0]})"
        )

    def vector(self, entries: list[tuple[int, ...]], scalar: bool = False) -> str:
        """An int64 vector, of whose entries the values in all traces are given."""
        parts = [self.entry(values) for values in entries]
        whole = parts[0] if len(parts) == 1 else self.graph.add("Concat", *parts, axis=0)
        return self.graph.add("Squeeze", whole, np.array([0])) if scalar else whole

    def entry(self, values: tuple[int, ...]) -> str:
        """A vector of one entry, from its values in all traces."""
        if len(set(values)) == 1:
            return self.graph.constant(np.array(values[:1]))
        formula = next(self.formulas(values), None)
        if formula is None:
            raise NotImplementedError(
                f"onnx.export(): a size depends on dynamic axes in no simple way: {list(values)} where they are {self.sizes}"
            )
        chosen, factor, constant = formula
        name = self.size(chosen[0])
        for symbol in chosen[1:]:
            name = self.graph.add("Mul", name, self.size(symbol))
        name = name if factor == 1 else self.graph.add("Mul", name, np.array([factor]))
        return name if constant == 0 else self.graph.add("Add", name, np.array([constant]))

    def formulas(self, values: tuple[int, ...]) -> Iterator[tuple[tuple[str, ...], int, int]]:
        """(symbols, a, b) with a s_1 s_2 ... + b = the value in all traces; b = 0 for several symbols."""
        for count in range(1, len(self.sources) + 1):
            for chosen in itertools.combinations(self.sources, count):
                products = [math.prod(sizes[symbol] for symbol in chosen) for sizes in self.sizes]
                across = products[-1] - products[0]
                factor, rest = divmod(values[-1] - values[0], across)
                constant = values[0] - factor * products[0]
                holds = all(factor * p + constant == v for p, v in zip(products, values, strict=True))
                if rest == 0 and holds and (count == 1 or constant == 0):
                    yield chosen, factor, constant

    def size(self, symbol: str) -> str:
        """The size of a symbol, as a vector of one entry."""
        if (symbol,) not in self.made:
            name, axis = self.sources[symbol]
            self.made[symbol,] = self.graph.add("Gather", self.graph.add("Shape", name), np.array([axis]))
        return self.made[symbol,]

    def name_axes(self, entries: tuple, wanted: dict[int, str]) -> None:
        """Give an argument's or a result's axes that change, or that were asked for, a symbol instead of a size."""
        shapes = zip(*([dim.dim_value for dim in entry.type.tensor_type.shape.dim] for entry in entries), strict=True)
        for axis, values in enumerate(shapes):
            same = (s for s in self.sources if all(v == sizes[s] for v, sizes in zip(values, self.sizes, strict=True)))
            if len(set(values)) > 1 or axis in wanted:
                symbol = next(same, None) or wanted.get(axis) or f"{entries[0].name}_axis_{axis}"
                entries[0].type.tensor_type.shape.dim[axis].dim_param = symbol


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
