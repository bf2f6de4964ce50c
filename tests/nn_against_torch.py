"""The same module on torch and on minitorch: initial values, text, state, outputs and gradients."""

from __future__ import annotations

import warnings

import numpy as np
import torch

import minitorch
import minitorch.nn
import minitorch.optim
from minitorch.core.tensor import Tensor
from parity.harness import assert_same


def to_ours(value):
    """torch's tensors, types and modules of functions as minitorch's, through containers."""
    if isinstance(value, torch.nn.Parameter):
        return minitorch.nn.Parameter(minitorch.tensor(value.detach().numpy().copy()), value.requires_grad)
    if isinstance(value, torch.Tensor):
        return minitorch.tensor(value.detach().numpy().copy()).requires_grad_(value.requires_grad)
    if isinstance(value, torch.nn.Module):
        return twin(value)
    if isinstance(value, torch.dtype):
        return getattr(minitorch, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return "cpu"
    if type(value) in (list, tuple):
        return type(value)(to_ours(v) for v in value)
    if isinstance(value, dict):
        return {key: to_ours(v) for key, v in value.items()}
    name = getattr(value, "__name__", "")
    if callable(value) and getattr(torch.nn.functional, name, None) is value:
        return getattr(minitorch.nn.functional, name)
    return value


def twin(module: torch.nn.Module):
    """minitorch's module with the same attributes, parameters, buffers and submodules."""
    cls = getattr(minitorch.nn, type(module).__name__)
    made = cls.__new__(cls)
    minitorch.nn.Module.__init__(made)
    for name, value in module.__dict__.items():
        if name in ("_parameters", "_buffers", "_modules"):
            getattr(made, name).update(to_ours(dict(value)))
        elif not name.startswith("_") or name == "_qkv_same_embed_dim":
            made.__dict__[name] = to_ours(value)
    return made


def make(name: str, *args, seed: int = 0, **kwargs):
    """minitorch's and torch's module of this name, made after the same seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        true = getattr(torch.nn, name)(*args, **kwargs)
        minitorch.manual_seed(seed)
        mine = getattr(minitorch.nn, name)(*to_ours(args), **to_ours(kwargs))
    return mine, true


def assert_same_state(mine, true, exact: bool = True) -> None:
    """Names, order and values of both state_dicts; `exact`: bit for bit."""
    ours, theirs = mine.state_dict(), true.state_dict()
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        if isinstance(value, torch.nn.parameter.UninitializedTensorMixin):
            assert type(ours[key]).__name__ == type(value).__name__, key
            continue
        array = ours[key].numpy()
        assert array.dtype == value.numpy().dtype and array.shape == value.numpy().shape, key
        if exact:
            np.testing.assert_array_equal(array, value.numpy(), err_msg=key)
        else:
            assert_same(ours[key], value, where=key)
    assert ours._metadata == theirs._metadata


def assert_same_text(mine, true) -> None:
    assert repr(mine) == repr(true)


def flat(value) -> list:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, (Tensor, torch.Tensor)):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else []


def as_leaves(value):
    """The tensors in tuples, lists and dictionaries cut off from where they came from."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {key: as_leaves(v) for key, v in value.items()}
    return type(value)(as_leaves(v) for v in value) if type(value) in (tuple, list) else value


def assert_same_call(mine, true, *args, seed: int = 0, where: str = "", tolerance=None, **kwargs):
    """Output, gradients of inputs and parameters, and buffers afterwards, for the same arguments (torch's tensors)."""
    args, kwargs = as_leaves(args), as_leaves(kwargs)
    ours_args, ours_kwargs = to_ours(args), to_ours(kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        expected = true(*args, **kwargs)
        minitorch.manual_seed(seed)
        output = mine(*ours_args, **ours_kwargs)
    ours, theirs = flat(output), flat(expected)
    assert len(ours) == len(theirs), where
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert_same(a, b, where=f"{where} output {i}", rtol=tolerance, atol=tolerance)
        assert a.requires_grad == b.requires_grad, f"{where} output {i}: requires_grad {a.requires_grad}"
    rng = np.random.default_rng(seed)
    starts = []
    for b in theirs:
        if b.requires_grad:
            starts.append(rng.standard_normal(tuple(b.shape)).astype(b.detach().numpy().dtype))
    if not starts:
        return output, expected
    leaves = [b for b in theirs if b.requires_grad]
    torch.autograd.backward(leaves, [torch.from_numpy(np.asarray(s).copy()) for s in starts])
    minitorch.autograd.backward([a for a in ours if a.requires_grad], [minitorch.tensor(s) for s in starts])
    inputs = zip(flat([ours_args, ours_kwargs]), flat([args, kwargs]), strict=True)
    pairs = [(f"gradient of input {i}", a, b) for i, (a, b) in enumerate(inputs)]
    for (name, a), (_, b) in zip(mine.named_parameters(), true.named_parameters(), strict=True):
        pairs.append((f"gradient of {name}", a, b))
    for what, a, b in pairs:
        if b.grad is None:
            assert a.grad is None or not np.any(a.grad.numpy()), f"{where} {what}: torch has none"
        else:
            assert a.grad is not None, f"{where} {what} is missing"
            assert_same(a.grad, b.grad, where=f"{where} {what}", rtol=tolerance, atol=tolerance)
            b.grad = None
        a.grad = None
    assert_same_state(mine, true, exact=False)
    return output, expected
