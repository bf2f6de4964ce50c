"""The grammar of random programs: every kind of line that ``programs`` may write next.

A line is a statement of Python about tensors x0, x1, ..., with ``lib`` for the library.
"""

from __future__ import annotations

import torch

from .program_writer import Writer, line, tangled

DTYPES = ("float64",) * 6 + ("float32",) * 2 + ("int64", "int32", "bool")
LARGEST = 48  # elements
# Not square: torch records its third derivative, 0.
UNARY = ("neg", "abs", "sin", "tanh", "relu", "sigmoid", "exp", "sign")
BINARY = ("+", "-", "*", "*", "/")
COMPARISONS = ("<", ">=", "==", "!=")


# Creation.


@line(8)
def literal(w: Writer) -> str:
    dtype, shape = w.one(DTYPES), w.shape()
    grad = ", requires_grad=True" if w.chance(0.5) and (dtype.startswith("float") or w.chance(0.03)) else ""
    values = w.literal(shape, dtype)
    text = f"lib.tensor({values}, dtype=lib.{dtype}{grad})"
    if 0 in shape and len(shape) > 1:
        text = f"lib.zeros({shape}, dtype=lib.{dtype}{grad})"
    return f"{w.new()} = {text}"


@line(2)
def filled(w: Writer) -> str | None:
    x = w.pick()
    if x is not None and w.chance(0.5):
        return f"{w.new()} = lib.{w.one(('zeros', 'ones'))}_like({x})"
    dtype, shape = w.one(DTYPES), w.shape()
    if w.chance(0.3):
        return f"{w.new()} = lib.arange({w.rng.randint(0, 6)}, dtype=lib.{dtype if dtype != 'bool' else 'int64'})"
    return f"{w.new()} = lib.{w.one(('zeros', 'ones'))}({shape}, dtype=lib.{dtype})"


# Views.


