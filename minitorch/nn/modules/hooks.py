"""Hooks of modules: functions that run before and after `forward`, and when gradients pass a module.

    call:      global pre-hooks, pre-hooks, forward, global hooks, hooks
    backward:  backward pre-hooks when the gradient of the outputs is known, backward hooks when that of the inputs is

A hook that returns something other than None replaces what it was shown.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict

from ...autograd import Function
from ...core.node import RemovableHandle as _Handle
from ...core.state import is_grad_enabled
from ...core.tensor import Tensor
from .tables import Tables


class RemovableHandle(_Handle):
    """What registering a hook returns: `remove()` takes the hook out of its table and those of its options."""

    def __init__(self, table: dict, *option_tables: dict):
        super().__init__(table)
        self.option_tables = option_tables

    def remove(self) -> None:
        super().remove()
        for table in self.option_tables:
            table.pop(self.id, None)


def register(table: OrderedDict, hook, *, prepend: bool = False, options: tuple = ()) -> RemovableHandle:
    """Put `hook` into an ordered table. options: (table, whether this hook has the option) pairs."""
    handle = RemovableHandle(table, *[option_table for option_table, _ in options])
    table[handle.id] = hook
    for option_table, chosen in options:
        if chosen:
            option_table[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class GlobalHooks:
    """Hooks that run for every module of the process."""

    forward_pre: OrderedDict = OrderedDict()
    forward: OrderedDict = OrderedDict()
    forward_with_kwargs: OrderedDict = OrderedDict()
    forward_always_called: OrderedDict = OrderedDict()
    backward_pre: OrderedDict = OrderedDict()
    backward: OrderedDict = OrderedDict()
    full_backward: OrderedDict = OrderedDict()
    parameter: OrderedDict = OrderedDict()
    buffer: OrderedDict = OrderedDict()
    module: OrderedDict = OrderedDict()


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; it may return other arguments."""
    return register(GlobalHooks.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; it may return another output."""
    return register(
        GlobalHooks.forward,
        hook,
        options=((GlobalHooks.forward_with_kwargs, with_kwargs), (GlobalHooks.forward_always_called, always_call)),
    )


def register_module_backward_hook(hook) -> RemovableHandle:
    """As `Module.register_backward_hook` (the old kind), for every module."""
    if GlobalHooks.full_backward:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    return register(GlobalHooks.backward, hook)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """As `Module.register_full_backward_pre_hook`, for every module."""
    return register(GlobalHooks.backward_pre, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """As `Module.register_full_backward_hook`, for every module."""
    if GlobalHooks.backward:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
            "Please use only one of them."
        )
    return register(GlobalHooks.full_backward, hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, parameter)` whenever a parameter is registered; it may return another one."""
    return register(GlobalHooks.parameter, hook)


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever a buffer is registered; it may return another one."""
    return register(GlobalHooks.buffer, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever a submodule is registered; it may return another one."""
    return register(GlobalHooks.module, hook)


def after_registration(table: dict, module, name: str, value):
    """`value` as the global registration hooks leave it."""
    for hook in table.values():
        result = hook(module, name, value)
        if result is not None:
            value = result
    return value


class _Gate(Function):
    """The identity on several tensors; all their gradients arrive together and go through one function."""

    @staticmethod
    def forward(ctx, on_gradients, *tensors):
        ctx.on_gradients = on_gradients
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx, *gradients):
        return (None, *ctx.on_gradients(gradients))


class BackwardHook:
    """One call of a module with its backward hooks: a gate around the inputs, another around the outputs.

    The outputs' gate is passed first in the backward pass. It runs the pre-hooks and remembers the gradients of the
    outputs; the inputs' gate then shows both to the hooks.
    """

    def __init__(self, module, hooks: list, pre_hooks: list):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple | None = None
        self.inputs_differentiable = False

    def around_inputs(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        args, self.inputs_differentiable = _gated(args, self._on_grad_inputs)
        return args

    def around_outputs(self, outputs):
        if not isinstance(outputs, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(outputs)}",
                stacklevel=4,
            )
            return outputs
        if isinstance(outputs, tuple):
            return _gated(outputs, self._on_grad_outputs)[0]
        return _gated((outputs,), self._on_grad_outputs)[0][0]

    def _on_grad_outputs(self, grad_outputs: tuple) -> tuple:
        for hook in self.pre_hooks:
            result = hook(self.module, grad_outputs)
            if result is None:
                continue
            result = result if isinstance(result, tuple) else (result,)
            if len(result) != len(grad_outputs):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(result)}, but expected {len(grad_outputs)}"
                )
            grad_outputs = result
        if self.inputs_differentiable:
            self.grad_outputs = grad_outputs
        else:
            self._run_without_grad_inputs(grad_outputs)
        return grad_outputs

    def _run_without_grad_inputs(self, grad_outputs: tuple) -> None:
        if self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                "inputs require gradients.",
                stacklevel=2,
            )
        for hook in self.hooks:
            result = hook(self.module, (None,) * self.n_inputs, grad_outputs)
            if result is not None and not (isinstance(result, tuple) and all(g is None for g in result)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )

    def _on_grad_inputs(self, grad_inputs: tuple) -> tuple:
        if self.grad_outputs is None:
            return grad_inputs
        for hook in self.hooks:
            result = hook(self.module, grad_inputs, self.grad_outputs)
            if result is None:
                continue
            result = result if isinstance(result, tuple) else (result,)
            if len(result) != len(grad_inputs):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(result)}, but expected {len(grad_inputs)}"
                )
            grad_inputs = result
        self.grad_outputs = None
        return grad_inputs


