"""A graph while it is being written: nodes, constants, inputs and outputs, each value under a name of its own."""

from __future__ import annotations

from typing import Any

import numpy as np


class Graph:
    """Collects nodes. A value is its name; an array or a number given in its place becomes a constant."""

    def __init__(self) -> None:
        import onnx  # needed from here on

        self.onnx = onnx
        self.nodes: list = []
        self.arrays: dict[str, np.ndarray] = {}  # the constants
        self.inputs: list = []
        self.outputs: list = []
        self.names: set[str] = set()
        self.stored: dict[tuple, str] = {}  # constants that are there already

    def _new_name(self, wish: str) -> str:
        name, number = wish, 0
        while name in self.names:
            number += 1
            name = f"{wish}_{number}"
        self.names.add(name)
        return name

    def _type(self, array: np.ndarray) -> int:
        return self.onnx.helper.np_dtype_to_tensor_dtype(array.dtype)

    def input(self, name: str, like: np.ndarray) -> str:
        name = self._new_name(name)
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, self._type(like), like.shape))
        return name

    def output(self, name: str, value: str, like: np.ndarray) -> None:
        name = self._new_name(name)
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, self._type(like), like.shape))

    def constant(self, array: Any, label: str | None = None) -> str:
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.stored:
            name = self.stored[key] = self._new_name(label or "constant")
            self.arrays[name] = array
        return self.stored[key]

    def add(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """A node of that kind; the name of its output, or a tuple of them. None leaves an optional input out."""
        names = [value if isinstance(value, str) else "" if value is None else self.constant(value) for value in inputs]
        while names and not names[-1]:
            names.pop()
        results = tuple(self._new_name(f"{kind.lower()}") for _ in range(outputs))
        self.nodes.append(self.onnx.helper.make_node(kind, names, list(results), **attributes))
        return results if outputs > 1 else results[0]

    def cast(self, value: str, dtype: Any) -> str:
        return self.add("Cast", value, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def model(self, name: str, opset: int) -> Any:
        """The finished model, checked by the package onnx."""
        helper = self.onnx.helper
        used = {value for node in self.nodes for value in node.input}
        constants = [self.onnx.numpy_helper.from_array(array, key) for key, array in self.arrays.items() if key in used]
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, constants)
        made = helper.make_model(
            graph, producer_name="minitorch", opset_imports=[helper.make_opsetid("", opset)], ir_version=10
        )
        self.onnx.checker.check_model(made)
        return made
