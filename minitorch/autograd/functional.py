"""Jacobians, Hessians and products with them, for functions of tensors (torch.autograd.functional)."""

from __future__ import annotations

import numpy as np

from ..batching.vmap import vmap
from ..core.state import enable_grad
from ..core.tensor import Tensor, wrap
from ..ops.join import stack
from ..tape import follow
from .backward import grad
from .dual import Forward, primal_of, tangent_of


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


def _outputs(result, name: str, strict: bool = False):
    single = isinstance(result, Tensor)
    outputs = (result,) if single else tuple(result)
    for i, z in enumerate(outputs):
        if not isinstance(z, Tensor):
            raise TypeError(
                f"The outputs of the user-provided function given to {name} must be either a Tensor or a tuple of Tensors "
                f"but the value at index {i} has type {type(z)}."
            )
        if strict and not z.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in a "
                f"differentiable manner from the input when running {name} in strict mode."
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
        single_out, outputs = _outputs(func(*leaves), "vjp", strict)
        vectors = _check_vector(v, outputs, "vjp")
        products = _gradients(outputs, leaves, vectors, create_graph)
    return _finish(outputs, single_out, create_graph), _finish(products, single_in, create_graph)


def jvp(func, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(func(inputs), J v): the product of the Jacobian with a vector shaped like the inputs, by two reverse passes."""
    with enable_grad():
        single_in, leaves = _prepare(inputs, "jvp", create_graph)
        vectors = _check_vector(v, leaves, "jvp")
        single_out, outputs = _outputs(func(*leaves), "jvp", strict)
        probes = tuple(_zeros(z).requires_grad_() for z in outputs)
        pulled = _gradients(outputs, leaves, probes, True)
        products = _gradients(pulled, probes, vectors, create_graph)
    return _finish(outputs, single_out, create_graph), _finish(products, single_out, create_graph)


STRATEGIES = ("forward-mode", "reverse-mode")


def _check_strategy(strategy: str, create_graph: bool, strict: bool, vectorize: bool) -> None:
    """What goes together and what does not, as in torch."""
    if strategy not in STRATEGIES:
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported '
            'together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for `vectorize=True`."
        )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please "
            "either set `strict=False` or `vectorize=False`."
        )


def _unit_vectors(x: Tensor) -> Tensor:
    """(n, *shape) for x of n elements: the tensors like x with a single 1."""
    n = x.array.size
    return wrap(np.eye(n, dtype=x.array.dtype).reshape(n, *x.array.shape))


def _rows(z: Tensor, leaves, create_graph: bool, vectorize: bool) -> tuple:
    """The Jacobian of one output by each of the leaves: one walk backward for every element, or one for all."""
    shapes = [z.array.shape + x.array.shape for x in leaves]
    if not z.array.size:
        return tuple([_zeros(x, shape) for x, shape in zip(leaves, shapes, strict=True)])

    def pull(v):
        return _gradients((z,), leaves, (v,), create_graph)

    if vectorize:
        columns = vmap(pull)(_unit_vectors(z))
    else:
        columns = [stack(column) for column in zip(*[pull(v) for v in _unit_vectors(z)], strict=True)]
    return tuple([column.reshape(shape) for column, shape in zip(columns, shapes, strict=True)])


def _by_forward_mode(func, inputs):
    """The Jacobian by one evaluation on dual numbers, for all directions at once."""
    single_in = isinstance(inputs, Tensor)
    leaves = [x.detach() for x in ((inputs,) if single_in else inputs)]
    kept = {}

    def push(*tangents):
        with Forward() as level:
            kept["single"], outputs = _outputs(func(*map(level.dual, leaves, tangents)), "jacobian")
            found = [tangent_of(z, level) for z in outputs]
            return tuple([_zeros(primal_of(z, level)) if t is None else t for z, t in zip(outputs, found, strict=True)])

    blocks = []
    for i, x in enumerate(leaves):
        seeds = [
            _unit_vectors(y) if i == k else _zeros(y, (x.array.size, *y.array.shape)) for k, y in enumerate(leaves)
        ]
        columns = vmap(push)(*seeds)
        blocks.append([c.detach().movedim(0, -1).reshape(*c.array.shape[1:], *x.array.shape) for c in columns])
    rows = [row[0] if single_in else row for row in zip(*blocks, strict=True)]
    return rows[0] if kept["single"] else tuple(rows)


def jacobian(
    func, inputs, create_graph: bool = False, strict: bool = False, vectorize: bool = False, strategy="reverse-mode"
):
    """The Jacobian of `func`: for output of shape S and input of shape T, a tensor of shape S + T.

    Nested tuples for several inputs or outputs. strict: RuntimeError for an output that does not depend on the inputs.
    vectorize: all rows in one pass, by vmap. strategy: "reverse-mode", or "forward-mode" (vectorized only).
    """
    _check_strategy(strategy, create_graph, strict, vectorize)
    if strategy == "forward-mode":
        return _by_forward_mode(func, inputs)
    with enable_grad():
        single_in, leaves = _prepare(inputs, "jacobian", create_graph)
        single_out, outputs = _outputs(func(*leaves), "jacobian", strict)
        rows = [_rows(z, leaves, create_graph, vectorize) for z in outputs]
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
        # Dual numbers of the forward strategy are nothing yet that one could differentiate by.
        leaves = tuple([x if x.requires_grad else follow(x) for x in leaves])
        _, outputs = _outputs(func(*leaves), "hessian", strict)
        if len(outputs) != 1 or outputs[0].array.size != 1:
            raise RuntimeError("The Tensor returned by the function given to hessian should contain a single element")
        found = _gradients((outputs[0].reshape(()),), leaves, (wrap(np.ones((), outputs[0].array.dtype)),), True)
        return found[0] if single else found

    return jacobian(gradient, inputs, create_graph, False, vectorize, outer_jacobian_strategy)


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
