"""Making a module without drawing its initial values."""

from __future__ import annotations

import inspect

from ..modules.module import Module


def skip_init(module_cls: type[Module], *args, **kwargs) -> Module:
    """`module_cls(*args, **kwargs)`, as if its `reset_parameters` did nothing and drew no random numbers."""
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    without = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
    module = without(*args, **kwargs)
    module.__class__ = module_cls
    return module
