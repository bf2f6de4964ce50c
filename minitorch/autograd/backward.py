"""`backward` and `grad`: where a backward pass is started from."""

from __future__ import annotations

import numpy as np

from ..batching.vmap import vmap
from ..core.node import Leaf
from ..core.op import function
from ..core.state import state
from ..core.tensor import Tensor, asked_node, wrap
from ..engine import Walk
from ..ops.creation import zeros_like
from ..tape import bare


def _as_tuple(value) -> tuple:
    return (value,) if isinstance(value, Tensor) or value is None else tuple(value)


def _roots(outputs, grads, create_graph: bool) -> list:
    """(node, gradient) for every output; a missing gradient is 1, for scalars only."""
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    roots = []
    for i, (output, g) in enumerate(zip(outputs, grads, strict=True)):
        node = asked_node(output)
        array = output.array
        if node is None or (type(node) is Leaf and node.tensor() is None):
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        if g is None:
            if array.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            g = wrap(np.ones(array.shape, array.dtype))
        elif not isinstance(g, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        elif g.array.shape != array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of torch.Size({list(g.array.shape)}) and output[{i}] "
                f"has a shape of torch.Size({list(array.shape)})."
            )
        roots.append((node, g if create_graph else bare(g)))
    return roots


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
    """Add to every leaf's `.grad` the gradient of `tensors` (weighted by `grad_tensors`; scalars need none).

    retain_graph: keep what the rules need for another pass (default: `create_graph`). create_graph: record the pass,
    so that the gradients can be differentiated again. inputs: only these get a `.grad`.
    RuntimeError for tensors that do not require grad, for non-scalars without a gradient, for a graph already freed.
    """
    if state.transforms or state.levels:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or "
            "functorch.vjp instead or call backward() outside of functorch transforms."
        )
    tensors = _as_tuple(tensors)
    grads = (None,) * len(tensors) if grad_tensors is None else _as_tuple(grad_tensors)
    if inputs is not None and len(_as_tuple(inputs)) == 0:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _roots(tensors, grads, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        Walk(keep, create_graph).run(roots)
        return
    inputs = _as_tuple(inputs)
    found = _collect(roots, inputs, keep, create_graph)
    for tensor in inputs:
        g = found.get(asked_node(tensor))
        if g is not None:
            g = g if create_graph else wrap(g.array.copy())
            tensor._grad = g if tensor._grad is None else tensor._grad + g


def _collect(roots, inputs, keep: bool, create_graph: bool) -> dict:
    targets = set()
    for i, tensor in enumerate(inputs):
        node = asked_node(tensor)
        if node is None:
            raise RuntimeError(
                "One of the differentiated Tensors does not require grad "
                f"(input {i}, of shape {list(tensor.array.shape)})"
            )
        targets.add(node)
    walk = Walk(keep, create_graph, targets)
    walk.run(roots)
    return walk.found


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of `outputs` with respect to `inputs`, as a tuple; no `.grad` is touched.

    is_grads_batched: the first dimension of `grad_outputs` runs over several cotangents, and so does that of the
    results. An input that the outputs do not depend on raises RuntimeError, unless `allow_unused` (None for it) or
    `materialize_grads` (zeros for it).
    """
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: False.")
    grads = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    if is_grads_batched:
        return _batched(outputs, inputs, grads, retain_graph, create_graph, allow_unused, materialize_grads)
    roots = _roots(outputs, grads, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    found = _collect(roots, inputs, keep, create_graph)
    results = []
    for i, tensor in enumerate(inputs):
        g = found.get(asked_node(tensor))
        if g is None:
            if materialize_grads:
                g = zeros_like(tensor)
                if create_graph:
                    g.node = Leaf(g)
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph "
                    f"(input {i}, of shape {list(tensor.array.shape)}). Set allow_unused=True if this is the desired behavior."
                )
        results.append(g)
    return tuple(results)


def _batched(outputs, inputs, grads, retain_graph, create_graph, allow_unused, materialize_grads) -> tuple:
    """`grad` for a batch of cotangents, which are the first dimension of `grads`: one walk for all of them."""
    used: list[int] = []

    def pull(*batch):
        given = iter(batch)
        cotangents = [None if g is None else next(given) for g in grads]
        found = grad(
            outputs, inputs, cotangents, retain_graph, create_graph, True, allow_unused,
            materialize_grads=materialize_grads,
        )  # fmt: skip
        used[:] = [i for i, g in enumerate(found) if g is not None]
        return tuple([found[i] for i in used])

    rows = vmap(pull)(*[g for g in grads if g is not None])
    results: list = [None] * len(inputs)
    for i, row in zip(used, rows, strict=True):
        results[i] = row
    return tuple(results)


@function(torch="Tensor.backward")
def backward_method(input: Tensor, gradient=None, retain_graph=None, create_graph: bool = False, inputs=None) -> None:
    """Add the gradient of this tensor to every leaf's `.grad`, see `autograd.backward`."""
    if gradient is not None and not isinstance(gradient, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
    backward(input, gradient, retain_graph, create_graph, inputs)
