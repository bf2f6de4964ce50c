"""Forward mode: tangents carried along with the values, one directional derivative per evaluation.

Every primitive's tangent rule is derived from its declaration (design: "Forward mode is derived"):

    ELEMENTWISE   the Jacobian is diagonal, so the vjp rule is its own transpose:  tz = sum_i rule_i(t_i)
    LINEAR, VIEW  linear in each input:                                          tz = sum_i f(..., t_i, ...)
    jvp given     tz = sum_i jvp_i(t_i)
    else          v -> J'v is linear in v, and its own vjp, taken at t, is J t   (two reverse passes)

Tangents live on the tensors (`_tangent`); while a level is open, `state.trace` hands every primitive call to `_watch`.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from ..core.op import ELEMENTWISE, LINEAR, VIEW
from ..core.state import enable_grad, state
from ..core.tensor import Tensor, edits_of, node_of, wrap
from .backward import grad

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


class dual_level:
    """Context manager inside which dual tensors exist; leaving it drops their tangents."""

    depth = 0

    def __enter__(self):
        if dual_level.depth:
            raise RuntimeError("Nested forward mode AD is not supported at the moment")
        dual_level.depth += 1
        self.duals = _Level.duals = []
        state.trace = _watch
        return 0

    def __exit__(self, *error):
        dual_level.depth -= 1
        state.trace = None
        for tensor in self.duals:
            tensor.__dict__.pop("_tangent", None)


class _Level:
    duals: list = []


def _attach(tensor: Tensor, tangent: Tensor) -> Tensor:
    tensor.__dict__["_tangent"] = tangent
    _Level.duals.append(tensor)
    return tensor


def _tangent_of(value):
    return value.__dict__.get("_tangent") if isinstance(value, Tensor) else None


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A tensor with the values of `tensor` that carries `tangent` (same shape and type) along."""
    if not dual_level.depth:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if not tensor.dtype.is_floating_point or not tangent.dtype.is_floating_point:
        raise ValueError("Expected primal and tangent to be floating point or complex")
    if tensor.array.shape != tangent.array.shape:
        raise RuntimeError(
            f"Expected tangent of shape {list(tangent.array.shape)} to have the same shape as its primal, "
            f"{list(tensor.array.shape)}"
        )
    dual = wrap(tensor.array)
    dual.node, dual.edits = node_of(tensor), edits_of(tensor)
    return _attach(dual, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor; the tangent of an ordinary tensor is None."""
    return UnpackedDualTensor(tensor, _tangent_of(tensor))


def _watch(op, inputs, params):
    """Run one primitive on values and tangents."""
    state.trace = None
    try:
        tangents = [_tangent_of(x) for x in inputs]
        carried = any(t is not None for t in tangents)
        if carried and op.composite is not None and not op.rules:
            state.trace = _watch
            return op.composite(*inputs, **params)
        outputs = op.call(*inputs, **params)
        if not carried:
            return outputs
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        for z, tangent in zip(results, _tangents(op, inputs, tangents, params, outputs), strict=True):
            if tangent is not None and z.dtype.is_floating_point:
                _attach(z, tangent)
        return outputs
    finally:
        state.trace = _watch


def _tangents(op, inputs, tangents, params, outputs) -> list:
    if isinstance(outputs, tuple):
        return _by_double_backward(op, inputs, tangents, params)
    if not outputs.dtype.is_floating_point:
        return [None]
    if op.jvp:
        return [_by_rule(op, op.jvp, inputs, tangents, params, outputs)]
    if op.kind == ELEMENTWISE and op.rules:
        return [_by_rule(op, op.rules, inputs, tangents, params, outputs)]
    if op.kind in (LINEAR, VIEW):
        return [_by_linearity(op, inputs, tangents, params, outputs)]
    return _by_double_backward(op, inputs, tangents, params)


def _by_rule(op, rules, inputs, tangents, params, output) -> Tensor:
    """tz = sum_i rule_i(t_i), each broadcast to the output's shape."""
    total: Any = None
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        rule = rules.get(op.input_name(i))
        if rule is None:
            raise NotImplementedError(
                f"the derivative of '{op.name}' with respect to '{op.input_name(i)}' is not implemented"
            )
        known = {
            **params,
            **dict(zip(op.inputs, inputs, strict=False)),
            "z": output,
            "size": inputs[i].array.shape,
            "i": i,
        }
        known[op.variadic] = inputs[len(op.inputs) :]
        part = rule(tangent, *[known[name] for name in op.asked(rule)])
        total = part if total is None else total + part
    return total if total.array.shape == output.array.shape else total.expand(output.array.shape)


def _by_linearity(op, inputs, tangents, params, output) -> Tensor:
    """tz = sum_i f(x_1, ..., t_i, ..., x_n), f being linear in each input."""
    total: Any = None
    if op.variadic is not None and op.kind == LINEAR:  # one linear function of all tensors together
        # What has no rule (the places of `add_at`) is not varied: it stays.
        filled = [
            t if t is not None else x if op.rules.get(op.input_name(i)) is None else _zeros(x)
            for i, (x, t) in enumerate(zip(inputs, tangents, strict=True))
        ]
        return op.call(*filled, **params)
    for i, tangent in enumerate(tangents):
        if tangent is not None:
            part = op.call(*inputs[:i], tangent, *inputs[i + 1 :], **params)
            total = part if total is None else total + part
    return total


def _by_double_backward(op, inputs, tangents, params) -> list:
    """J t as the vjp, taken at t, of the linear map v -> J'v."""
    with enable_grad():
        moving = [i for i, t in enumerate(tangents) if t is not None]
        leaves = {i: inputs[i].detach().requires_grad_() for i in moving}
        outputs = op.call(*[leaves.get(i, x) for i, x in enumerate(inputs)], **params)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        live = [z for z in outputs if z.requires_grad]
        probes = [_zeros(z).requires_grad_() for z in live]
        pulled = grad(live, list(leaves.values()), probes, create_graph=True, allow_unused=True)
        pairs = [(g, tangents[i]) for i, g in zip(moving, pulled, strict=True) if g is not None and g.requires_grad]
        pushed = (
            grad([g for g, _ in pairs], probes, [t for _, t in pairs], allow_unused=True)
            if pairs
            else [None] * len(live)
        )
    by_output = dict(zip(map(id, live), pushed, strict=True))
    return [
        _zeros(z) if by_output.get(id(z)) is None and z.dtype.is_floating_point else by_output.get(id(z))
        for z in outputs
    ]


def _zeros(tensor: Tensor) -> Tensor:
    return wrap(np.zeros(tensor.array.shape, tensor.array.dtype))
