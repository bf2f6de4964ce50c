"""Dual numbers: the level of forward mode, which carries tangents along with the values.

Every primitive's tangent rule is derived from its declaration (design: "Forward mode is derived"):

    ELEMENTWISE   the Jacobian is diagonal, so the vjp rule is its own transpose:  tz = sum_i rule_i(t_i)
    LINEAR, VIEW  linear in each input:                                          tz = sum_i f(..., t_i, ...)
    jvp given     tz = sum_i jvp_i(t_i)
    else          v -> J'v is linear in v, and its own vjp, taken at t, is J t   (two reverse passes)

Value and tangent are both tensors of the levels below, so forward mode goes over reverse mode, vmap and itself.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .. import trees
from ..core.inplace import relayout, replay
from ..core.levels import Level, at_level, highest, is_at, lifted, lowered, per_example
from ..core.lifted import Lifted, layout_of
from ..core.op import ELEMENTWISE, LINEAR, VIEW
from ..core.state import state
from ..core.tensor import Tensor, wrap
from ..tape import bare, follow, is_recorded, own_tape
from .backward import grad


class Dual(Lifted):
    """A value with its tangent, both tensors of one shape; a missing tangent is zero."""

    __slots__ = ("tangent",)

    def __init__(self, level, value: Tensor, tangent: Tensor | None):
        self.level, self.value, self.tangent = level, value, tangent
        self.layout = layout_of(value.array)

    def __getattr__(self, name):  # the numbers are known: functions may look at them
        return getattr(self.value.array, name)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value.array, dtype)

    def __getitem__(self, index):
        return self.value.array[index]

    def copy(self, order: str = "C") -> Dual:
        return Dual(self.level, self.value.clone(), None if self.tangent is None else self.tangent.clone())

    def detached(self) -> Dual:
        return Dual(self.level, self.value.detach(), None)

    def text(self, show) -> str:
        return show(self.value)

    def assign(self, owner: Tensor, values) -> None:
        given = is_at(self.level, values)
        with lowered(self.level):
            self.value.copy_(values.value if given else wrap(values))
            tangent = values.tangent if given else None
            if tangent is not None:
                self._own_tangent(owner).copy_(tangent)
            elif self.tangent is not None:
                self.tangent.zero_()

    def _own_tangent(self, owner: Tensor) -> Tensor:
        """The tangent of `owner`; a view's is a view of its root's, which is made where there was none."""
        if self.tangent is None:
            if owner.origin is None:
                self.tangent = zeros_of(self.value)
            else:
                root = owner.origin.root
                self.level.adopt("", root)
                self.tangent = replay(root.array._own_tangent(root), owner.origin.steps())
        return self.tangent


def zeros_of(tensor: Tensor) -> Tensor:
    return wrap(np.zeros(tensor.array.shape, tensor.array.dtype))


def dual_of(tensor: Tensor) -> Any:
    """The Dual in the place of the tensor's array."""
    return tensor.array


def primal_of(tensor: Tensor, level) -> Tensor:
    """What `tensor` stands for below `level`."""
    return dual_of(tensor).value if is_at(level, tensor) else tensor


def tangent_of(tensor: Tensor, level) -> Tensor | None:
    """The tangent that `tensor` carries at `level`, None where it carries none."""
    return _refreshed(tensor, level).tangent if is_at(level, tensor) or _root_is_at(tensor, level) else None


def _root_is_at(tensor: Tensor, level) -> bool:
    return tensor.origin is not None and is_at(level, tensor.origin.root)


def _refreshed(x: Tensor, level) -> Any:
    """The Dual of `x`, which as a view may have got a tangent by an in-place operation on its root."""
    if x.origin is not None and is_at(level, x.origin.root) and dual_of(x.origin.root).tangent is not None:
        if not is_at(level, x):
            level.adopt("", x)
        if dual_of(x).tangent is None:
            with lowered(level):
                dual_of(x).tangent = replay(dual_of(x.origin.root).tangent, x.origin.steps())
    return x.array


def _hides_numbers(x) -> bool:
    """Whether the numbers of `x` are out of sight, at some level."""
    array = x.array if isinstance(x, Tensor) else x
    while isinstance(array, Lifted):
        tangent = array.tangent if isinstance(array, Dual) else None
        if array.level.hides_numbers or (tangent is not None and _hides_numbers(tangent)):
            return True
        array = array.value.array
    return False


