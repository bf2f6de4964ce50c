"""Lazy modules: layers that learn the size of their input from the first call."""

from __future__ import annotations

from ...core.state import no_grad
from ..parameter import is_lazy
from .hooks import HookRegistration
from .state import StateDict


class LazyModuleMixin(StateDict, HookRegistration):
    """Put before a Module class whose parameters may be uninitialised (abstract).

    The first call runs `initialize_parameters` on the arguments of `forward`, then the module becomes an ordinary one
    (its class changes to `cls_to_become`). Loading a state_dict also makes the parameters.
    """

    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._own_state().items():
            # One without a shape is stored as it is: there is nothing to detach yet.
            destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()

    def _lazy_load_hook(self, state_dict, prefix, *args) -> None:
        for name, tensor in {**self._parameters, **self._buffers}.items():
            source = state_dict.get(prefix + name)
            if source is not None and is_lazy(tensor) and not is_lazy(source):
                with no_grad():
                    tensor.materialize(source.shape)

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Make the parameters for these arguments of `forward`. Subclasses define it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether some parameter or buffer has no shape yet."""
        return any(is_lazy(tensor) for tensor in (*self._parameters.values(), *self._buffers.values()))

    def _infer_parameters(self, module, args: tuple, kwargs: dict | None = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {type(self).__name__} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