@line(9)
def simple_view(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    t = w.known[x]
    d, e = w.dim(t), w.dim(t)
    n = w.size(t, d)
    start = w.rng.randint(0, n)
    order = w.rng.sample(range(t.ndim), t.ndim)
    calls = [
        f"select({d}, {w.rng.randrange(n) if n else 0})",
        f"narrow({d}, {start}, {w.rng.randint(0, n - start + w.chance(0.04))})",
        f"transpose({d}, {e})",
        f"permute({tuple(order)})",
        "t()" if t.ndim < 3 or w.chance(0.1) else "mT",
        f"movedim({d}, {e})",
        f"unsqueeze({w.rng.randint(-t.ndim - 1, t.ndim)})",
        w.one(("squeeze()", f"squeeze({d})")),
        "flatten()",
        "view(-1)",
        f"unfold({d}, {w.rng.randint(0 if w.chance(0.1) else 1, max(n, 1))}, {w.rng.randint(1, 2)})",
        "detach()",
        "view_as(" + (w.pick(lambda u: u.numel() == t.numel()) or x) + ")",
        "swapaxes(0, -1)",
        "contiguous()",
    ]
    if t.ndim >= 2:
        calls += [f"diagonal({w.one((0, 0, 1, -1))}, {d}, {e if e != d else e - 1})"] * 2
    return f"{w.new()} = {x}.{w.one(calls)}"


@line(6)
def sliced(w: Writer) -> str | None:
    x = w.pick()
    return None if x is None else f"{w.new()} = {x}[{w.index(w.known[x], advanced=w.chance(0.15))}]"


@line(4)
def reshaped(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    t = w.known[x]
    n, shape = t.numel(), []
    while n > 1 and len(shape) < 3:
        divisor = w.one([k for k in range(1, n + 1) if n % k == 0])
        shape.append(divisor)
        n //= divisor
    shape = [*shape, n] if n != 1 or w.chance(0.2) else shape
    if shape and w.chance(0.3):
        shape[w.rng.randrange(len(shape))] = -1
    return f"{w.new()} = {x}.{w.one(('view', 'reshape'))}({tuple(shape)})"


@line(3)
def expanded(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    t = w.known[x]
    shape = [w.one((n, -1)) if n != 1 else w.rng.randint(1, 3) for n in t.shape]
    if w.chance(0.3):
        shape = [w.rng.randint(1, 3), *shape]
    if t.numel() * 9 > LARGEST * 3:
        return None
    return f"{w.new()} = {x}.expand({tuple(shape)})"


@line(2)
def strided(w: Writer) -> str | None:
    x = w.pick(lambda t: t.numel() > 0)
    if x is None:
        return None
    t = w.known[x]
    memory = t.untyped_storage().nbytes() // t.element_size()
    size = [w.rng.randint(1, 3) for _ in range(w.rng.randint(0, 2))]
    stride = [w.rng.randint(0 if w.chance(0.2) else 1, 3) for _ in size]
    reach = sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    offset = "" if w.chance(0.4) else f", {w.rng.randint(0, max(memory - reach - 1, 0))}"
    return f"{w.new()} = {x}.as_strided({tuple(size)}, {tuple(stride)}{offset})"


@line(4)
def parts(w: Writer) -> str | None:
    x = w.pick(lambda t: t.ndim > 0 or w.chance(0.05))
    if x is None:
        return None
    t = w.known[x]
    d = w.dim(t)
    n = w.size(t, d)
    first = w.rng.randint(0, n)
    call = w.one((
        f"split({w.rng.randint(1, 3)}, {d})",
        f"split([{first}, {n - first}], {d})",
        f"chunk({w.rng.randint(1, 3)}, {d})",
        f"unbind({d})",
        f"tensor_split({w.rng.randint(1, 3)}, {d})",
    ))  # fmt: skip
    return f"{w.new()} = {x}.{call}[{w.one((0, -1))}]"


# Arithmetic.


STEEP = ("sin", "exp")


def is_small(t: torch.Tensor) -> bool:
    """Whether steep functions of t are well conditioned: the sine of a large number is all rounding."""
    return t.numel() == 0 or not (t.detach().abs() > 20).any()


@line(5)
def unary(w: Writer) -> str | None:
    x = w.pick(lambda t: t.dtype != torch.bool)
    if x is None:
        return None
    return f"{w.new()} = {x}.{w.one(name for name in UNARY if name not in STEEP or is_small(w.known[x]))}()"


@line(8)
def binary(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    y = w.other(x)
    if y in w.known and w.known[y].numel() * w.known[x].numel() > LARGEST * 4:
        return None
    if w.chance(0.15):
        return f"{w.new()} = {x} {w.one(COMPARISONS)} {y}"
    if w.chance(0.15) and y in w.known:
        return f"{w.new()} = lib.{w.one(('maximum', 'minimum'))}({x}, {y})"
    if w.chance(0.08):
        return f"{w.new()} = lib.where({x} > 0, {x}, {y})"
    return f"{w.new()} = {x} {w.one(BINARY)} {y}" if w.chance(0.8) else f"{w.new()} = {y} {w.one(BINARY)} {x}"


@line(5)
def reduced(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    d = w.dim(w.known[x])
    keep = w.one(("", ", keepdim=True"))
    calls = ("sum()", f"sum({d}{keep})", f"mean({d}{keep})", f"amax({d}{keep})", f"cumsum({d})", f"prod({d}{keep})",
             f"max({d}{keep}).values", "mean()", f"logsumexp({d}{keep})", "any()")  # fmt: skip
    return f"{w.new()} = {x}.{w.one(calls)}"


@line(3)
def joined(w: Writer) -> str | None:
    x = w.pick(lambda t: t.numel() * 2 <= LARGEST and t.shape != (0,))  # those fit anything, and vanish
    if x is None:
        return None
    t = w.known[x]
    y = w.pick(lambda u: u.shape == t.shape) or x
    calls = [f"lib.cat([{x}, {y}], {w.dim(t)})", f"lib.stack([{x}, {y}], {w.dim(t)})"]
    if t.ndim == 2 and t.is_floating_point() and t.is_contiguous():
        # Row-major factors: the gradient of a column-major one has its strides in torch, if it is the second. And a
        # product of matrices may be 0 or -0.
        z = w.pick(lambda u: u.ndim == 2 and u.shape[0] == t.shape[1] and u.dtype == t.dtype and u.is_contiguous())
        calls += [f"{x} @ {z or x + '.t().contiguous()'} + 0.0"] * 2
    return f"{w.new()} = {w.one(calls)}"


@line(5)
def copied(w: Writer) -> str | None:
    x = w.pick()
    if x is None:
        return None
    calls = ("clone()",) * 4 + (
        "to(lib.float32)", "to(lib.float64)", "to(float)", "to(int)", "double()", "float()", "long()", "bool()",
        f"type_as({w.pick()})", "clone(memory_format=lib.contiguous_format)", f"to({w.pick()})", "to('cpu', copy=True)",
    )  # fmt: skip
    return f"{w.new()} = {x}.{w.one(calls)}"


@line(1)
def gathered(w: Writer) -> str | None:
    x = w.pick(lambda t: t.ndim > 0 and 0 not in t.shape)
    if x is None:
        return None
    t = w.known[x]
    d = w.rng.randrange(t.ndim)
    rows = [w.rng.randrange(t.shape[d]) for _ in range(2)]
    return f"{w.new()} = {x}.index_select({d}, lib.tensor({rows}))"


# In place.


def overlapping(t: torch.Tensor) -> bool:
    """Whether elements share memory other than by stride 0: what is written then depends on the order of writing."""
    places = [0]
    for n, s in zip(t.shape, t.stride(), strict=True):
        if s != 0:  # a part of t may have but one of these
            places = [place + i * s for place in places for i in range(n)]
    return len(set(places)) < len(places)


def is_expanded(t: torch.Tensor) -> bool:
    """Whether t, which requires grad, repeats elements: torch lets some operations write to it, and fails afterwards."""
    return t.requires_grad and any(n > 1 and s == 0 for n, s in zip(t.shape, t.stride(), strict=True))


def is_leaf(t: torch.Tensor) -> bool:
    """Whether t is a leaf that requires grad. Of a view this is not asked: looking could change its history."""
    return not t._is_view() and t.requires_grad and t.is_leaf


@line(14)
def in_place(w: Writer) -> str | None:
    x = w.pick(lambda t: not overlapping(t) and not is_expanded(t) and (not is_leaf(t) or w.chance(0.2)))
    if x is None:
        return None
    t, y = w.known[x], w.other(x, inplace=True)
    n = w.number(t)
    mask = w.pick(lambda u: u.dtype == torch.bool and w.fits(t, u, True)) or f"({x} > 0)"
    calls = [
        f"add_({y})", f"sub_({y})", f"mul_({y})", f"add_({y}, alpha=2)", f"mul_({n})", f"add_({n})", f"div_({n})",
        "zero_()", f"fill_({n})", f"masked_fill_({mask}, {n})", "clamp_(-1, 1)", "neg_()", "abs_()", "relu_()",
        "tanh_()", "sigmoid_()", "square_()", f"pow_({w.one((2, 3))})",
    ]  # fmt: skip
    if t.dtype == torch.bool or is_small(t):
        calls += [f"{name}_()" for name in STEEP]
    if y in w.known:
        calls += [f"copy_({y})"] * 4
    operator = f"{x} {w.one(('+=', '-=', '*='))} {y}"
    return w.one([f"{x}.{call}" for call in calls] + [operator] * 2)


@line(7)
def assigned(w: Writer) -> str | None:
    x = w.pick(lambda t: not overlapping(t))
    if x is None:
        return None
    t = w.known[x]
    value = w.other(x) if w.chance(0.6) else w.number(t)
    # Which of several values for one element is written last, torch does not say.
    index = w.index(t, advanced=w.chance(0.3), distinct=value in w.known)
    if value in w.known and w.known[value].untyped_storage()._cdata == t.untyped_storage()._cdata:
        # What torch does not refuse it reads while it writes, in an order that it does not tell.
        # Of no elements it is refused or not by the way that leads to the assignment.
        value += ".clone()" if tangled(t, w.known[value]) or not t.numel() or w.chance(0.95) else ""
    elif value in w.known and not t.is_floating_point() and w.known[value].requires_grad:
        value += ".detach()"  # integers that require grad, which is what torch makes of them
    return f"{x}[{index}] {w.one(('=', '=', '=', '+=', '*='))} {value}"


@line(2)
def added_by_index(w: Writer) -> str | None:
    x = w.pick(lambda t: t.ndim > 0 and 0 not in t.shape and not overlapping(t))
    if x is None:
        return None
    t = w.known[x]
    d = w.rng.randrange(t.ndim)
    rows = [w.rng.randrange(t.shape[d]) for _ in range(2)]
    source = w.pick(lambda u: u.dtype == t.dtype and u.shape == t.shape) or x
    if source != x and w.known[source].untyped_storage()._cdata == t.untyped_storage()._cdata:
        source += ".clone()"
    return w.one((
        f"{x}.index_add_({d}, lib.tensor({rows}), {source}.index_select({d}, lib.tensor({rows})))",
        f"{x}.index_fill_({d}, lib.tensor({rows}), {w.number(t)})",
        f"{x}.index_copy_({d}, lib.tensor([{rows[0]}]), {source}.narrow({d}, 0, 1).clone())",
        f"{x}.scatter_add_({d}, lib.zeros({tuple(t.shape)}, dtype=lib.int64), {source})",
        f"{x}.index_put_((lib.tensor([{rows[0]}]),), {source}[:1].clone())" if d == 0 else f"{x}.mul_(2)",
        f"{x}.index_put_((lib.tensor({rows}),), {source}.sum(), accumulate=True)" if d == 0 else f"{x}.div_(2)",
        f"{x}.masked_scatter_({x} > 0, {source}.detach().clone())",
        f"{x}.scatter_({d}, lib.zeros({tuple(t.shape)}, dtype=lib.int64), {w.number(t)})",
    ))  # fmt: skip


@line(2)
def turned_in_place(w: Writer) -> str | None:
    # Of a leaf not while there is a graph, which in torch goes on expecting the shape that the leaf had.
    tensors = [t for t in w.known.values() if t is not None]
    tensors += [t.grad for t in tensors if is_leaf(t) and t.grad is not None]
    graph = any(t.requires_grad and not is_leaf(t) for t in tensors)
    x = w.pick(lambda t: not (graph and is_leaf(t)))
    if x is None:
        return None
    t = w.known[x]
    calls = ("t_()", f"transpose_({w.dim(t)}, {w.dim(t)})", f"unsqueeze_({w.dim(t)})", "squeeze_()",
             f"squeeze_({w.dim(t)})")  # fmt: skip
    return f"{x}.{w.one(calls)}"


# Autograd.


@line(4)
def marked(w: Writer) -> str | None:
    x = w.floating() if w.chance(0.95) else w.pick()
    return None if x is None else f"{x}.requires_grad_({w.one(('', '', '', 'False'))})"


@line(2)
def cut(w: Writer) -> str | None:
    x = w.pick()
    return None if x is None else w.one((f"{x}.detach_()", f"{w.new()} = {x}.data", f"{w.new()} = {x}.detach()"))


@line(1)
def data_set(w: Writer) -> str | None:
    x = w.pick(lambda t: not t._is_view())
    if x is None:
        return None
    t = w.known[x]
    # Another shape only without history and views: those of torch still expect the old one.
    free = not t.requires_grad and not any(u is not None and u._base is t for u in w.known.values())
    y = w.pick(lambda u: u.dtype == t.dtype and (u.shape == t.shape or (free and w.chance(0.1))))
    return f"{x}.data = {y}" if w.chance(0.8) else f"{x}.data = {y}.clone()"


@line(2)
def kept(w: Writer) -> str | None:
    x = w.pick(lambda t: t.requires_grad or w.chance(0.03))
    return None if x is None else f"{x}.retain_grad()"


@line(2)
def hooked(w: Writer) -> str | None:
    if w.handles and w.chance(0.2):
        return f"h{w.rng.randrange(w.handles)}.remove()"
    x = w.pick(lambda t: t.requires_grad or w.chance(0.03))
    if x is None:
        return None
    t = w.known[x]
    y = w.pick(lambda u: u.shape == t.shape and u.dtype == t.dtype) or x
    w.handles += 1
    hook = w.one(
        ("g * 2", "g * 2", "g.exp()", "None", "g.clone()", f"g * {y}", "lib.zeros_like(g)", "g[None]", "g.int()")
    )
    after = w.one(("None", "t.grad.mul_(2)", "setattr(t, 'grad', None)"))
    register = "register_post_accumulate_grad_hook(lambda t: " if w.chance(0.15) else "register_hook(lambda g: "
    return f"h{w.handles - 1} = {x}.{register}{after if 'post' in register else hook})"


@line(1)
def recorded(w: Writer) -> str:
    return f"lib.set_grad_enabled({w.one(('True', 'True', 'False'))})"


@line(9)
def backward(w: Writer) -> str | None:
    x = w.pick(lambda t: t.requires_grad or w.chance(0.02))
    if x is None:
        return None
    more = w.one(("", "retain_graph=True", "retain_graph=True", "create_graph=True"))
    if w.chance(0.6):
        return f"{x}.sum().backward({more})" if w.chance(0.8) else f"({x} * {x}).sum().backward({more})"
    y = w.pick(lambda t: t.shape == w.known[x].shape and t.dtype == w.known[x].dtype)
    # A copy: where x is a view, torch may keep the memory of the weight itself for the `.grad` of a leaf.
    weight = f"{y}.clone()" if y is not None and w.chance(0.5) else f"lib.ones_like({x})"
    return f"{x}.backward({', '.join(filter(None, ('' if w.chance(0.05) else weight, more)))})"


@line(5)
def gradient(w: Writer) -> str | None:
    x = w.pick(lambda t: t.requires_grad)
    y = w.pick(lambda t: t.requires_grad or w.chance(0.02))
    if x is None or y is None:
        return None
    more = w.one(("", ", retain_graph=True", ", retain_graph=True", ", create_graph=True"))
    more += w.one((", allow_unused=True", ", allow_unused=True", ", materialize_grads=True", ""))
    return f"({w.new()},) = lib.autograd.grad({x}.sum(), [{y}]{more})"


@line(4)
def grad_handled(w: Writer) -> str | None:
    x = w.pick(lambda t: t.grad is not None)
    if x is None:
        return None
    t = w.known[x]
    y = w.pick(lambda u: u.shape == t.shape and u.dtype == t.dtype)
    g = f"{w.new()} = {x}.grad"
    return w.one((g, g, f"{x}.grad = None", f"{x}.grad.zero_()", f"{x}.grad.mul_(2)", f"{x}.grad = {y}"))


@line(3)
def deleted(w: Writer) -> str | None:
    return f"del {w.one(w.known)}" if len(w.known) > 2 else None
