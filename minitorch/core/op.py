"""How an operation is declared, and REGISTRY, where every declaration is found.

    @op(ELEMENTWISE, torch="mul", dtype=PROMOTE,
        vjp=dict(input=lambda g, other: g * other,
                 other=lambda g, input: g * input))
    def mul(input, other):
        return np.multiply(input, other)

The decorated function is the reference kernel: arrays in, array out. Its positional parameters are the tensor
inputs, its keyword-only parameters are everything else. A rule computes, from the gradient `g` of the output, the
gradient of one input; it asks for what it needs by name (inputs, parameters, `z`: the output, `size`: the shape of
its own input, `i`: the input's position), and exactly that is kept until the backward pass. Where the gradients of
several inputs share most of their work, one rule under a tuple of names, vjp={("input", "weight"): rule}, returns them
all.

`op` returns the caller that programs use (see call.py). `function` declares a public function made of operations.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

from . import call
from .lifted import Lifted
from .node import Leaf, MultiNode, Output
from .promote import COMPARE, DIFFERENCE, FLOAT, FLOATING_ONLY, KEEP, NUMBERS, PROMOTE, SAME, SUM
from .tensor import Tensor, node_of, wrap

__all__ = [
    "COMPARE", "DIFFERENCE", "ELEMENTWISE", "FLOAT", "FLOATING_ONLY", "GENERAL", "KEEP", "LINEAR", "NUMBERS", "PROMOTE", "PUBLIC", "REGISTRY",
    "SAME", "SUM", "VIEW", "Op", "function", "op",
]  # fmt: skip

ELEMENTWISE = "elementwise"  # diagonal Jacobian; inputs broadcast against each other
LINEAR = "linear"  # linear in each tensor input separately
VIEW = "view"  # linear, and the result shares the input's memory
GENERAL = "general"  # none of these

KINDS = (ELEMENTWISE, LINEAR, VIEW, GENERAL)

REGISTRY: dict[str, Op] = {}  # primitive name -> its declaration
PUBLIC: dict[str, Callable] = {}  # torch name ("sum", "nn.functional.relu") -> what answers to it


class Op:
    """The declaration of a primitive operation: everything that is known about it, in one object."""

    def __init__(self, kind, reference, *, torch, dtype, vjp, jvp, composite, numbers, backward_name, title):
        self.kind = kind
        self.reference = reference
        self.kernel = reference  # what is called; `minitorch.kernels` may plug in a faster equal
        self.name = reference.__name__
        self.torch = torch
        self.dtype = dtype
        self.rules = {name: rule for names, rule in vjp.items() for name in _names(names)}
        # Where the gradient of an input stands in what a rule for several inputs returns.
        self.places = {name: k for names in vjp if isinstance(names, tuple) for k, name in enumerate(names)}
        self.jvp = jvp
        self.composite = composite
        self.title = title or self.name
        self.backward_name = backward_name or "".join(w.capitalize() for w in self.name.split("_")) + "Backward0"
        self._read_signature()
        if numbers is None:
            numbers = self.inputs[1:] if kind == ELEMENTWISE and len(self.inputs) == 2 else ()
        self.numbers = frozenset(numbers)
        self._check()
        self._wants = {name: self._read_rule(name, rule) for name, rule in self.rules.items()}
        for name, rule in self.jvp.items():
            self._read_rule(name, rule)
        self._keeps: dict[tuple, tuple] = {}

    def _check(self):
        """TypeError for a declaration that cannot be meant: unknown words, or rules that are no functions."""
        if self.kind not in KINDS:
            raise TypeError(f"{self.name}: the kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not callable(self.dtype):
            raise TypeError(f"{self.name}: dtype must be a rule such as PROMOTE or FLOAT, not {self.dtype!r}")
        if not self.inputs and self.variadic is None:
            raise TypeError(f"{self.name}: an operation needs a tensor input, a positional parameter")
        for name in self.numbers - set(self.inputs):
            raise TypeError(f"{self.name}: numbers names {name!r}, which is no input of {self.name}")
        for table in (self.rules, self.jvp):
            for name, rule in table.items():
                if not inspect.isfunction(rule):
                    raise TypeError(f"{self.name}: the rule for {name!r} must be a function, not {rule!r}")

    def _read_signature(self):
        # From the code object: inspect.signature, for hundreds of operations, is a tenth of a second of every import.
        code = self.reference.__code__
        names, last = code.co_varnames, code.co_argcount + code.co_kwonlyargcount
        self.inputs = list(names[: code.co_argcount])
        self.params = list(names[code.co_argcount : last])
        self.defaults = self.reference.__kwdefaults__ or {}  # of the parameters that may be left out
        self.variadic = names[last] if code.co_flags & inspect.CO_VARARGS else None
        known = {*self.inputs, self.variadic}
        for table in (self.rules, self.jvp):
            for name in table:
                if name not in known:
                    raise TypeError(f"{self.name}: a rule is given for {name!r}, which is no input of {self.name}")

    def _read_rule(self, name: str, rule) -> tuple:
        """The names a rule asks for, each as a function (node, i) -> value."""
        wants = []
        for parameter in self.asked(rule):
            if parameter in self.inputs:
                wants.append(_fetch_input(self.inputs.index(parameter)))
            elif parameter == self.variadic:
                wants.append(_fetch_variadic(len(self.inputs)))
            elif parameter in self.params:
                wants.append(_fetch_param(parameter, self.defaults.get(parameter)))
            elif parameter in _FETCH:
                wants.append(_FETCH[parameter])
            else:
                raise TypeError(f"{self.name}: the rule for {name!r} asks for {parameter!r}, which is not known")
        return tuple(wants)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.reference)

    def input_name(self, i: int) -> str:
        return self.inputs[i] if i < len(self.inputs) else self.variadic

    def rule(self, i: int):
        """The rule for input number i, what it wants, and the place of the input's gradient in what it returns (None:
        it returns just that one). NotImplementedError where none was declared."""
        name = self.input_name(i)
        rule = self.rules.get(name)
        if rule is None:
            raise NotImplementedError(f"the derivative of '{self.name}' with respect to '{name}' is not implemented")
        return rule, self._wants[name], self.places.get(name)

    def shared(self, i: int) -> list:
        """What the rule for input number i wants, without what torch keeps for that gradient alone: an input that one
        only of several rules names."""
        rule, wants, place = self.rule(i)
        if place is not None or len(self.rules) == 1:
            return list(wants)
        named = [name for other in self.rules.values() for name in self.asked(other)]
        alone = [name in self.inputs and named.count(name) == 1 for name in self.asked(rule)]
        return [want for want, own in zip(wants, alone, strict=True) if not own]

    @staticmethod
    def asked(rule) -> list:
        """The names a rule asks for, besides the gradient."""
        return list(rule.__code__.co_varnames[1 : rule.__code__.co_argcount])

    def keeps(self, needed: tuple) -> tuple:
        """Which inputs, and whether the output, the rules of the `needed` inputs name: (mask, bool)."""
        found = self._keeps.get(needed)
        if found is None:
            asked = set()
            for i, wanted in enumerate(needed):
                rule = self.rules.get(self.input_name(i)) if wanted else None
                if rule is not None:
                    asked.update(self.asked(rule))
            mask = tuple(self.input_name(i) in asked for i in range(len(needed)))
            found = self._keeps[needed] = (mask, "z" in asked)
        return found

    def __repr__(self):
        return f"<Op {self.name}({', '.join(self.inputs)})>"


def _names(names) -> tuple:
    return names if isinstance(names, tuple) else (names,)


# What a rule may ask for besides parameters.


def _fetch_input(k: int):
    def fetch(node, i):
        return _checked(node, k)

    return fetch


def _fetch_variadic(first: int):
    def fetch(node, i):
        return tuple(_checked(node, k) for k in range(first, len(node.inputs)))

    return fetch


def _fetch_param(name: str, default):
    def fetch(node, i):
        return node.params.get(name, default)

    return fetch


def _fetch_output(node, i):
    if type(node) is MultiNode:
        return _Outputs(node)
    return _output(node, node, *node.output)


class _Outputs(Sequence):
    """The outputs of an operation that has several; only those that a rule takes must be unchanged."""

    def __init__(self, node):
        self.node = node

    def __len__(self):
        return len(self.node.output)

    def __getitem__(self, k):
        array, edits = self.node.output[k]
        return _output(self.node, Output(self.node, k, array.shape, array.dtype), array, edits)


_FETCH = {"z": _fetch_output, "size": lambda node, i: node.edges[i].shape, "i": lambda node, i: i}


def _checked(node, k: int):
    """Input k as it was kept, if its memory was not changed since."""
    kept = node.inputs[k]
    if isinstance(kept, Tensor):
        edits = (kept if kept.origin is None else kept.origin.root).edits
        if edits is not None and edits.stamp > node.birth:
            _modified(node, kept.array, edits, f"input '{node.op.input_name(k)}'")
        edge = node.edges[k]
        if kept.node is None and kept.origin is None and edge is not None and type(edge) is not Leaf:
            raise RuntimeError(
                f"{node.op.title}: Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This "
                "is not supported, please use out-of-place `.detach()` instead"
            )
        if call.state.grad and node_of(kept) is not edge:
            # The leaf has stopped requiring grad since (requires_grad_): use the history it had.
            alias = wrap(kept.array)
            alias.node = edge
            return alias
    return kept


def _output(node, source, array, edits):
    if edits.stamp > node.birth:
        _modified(node, array, edits, "output")
    z = wrap(array.settled() if isinstance(array, Lifted) else array)
    if call.state.grad and array.dtype.kind not in "iub":
        z.node = source
    z.edits = edits
    return z


def _modified(node, array, edits, what: str):
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"the {what} of {node.op.title}, of shape {list(array.shape)}, is at version {edits.count}; an earlier version "
        "was kept for the gradient. Hint: enable anomaly detection to find the operation that failed to compute its "
        "gradient, with autograd.set_detect_anomaly(True)."
    )


def op(kind, *, torch=(), dtype=KEEP, vjp=None, jvp=None, composite=None, numbers=None, backward_name=None, title=None):
    """Declare the decorated reference kernel as a primitive operation; returns its caller.

    torch: the torch names it answers to itself, when it needs no function around it. dtype: a rule of promote.py.
    vjp, jvp: a rule per input name (vjp: or per tuple of names). composite: the same computation in Tensor operations, used instead of the kernel
    where a gradient must flow and no rules are given. numbers: the inputs that may be Python numbers (default: the
    second of two, elementwise). backward_name: the name of the grad_fn, where it is not made from the op's own.
    title: what errors call it, where users know it by another name.
    """

    def declare(reference):
        if not inspect.isfunction(reference):
            raise TypeError(f"op() declares a function written with `def`, not {reference!r}")
        names = (torch,) if isinstance(torch, str) else tuple(torch)
        declared = Op(
            kind, reference, torch=names, dtype=dtype, vjp=vjp or {}, jvp=jvp or {}, composite=composite,
            numbers=numbers, backward_name=backward_name, title=title,
        )  # fmt: skip
        known = REGISTRY.get(declared.name)
        if known is not None and not _again(known.reference, reference):
            raise TypeError(f"an operation called {declared.name!r} is declared already")
        for name in names:
            if name in PUBLIC and PUBLIC[name] is not (known and known.call):
                raise TypeError(f"torch name {name!r} is taken already")
        REGISTRY[declared.name] = declared
        caller = call.make_caller(declared)
        caller.__name__ = caller.__qualname__ = declared.name
        caller.__doc__, caller.__module__ = reference.__doc__, reference.__module__
        caller.__wrapped__ = reference
        caller.op = declared
        declared.call = caller
        for name in names:
            PUBLIC[name] = caller
        return caller

    return declare


def _again(known, reference) -> bool:
    """Whether this is one declaration made twice, as by running a notebook's cell again."""
    place = reference.__module__, reference.__qualname__
    return (known.__module__, known.__qualname__) == place and not place[0].startswith("minitorch.")


def function(*, torch):
    """Declare a public function, made of operations, under one or several torch names."""

    def declare(public):
        for name in (torch,) if isinstance(torch, str) else torch:
            if name in PUBLIC:
                raise TypeError(f"torch name {name!r} is taken already")
            PUBLIC[name] = public
        return public

    return declare


def namespace(prefix: str) -> dict[str, Callable]:
    """The public functions of one torch namespace ("linalg", "nn.functional"), by their names within it."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): public
        for name, public in PUBLIC.items()
        if name.startswith(start) and "." not in name.removeprefix(start)
    }
