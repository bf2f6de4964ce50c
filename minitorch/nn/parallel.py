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


def scatter(inputs, target_gpus, dim: int = 0):
    """[inputs]: all of it for the one device there is."""
    return [inputs]


def gather(outputs, target_device, dim: int = 0):
    """The outputs of the devices joined along `dim`: those of the one there is."""
    return outputs[0]


def replicate(network: Module, devices, detach: bool = False) -> list[Module]:
    """[network]: a copy for each device, of which there is one."""
    return [network]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None) -> list:
    """Every module on its input."""
    options = kwargs_tup or [{}] * len(modules)
    pairs = zip(modules, inputs, options, strict=True)
    return [module(*(x if isinstance(x, tuple) else (x,)), **extra) for module, x, extra in pairs]
