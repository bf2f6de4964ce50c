"""One call on torch and on minitorch: values, gradients and second gradients, with random cotangents."""

from __future__ import annotations

import functools

import numpy as np
import torch

import minitorch
from minitorch.core.tensor import Tensor, wrap
from parity.harness import assert_same

LAYOUTS = ("contiguous", "permuted", "sliced", "reversed")


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values over memory that is permuted, has gaps, or runs backwards."""
    if layout == "permuted":
        return np.ascontiguousarray(array.T).T
    if layout == "sliced":
        spread = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
        view = spread[tuple(slice(1, 2 * n + 1, 2) for n in array.shape)]
        view[...] = array
        return view
    if layout == "reversed":
        backwards = (..., *[slice(None, None, -1)] * array.ndim)
        return np.ascontiguousarray(array[backwards])[backwards]
    return array.copy()


def lookup(library, name: str):
    """`lookup(torch, "nn.functional.conv2d")`."""
    return functools.reduce(getattr, name.split("."), library)


def both(value, layout: str, differentiable: bool):
    """(minitorch's, torch's) version of an argument; float arrays become leaves that require grad."""
    if not isinstance(value, np.ndarray):
        return value, value
    needs_grad = differentiable and value.dtype.kind == "f"
    ours, theirs = wrap(laid_out(value, layout)), torch.from_numpy(value.copy())
    return ours.requires_grad_(needs_grad), theirs.requires_grad_(needs_grad)


def hold(
    name: str, *args, order: int = 2, layout: str = "contiguous", seed: int = 0, ours=None, tolerance=None, **kwargs
):  # fmt: skip
    """Call `name` with the same arguments on both libraries and compare up to `order` derivatives.

    Arrays become tensors. `ours`: minitorch's function, when it is not found under the name. Returns both outputs.
    """
    close = functools.partial(assert_same, rtol=tolerance, atol=tolerance)
    pairs = [both(value, layout, order > 0) for value in args]
    named = {key: both(value, layout, order > 0) for key, value in kwargs.items()}
    ours = ours or lookup(minitorch, name)
    mine = ours(*[a for a, _ in pairs], **{k: a for k, (a, _) in named.items()})
    true = lookup(torch, name)(*[b for _, b in pairs], **{k: b for k, (_, b) in named.items()})
    close(mine, true, where=name)
    leaves = [(a, b) for a, b in [*pairs, *named.values()] if isinstance(a, Tensor) and b.requires_grad]
    outputs = [(a, b) for a, b in zip(listed(mine), listed(true), strict=True) if b.requires_grad]
    if not leaves or not outputs:
        return mine, true
    derivatives(leaves, outputs, order, np.random.default_rng(seed), name, close)
    return mine, true


def listed(value) -> list:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def derivatives(leaves, outputs, order, rng, where, close) -> None:
    """Compare the gradients of `outputs` at `leaves`, then theirs, down to `order`."""
    if order == 0:
        return
    starts = [cotangent(b, rng, order > 1) for _, b in outputs]
    grads = [
        library.autograd.grad(
            [pair[side] for pair in outputs],
            [pair[side] for pair in leaves],
            [pair[side] for pair in starts],
            create_graph=order > 1,
            allow_unused=True,
        )
        for side, library in ((0, minitorch), (1, torch))
    ]
    connected = []
    for i, (mine, true) in enumerate(zip(*grads, strict=True)):
        if mine is None or true is None:
            given = mine if true is None else true
            assert given is None or not np.any(given.detach().numpy()), f"{where}: one gradient {i} is missing"
            continue
        close(mine, true, where=f"gradient {i} of {where}")
        if true.requires_grad and mine.requires_grad:
            connected.append((mine, true))
    if connected and order > 1:
        leaves = leaves + [pair for pair in starts if pair[1].requires_grad]
        derivatives(leaves, connected, order - 1, rng, f"gradient of {where}", close)


def cotangent(like, rng, differentiable: bool):
    drawn = rng.standard_normal(tuple(like.shape)).astype(str(like.dtype).removeprefix("torch."))
    ours, theirs = wrap(np.asarray(drawn)), torch.from_numpy(np.asarray(drawn).copy())
    return ours.requires_grad_(differentiable), theirs.requires_grad_(differentiable)


def same_error(name: str, *args, ours=None, **kwargs) -> None:
    """Both libraries refuse the call, with the same class of exception."""
    raised = []
    for side, function in ((0, ours or lookup(minitorch, name)), (1, lookup(torch, name))):
        arguments = [both(value, "contiguous", False)[side] for value in args]
        named = {key: both(value, "contiguous", False)[side] for key, value in kwargs.items()}
        try:
            function(*arguments, **named)
        except Exception as error:
            raised.append(error)
        else:
            raised.append(None)
    mine, true = raised
    assert true is not None, f"torch accepts {name}"
    assert type(mine) is type(true), f"{name}: minitorch raised {mine!r}, torch {true!r}"