class Forward(Level):
    """One forward mode: inside, primitives work on values and tangents."""

    def __init__(self):
        self.adopted = []  # the tensors of this level: what is left of them when it closes are the values

    def __exit__(self, *error):
        super().__exit__(*error)
        for reference in self.adopted:
            tensor = reference()
            if tensor is not None and isinstance(tensor.array, Lifted):
                tensor.array = tensor.array.settled()

    def lift(self, x: Tensor) -> Dual:
        return Dual(self, x, None)

    def adopt(self, name: str, x: Tensor) -> None:
        if not is_at(self, x):
            below = wrap(x.array)
            below.node, below.edits, below.origin = x.node, x.edits, x.origin
            x.array = Dual(self, below, None)  # type: ignore[assignment]  # an array to all but its level
            x.node = None
            self.made(x)

    def dual(self, value: Tensor, tangent: Tensor | None) -> Tensor:
        """A tensor of this level."""
        dual = wrap(Dual(self, value, tangent))
        self.made(dual)
        return dual

    def made(self, outputs) -> None:
        self.adopted += [weakref.ref(z) for z in (outputs if isinstance(outputs, tuple) else (outputs,))]

    def call_each(self, function, args, kwargs):
        leaves, structure = trees.flatten((args, kwargs))
        if not any([_hides_numbers(x) for x in leaves]):
            return function.__wrapped__(*args, **kwargs)
        moving = [k for k, x in enumerate(leaves) if isinstance(x, Tensor) and tangent_of(x, self) is not None]

        @per_example
        def push(primals, tangents):
            with Forward() as level:
                full = list(primals)
                for k, t in zip(moving, tangents, strict=True):
                    full[k] = level.dual(full[k], t)
                args, kwargs = trees.unflatten(full, structure)
                flat, push.structure = trees.flatten(function(*args, **kwargs))
                known = [tangent_of(z, level) if isinstance(z, Tensor) else None for z in flat]
                values = [primal_of(z, level) if isinstance(z, Tensor) else z for z in flat]
                return values, [
                    zeros_of(z) if t is None and isinstance(z, Tensor) else t
                    for z, t in zip(values, known, strict=True)
                ]

        primals = [primal_of(x, self) if isinstance(x, Tensor) else x for x in leaves]
        with lowered(self):
            values, tangents = push(primals, [tangent_of(leaves[k], self) for k in moving])
        duals = [
            self.dual(z, t if z.dtype.is_floating_point else None) if isinstance(z, Tensor) else z
            for z, t in zip(values, tangents, strict=True)
        ]
        return trees.unflatten(duals, push.structure)

    def process(self, op, inputs, params):
        primals, tangents = [], []
        for x in inputs:
            tensor = isinstance(x, Tensor)
            tangents.append(tangent_of(x, self) if tensor else None)
            primals.append(primal_of(x, self) if tensor else x)
        carried = any([t is not None for t in tangents])
        if carried and op.composite is not None and not op.rules:
            raise NotImplementedError(f"the forward derivative of '{op.name}' is not implemented")
        outputs = op.call(*primals, **params)
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        pushed = _tangents(op, primals, tangents, params, outputs) if carried else [None] * len(results)
        duals = tuple(
            [
                Dual(self, z, _owned(t, op, tangents) if t is not None and z.dtype.is_floating_point else None)
                for z, t in zip(results, pushed, strict=True)
            ]
        )
        return duals if isinstance(outputs, tuple) else duals[0]

    def prefers_composite(self, op) -> bool:
        return True


def _owned(tangent: Tensor, op, tangents) -> Tensor:
    """A tangent in memory of its own, for in-place operations write to it; a view's is a view."""
    if op.kind == VIEW or (tangent.origin is None and not any([tangent is t for t in tangents])):
        return tangent
    return tangent.clone()


def _tangents(op, inputs, tangents, params, outputs) -> list:
    if isinstance(outputs, tuple):
        if op.kind == VIEW:
            return list(op.call(next(t for t in tangents if t is not None), **params))
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
            **op.defaults,
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
            t if t is not None else x if op.rules.get(op.input_name(i)) is None else zeros_of(x)
            for i, (x, t) in enumerate(zip(inputs, tangents, strict=True))
        ]
        return op.call(*filled, **params)
    for i, tangent in enumerate(tangents):
        if tangent is not None:
            if op.kind == VIEW and tangent.array.strides != inputs[i].array.strides:
                tangent = relayout(tangent, strides=inputs[i].array.strides)  # a view means places in memory
            part = op.call(*inputs[:i], tangent, *inputs[i + 1 :], **params)
            total = part if total is None else total + part
    return total


def _by_double_backward(op, inputs, tangents, params) -> list:
    """J t as the vjp, taken at t, of the linear map v -> J'v."""
    level, recording = highest(inputs, params), state.grad
    recorded = recording and any([is_recorded(x, level) for x in (*inputs, *tangents) if isinstance(x, Tensor)])
    with own_tape(level):
        moving = [i for i, t in enumerate(tangents) if t is not None]
        leaves = {i: follow(inputs[i] if level is None else lifted(inputs[i], level)) for i in moving}
        outputs = op.call(*[leaves.get(i, x) for i, x in enumerate(inputs)], **params)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        live = [z for z in outputs if z.requires_grad]
        probes = [follow(at_level(zeros_of(z), z)) for z in live]
        pulled = grad(live, list(leaves.values()), probes, create_graph=True, allow_unused=True)
        pairs = [(g, tangents[i]) for i, g in zip(moving, pulled, strict=True) if g is not None and g.requires_grad]
        pushed = (
            grad([g for g, _ in pairs], probes, [t for _, t in pairs], create_graph=recorded, allow_unused=True)
            if pairs
            else [None] * len(live)
        )
    by_output = dict(zip(map(id, live), pushed, strict=True))
    found = [by_output.get(id(z)) for z in outputs]
    return [
        (zeros_of(z) if z.dtype.is_floating_point else None) if t is None else t if recorded else bare(t)
        for z, t in zip(outputs, found, strict=True)
    ]
