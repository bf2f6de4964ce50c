"""Wrappers for several devices. There is one device here: they pass everything on to the module they hold."""

from __future__ import annotations

from .modules.module import Module


class DataParallel(Module):
    """Holds a module as `.module` and calls it; names in the state_dict begin with "module.", as torch's do."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        self.device_ids: list[int] = []
        self.output_device = output_device

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """As DataParallel, for one process."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0, **options) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        self.device_ids = device_ids
        self.output_device = output_device

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module: Module, inputs, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None):
    """`module(*inputs, **module_kwargs)`."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
