"""Calling a module with other parameters than its own."""

from __future__ import annotations

from contextlib import contextmanager

from ...core.tensor import Tensor
from ..modules.module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args=None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """`module(*args, **kwargs)` with some of its parameters and buffers replaced, by dotted name, for this call.

    tie_weights: what is given for one name of a tied tensor holds for its other names. strict: exactly all names.
    """
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Module, replacements: dict[str, Tensor], tie_weights: bool, strict: bool):
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict:
        _check_names(module, own, replacements)
    chosen = _with_tied_names(own, replacements) if tie_weights else dict(replacements)
    places = {name: _place_of(module, name) for name in chosen}
    before = {name: table[key] for name, (table, key) in places.items()}
    try:
        for name, (table, key) in places.items():
            table[key] = chosen[name]
        yield
    finally:
        for name, (table, key) in places.items():
            # In-place changes of state, such as running means, belong to the caller's tensors.
            if name in replacements:
                replacements[name] = table[key]
            table[key] = before[name]


def _place_of(module: Module, name: str) -> tuple[dict, str]:
    """The table and key where a dotted name is filed."""
    path, _, key = name.rpartition(".")
    owner = module.get_submodule(path)
    for table in (owner._parameters, owner._buffers):
        if key in table:
            return table, key
    raise KeyError(f"{type(module).__name__} has no parameter or buffer {name!r}")


def _check_names(module: Module, own: dict, replacements: dict) -> None:
    missing = [name for name in own if name not in replacements]
    unexpected = [name for name in replacements if name not in own]
    errors = []
    if unexpected:
        errors.append(f"Unexpected key(s): {', '.join(map(repr, unexpected))}.")
    if missing:
        errors.append(f"Missing key(s): {', '.join(map(repr, missing))}.")
    if errors:
        listed = "\n\t".join(errors)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{listed}")


def _with_tied_names(own: dict[str, Tensor], replacements: dict[str, Tensor]) -> dict[str, Tensor]:
    names_of: dict[int, list[str]] = {}
    for name, tensor in own.items():
        names_of.setdefault(id(tensor), []).append(name)
    chosen = dict(replacements)
    for tied in names_of.values():
        given = {id(replacements[name]): replacements[name] for name in tied if name in replacements}
        if len(given) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. Consider using "
                "tie_weights=False"
            )
        for tensor in given.values():
            chosen.update(dict.fromkeys(tied, tensor))
    return chosen
