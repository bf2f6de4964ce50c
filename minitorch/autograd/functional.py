"""Jacobians, Hessians and products with them, for functions of tensors (torch.autograd.functional)."""

from __future__ import annotations

import numpy as np

from ..core.state import enable_grad
from ..core.tensor import Tensor, wrap
from ..ops.join import stack
from .backward import grad


def _prepare(inputs, name: str, create_graph: bool):
    single = isinstance(inputs, Tensor)
    tensors = (inputs,) if single else tuple(inputs)
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The inputs given to {name} must be either a Tensor or a tuple of Tensors "
                f"but the value at index {i} has type {type(x)}."
            )
    leaves = tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in tensors)
    return single, leaves


def _outputs(result, name: str):
    single = isinstance(result, Tensor)
    outputs = (result,) if single else tuple(result)
    for i, z in enumerate(outputs):
        if not isinstance(z, Tensor):
            raise TypeError(
                f"The outputs of the user-provided function given to {name} must be either a Tensor or a tuple of Tensors "
                f"but the value at index {i} has type {type(z)}."
            )
    return single, outputs


def _zeros(tensor: Tensor, shape=None) -> Tensor:
    return wrap(np.zeros(tensor.array.shape if shape is None else shape, tensor.array.dtype))


def _gradients(outputs, inputs, grad_outputs, create_graph: bool):
    """As `grad`, with zeros where an output does not depend on an input (or on anything)."""
    pairs = [(z, g) for z, g in zip(outputs, grad_outputs, strict=True) if z.requires_grad]
    if not pairs:
        return tuple(_zeros(x) for x in inputs)
    found = grad([z for z, _ in pairs], inputs, [g for _, g in pairs], True, create_graph, allow_unused=True)
    return tuple(_zeros(x) if g is None else g for x, g in zip(inputs, found, strict=True))


def _finish(values, single: bool, create_graph: bool):
    values = tuple(v if create_graph else v.detach() for v in values)
    return values[0] if single else values


def _check_vector(v, like, name: str):
    if v is None:
        if len(like) != 1 or like[0].array.size != 1:
            raise RuntimeError(
                f"The vector v can only be None in {name} if the user-provided function returns (or takes) "
                "a single Tensor with a single element."
            )
        return (wrap(np.ones(like[0].array.shape, like[0].array.dtype)),)
    vectors = (v,) if isinstance(v, Tensor) else tuple(v)
    if len(vectors) != len(like):
        raise RuntimeError(f"{name}: v is a tuple of invalid length: should be {len(like)} but got {len(vectors)}.")
    for a, b in zip(vectors, like, strict=True):
        if a.array.shape != b.array.shape:
            raise RuntimeError(
                f"{name}: v has invalid size: should be {list(b.array.shape)} but got {list(a.array.shape)}."
            )
    return vectors


def vjp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(inputs), v' J): the product of a vector, shaped like the outputs, with the Jacobian."""
    with enable_grad():
        single_in, leaves = _prepare(inputs, "vjp", create_graph)
        single_out, outputs = _outputs(func(*leaves), "vjp")
        vectors = _check_vector(v, outputs, "vjp")
        products = _gradients(outputs, leaves, vectors, create_graph)
    return _finish(outputs, single_out, create_graph), _finish(products, single_in, create_graph)


def jvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(inputs), J v): the product of the Jacobian with a vector shaped like the inputs, by two reverse passes."""
    with enable_grad():
        single_in, leaves = _prepare(inputs, "jvp", create_graph)
        vectors = _check_vector(v, leaves, "jvp")
        single_out, outputs = _outputs(func(*leaves), "jvp")
        probes = tuple(_zeros(z).requires_grad_() for z in outputs)
        pulled = _gradients(outputs, leaves, probes, True)
        products = _gradients(pulled, probes, vectors, create_graph)
    return _finish(outputs, single_out, create_graph), _finish(products, single_out, create_graph)


def jacobian(
    func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False, strategy="reverse-mode"
):
    """The Jacobian of `func`: for output of shape S and input of shape T, a tensor of shape S + T.

    Nested tuples for several inputs or outputs.
    """
    with enable_grad():
        single_in, leaves = _prepare(inputs, "jacobian", create_graph)
        single_out, outputs = _outputs(func(*leaves), "jacobian")
        rows = []
        for z in outputs:
            columns: list[list] = [[] for _ in leaves]
            for k in range(z.array.size):
                seed = np.zeros(z.array.size, z.array.dtype)
                seed[k] = 1
                for column, g in zip(
                    columns, _gradients((z,), leaves, (wrap(seed.reshape(z.array.shape)),), create_graph), strict=True
                ):
                    column.append(g)
            rows.append(
                tuple(
                    stack(column).reshape(z.array.shape + x.array.shape)
                    if column
                    else _zeros(x, z.array.shape + x.array.shape)
                    for x, column in zip(leaves, columns, strict=True)
                )
            )
    rows = [tuple(j if create_graph else j.detach() for j in row) for row in rows]
    result = tuple(row[0] if single_in else row for row in rows)
    return result[0] if single_out else result


def hessian(
    func,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy="reverse-mode",
):
    """The Hessian of a function with one scalar output: shape T + T for an input of shape T.

    Nested tuples for several inputs.
    """
    single = isinstance(inputs, Tensor)

    def gradient(*leaves):
        _, outputs = _outputs(func(*leaves), "hessian")
        if len(outputs) != 1 or outputs[0].array.size != 1:
            raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")
        found = _gradients((outputs[0].reshape(()),), leaves, (wrap(np.ones((), outputs[0].array.dtype)),), True)
        return found[0] if single else found

    return jacobian(gradient, inputs, create_graph)


def _scalar(func, name: str):
    def checked(*leaves):
        _, outputs = _outputs(func(*leaves), name)
        if len(outputs) != 1 or outputs[0].array.size != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return outputs[0]

    return checked


def vhp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(inputs), v' H): the product of a vector with the Hessian of a scalar function."""
    with enable_grad():
        single, leaves = _prepare(inputs, "vhp", create_graph)
        vectors = _check_vector(v, leaves, "vhp")
        output = _scalar(func, "vhp")(*leaves)
        first = _gradients((output,), leaves, (wrap(np.ones(output.array.shape, output.array.dtype)),), True)
        products = _gradients(first, leaves, vectors, create_graph)
    return _finish((output,), True, create_graph), _finish(products, single, create_graph)


def hvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(inputs), H v): H is symmetric, so this is `vhp`."""
    return vhp(func, inputs, v, create_graph, strict)
