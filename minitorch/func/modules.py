"""Modules as functions of their parameters: functional_call, stack_module_state (torch.func)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.tensor import Tensor
from ..ops.join import stack


def functional_call(
    module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """module(*args, **kwargs) with other parameters and buffers, by their names in `state_dict`; it keeps its own.

    Several dictionaries must not share names. args: a tuple, or one argument. tie_weights: what is one tensor under
    several names stays one when a name of it is given. strict: RuntimeError for names that are missing or unknown.
    """
    given = _merged(parameter_and_buffer_dicts)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _merged(dicts) -> dict:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all([isinstance(d, Mapping) for d in dicts]):
        raise ValueError(
            "Expected all elements of parameter_and_buffer_dicts to be dictionaries or parameter_and_buffer_dicts to be "
            f"a dictionary, but got {type(dicts)}"
        )
    merged: dict = {}
    for d in dicts:
        for name, value in d.items():
            if name in merged:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous")
            merged[name] = value
    return merged


def _names(module) -> dict[str, Tensor]:
    """Every parameter and buffer, under every name that it has."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


@contextmanager
def _swapped(module, given: dict, tie_weights: bool, strict: bool):
    own = _names(module)
    unknown, missing = [n for n in given if n not in own], [n for n in own if n not in given]
    if tie_weights:
        by_tensor = {id(own[name]): value for name, value in given.items() if name in own}
        given = {**{n: by_tensor[id(t)] for n, t in own.items() if id(t) in by_tensor}, **given}
        missing = [n for n in missing if n not in given]
    if strict and (unknown or missing):
        problems = [
            f"{what} key(s): {', '.join(map(repr, names))}."
            for what, names in (("Unexpected", unknown), ("Missing", missing))
            if names
        ]
        raise RuntimeError(f"Error(s) in replacing the parameters of {type(module).__name__}: {' '.join(problems)}")
    places = [_place(module, name) + (value,) for name, value in given.items() if name in own]
    kept = [(table, key, table[key]) for table, key, _ in places]
    try:
        for table, key, value in places:
            table[key] = value
        yield
    finally:
        for table, key, value in kept:
            table[key] = value


def _place(module, name: str) -> tuple[dict, str]:
    """The table of a submodule where `name` stands, and its key there."""
    path, _, key = name.rpartition(".")
    owner = module.get_submodule(path)
    return (owner._parameters if key in owner._parameters else owner._buffers), key


def stack_module_state(models: Sequence) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of models of one kind, stacked: an ensemble that `vmap` and `functional_call` run at once.

    The stacked parameters are leaves that require grad where those of the models do.
    """
    if not len(models):
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all([m.training for m in models]) or all([not m.training for m in models])):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if not all([type(m) is type(models[0]) for m in models]):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {name: _stacked_leaf(name, [p[name] for p in parameters]) for name in parameters[0]},
        {name: _stacked_leaf(name, [b[name] for b in buffers]) for name in buffers[0]},
    )


def _stacked_leaf(name: str, tensors: list) -> Tensor:
    wanting = [t.requires_grad for t in tensors]
    if any(wanting) and not all(wanting):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    return stack([t.detach() for t in tensors]).requires_grad_(wanting[0])