def _gated(values: tuple, on_gradients) -> tuple[tuple, bool]:
    """`values` with their tensors behind a gate, and whether there was anything to differentiate.

    on_gradients: a function of one gradient for each value (None for what is no tensor), returning the same.
    """
    where = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not (is_grad_enabled() and any(values[i].requires_grad for i in where)):
        return values, False

    def on_tensors(gradients):
        spread = [None] * len(values)
        for i, gradient in zip(where, gradients, strict=True):
            spread[i] = gradient
        spread = on_gradients(tuple(spread))
        return [spread[i] for i in where]

    replaced = list(values)
    for i, tensor in zip(where, _Gate.apply(on_tensors, *[values[i] for i in where]), strict=True):
        replaced[i] = tensor
    # A namedtuple takes its fields one by one.
    return (tuple(replaced) if type(values) is tuple else type(values)(*replaced)), True


def call_with_hooks(module, args: tuple, kwargs: dict):
    """`module.forward(*args, **kwargs)` with every hook around it."""
    output, done = None, set()
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        backward_hooks, old_hooks = list(GlobalHooks.full_backward.values()), list(GlobalHooks.backward.values())
        (backward_hooks if module._is_full_backward_hook else old_hooks).extend(module._backward_hooks.values())
        pre_hooks = [*GlobalHooks.backward_pre.values(), *module._backward_pre_hooks.values()]
        backward = BackwardHook(module, backward_hooks, pre_hooks) if backward_hooks or pre_hooks else None
        if backward is not None:
            args = backward.around_inputs(args)
        output = module.forward(*args, **kwargs)
        for key, hook, with_kwargs, _ in _forward_hooks(module):
            done.add(key)
            result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            if result is not None:
                output = result
        if backward is not None:
            output = backward.around_outputs(output)
        if old_hooks:
            _attach_old_hooks(module, output, old_hooks)
        return output
    except Exception:
        for key, hook, with_kwargs, always in _forward_hooks(module):
            if always and key not in done:
                try:
                    result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
                    if result is not None:
                        output = result
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


def _run_pre_hooks(module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    for key, hook in (*GlobalHooks.forward_pre.items(), *module._forward_pre_hooks.items()):
        if key in module._forward_pre_hooks_with_kwargs:
            result = hook(module, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        else:
            result = hook(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
    return args, kwargs


def _forward_hooks(module):
    """(key, hook, wants kwargs, called after an error too), the global ones first."""
    for key, hook in tuple(GlobalHooks.forward.items()):
        yield key, hook, key in GlobalHooks.forward_with_kwargs, key in GlobalHooks.forward_always_called
    for key, hook in tuple(module._forward_hooks.items()):
        yield key, hook, key in module._forward_hooks_with_kwargs, key in module._forward_hooks_always_called


def _attach_old_hooks(module, output, hooks: list) -> None:
    """The old kind of backward hook watches one node only: the one that made the (first) output."""
    while not isinstance(output, Tensor):
        if isinstance(output, dict):
            output = next(value for value in output.values() if isinstance(value, Tensor))
        else:
            output = output[0]
    if output.grad_fn is not None:
        for hook in hooks:
            output.grad_fn.register_hook(
                lambda grad_inputs, grad_outputs, hook=hook: hook(module, grad_inputs, grad_outputs)
            )


_OLD_AND_NEW_HOOKS = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only one of them."
)


class HookRegistration(Tables):
    """The part of a Module that takes hooks (abstract: `Module` supplies the tables)."""

    def register_forward_pre_hook(self, hook, *, prepend: bool = False, with_kwargs: bool = False) -> RemovableHandle:
        """Call `hook(module, args)` before forward; it may return other arguments (a tuple, or one value).

        with_kwargs: `hook(module, args, kwargs)`, returning None or (args, kwargs). prepend: run it first.
        """
        return register(
            self._forward_pre_hooks,
            hook,
            prepend=prepend,
            options=((self._forward_pre_hooks_with_kwargs, with_kwargs),),
        )

    def register_forward_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; it may return another output.

        with_kwargs: `hook(module, args, kwargs, output)`. always_call: also when forward raised.
        """
        return register(
            self._forward_hooks,
            hook,
            prepend=prepend,
            options=(
                (self._forward_hooks_with_kwargs, with_kwargs),
                (self._forward_hooks_always_called, always_call),
            ),
        )

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradient of the outputs is known; it may return another one."""
        return register(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradient of the inputs is known.

        Both are tuples with one entry for each positional argument (output), None for what is no tensor. The hook may
        return another grad_input.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_OLD_AND_NEW_HOOKS)
        self._is_full_backward_hook = True
        return register(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """The old kind of backward hook: it sees only the last operation of forward."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_OLD_AND_NEW_HOOKS)
        self._is_full_backward_hook = False
        return register(self._backward_hooks, hook)
