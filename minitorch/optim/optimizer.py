"""Optimizer: parameters in groups with their options, and the state that a method keeps for each parameter.

    param_groups   [{"params": [p, q], "lr": 0.1, ...}, ...]     options are read from here at every step
    state          {p: {"step": ..., "exp_avg": ...}, ...}       made at a parameter's first step

A method subclasses `PerParameter` and defines `_update`, which moves one parameter.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from ..core.state import enable_grad, no_grad
from ..core.tensor import Tensor, bump_version, wrap
from ..dtypes import NUMPY_HALF, float32, float64, get_default_dtype
from ..kernels.registry import step_kernel
from ..nn.modules.hooks import RemovableHandle, register
from ..nn.modules.module import type_name


class _Required:
    """The default of an option that must be given."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_global_pre_hooks: OrderedDict = OrderedDict()
_global_post_hooks: OrderedDict = OrderedDict()


def register_optimizer_step_pre_hook(hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimizer."""
    return register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimizer."""
    return register(_global_post_hooks, hook)


def with_step_hooks(step: Callable) -> Callable:
    """`step` with the hooks of the optimizer, and the global ones, around it."""

    @functools.wraps(step)
    def wrapper(self, *args, **kwargs):
        args = (self, *args)
        for hook in chain(_global_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        loss = step(*args, **kwargs)
        for hook in chain(self._optimizer_step_post_hooks.values(), _global_post_hooks.values()):
            hook(self, args, kwargs)
        return loss

    wrapper.hooked = True  # type: ignore[attr-defined]
    return wrapper


class Optimizer:
    """The base class of all optimizers.

    params: an iterable of tensors, of (name, tensor) pairs, or of dictionaries {"params": ..., option: value}, one for
    each group. defaults: the options that a group does not give.
    """

    _optimizer_step_pre_hooks: OrderedDict
    _optimizer_step_post_hooks: OrderedDict
    _optimizer_state_dict_pre_hooks: OrderedDict
    _optimizer_state_dict_post_hooks: OrderedDict
    _optimizer_load_state_dict_pre_hooks: OrderedDict
    _optimizer_load_state_dict_post_hooks: OrderedDict

    def __init__(self, params: Iterable, defaults: dict) -> None:
        self.defaults = defaults
        self._make_hook_tables()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + params.type()
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hook_tables(self) -> None:
        for name in Optimizer.__annotations__:
            self.__dict__.setdefault(name, OrderedDict())
        # Once for each class, so that a program may also replace `step` of one optimizer.
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = with_step_hooks(cls.step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._make_hook_tables()
        # Groups saved by an older version may lack options; steps were once plain numbers.
        for group in self.param_groups:
            for name, value in self.defaults.items():
                if value is not required:
                    group.setdefault(name, value)
            for p in group["params"]:
                step = self.state.get(p, {}).get("step") if isinstance(p, Tensor) else None
                if isinstance(step, (int, float)) and self._tensor_step:
                    self.state[p]["step"] = scalar(step)

    # Whether this method counts its steps in a tensor.
    _tensor_step = True

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"\nParameter Group {i}\n")
            lines += [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
        return f"{type(self).__name__} ({''.join(lines)})"

    def step(self, closure: Callable[[], float] | None = None):
        """Move the parameters once. closure: computes the loss anew and calls backward; its value is returned."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters (set_to_none=False fills them with zeros instead)."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    if set_to_none:
                        p.grad = None
                    else:
                        p.grad = p.grad.detach()
                        p.grad.zero_()

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters with options of their own. ValueError when a parameter is in another group already."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [entry[0] for entry in params if isinstance(entry, tuple)]
        params = param_group["params"] = [entry[1] if isinstance(entry, tuple) else entry for entry in params]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type_name(p)}")
            if not self.defaults.get("differentiable", None) and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                text = "with names" if names else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {text} to the optimizer"
                )
            if not set(params).isdisjoint(group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # saving and loading

    def state_dict(self) -> dict:
        """{"state": {index: state}, "param_groups": [options and indices]}, parameters counted through the groups."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        index: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(id(p), len(index))
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append({**packed, "params": [index[id(p)] for p in group["params"]]})
        state = {index[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict) -> None:
        """Take options and state from what `state_dict` returned. ValueError when the groups do not match."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(group["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
        saved_indices = chain.from_iterable(group["params"] for group in saved_groups)
        parameters = chain.from_iterable(group["params"] for group in self.param_groups)
        parameter_of = dict(zip(saved_indices, parameters, strict=True))

        state: defaultdict = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in parameter_of:
                state[parameter_of[key]] = _cast(parameter_of[key], value)
            else:
                state[key] = value
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # hooks

    def register_step_pre_hook(self, hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before `step`; it may return other (args, kwargs)."""
        return register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after `step`."""
        return register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return register(self._optimizer_state_dict_pre_hooks, hook, prepend=prepend)

    def register_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return register(self._optimizer_state_dict_post_hooks, hook, prepend=prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; it may return another one."""
        return register(self._optimizer_load_state_dict_pre_hooks, hook, prepend=prepend)

    def register_load_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return register(self._optimizer_load_state_dict_post_hooks, hook, prepend=prepend)


def _cast(parameter: Tensor, value, key=None):
    """State as loaded, in the parameter's type; counts of steps keep their own."""
    if isinstance(value, Tensor):
        keeps_type = key == "step" or not parameter.is_floating_point()
        return value if keeps_type else value.to(dtype=parameter.dtype)
    if isinstance(value, dict):
        return {name: _cast(parameter, v, name) for name, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return type(value)(_cast(parameter, v) for v in value)  # type: ignore[call-arg]
    return value


# What the methods share.


class PerParameter(Optimizer):
    """An optimizer that moves each parameter by itself (abstract).

    A subclass defines `_update(p, group)`, which keeps the state and hands the arrays to `rule`: a function of ndarrays
    (param, grad, *state, **options) that changes param and state in place and leaves grad as it is. Where there is a
    kernel for the rule (kernels/steps.py), the arrays are collected and it runs once, over all of them.
    """

    rule: Callable
    _kernel: Any = None

    def step(self, closure: Callable[[], float] | None = None):
        """Move the parameters once. closure: computes the loss anew and calls backward; its value is returned."""
        with no_grad():
            loss = None
            if closure is not None:
                with enable_grad():
                    loss = closure()
            for group in self.param_groups:
                _refuse_unsupported(group)
                params = [p for p in group["params"] if p._grad is not None]
                once = len(params) == len(set(map(id, params)))
                self._kernel = step_kernel(type(self).rule.__name__, params) if once else None
                self._collected: dict[tuple, tuple[dict, list]] = {}  # by the values of their options
                for p in params:
                    self._update(p, group)
                for options, many in self._collected.values():
                    self._kernel.run(many, **options)
                self._collected = {}
            return loss

    def _update(self, p: Tensor, group: dict) -> None:
        raise NotImplementedError

    def _run(self, p: Tensor, *state: Tensor | None, **options) -> None:
        """Call the rule. Half types are computed in float32 and rounded once at the end."""
        arrays = [p.array, p._grad.array, *[None if s is None else s.array for s in state]]
        if self._kernel is not None and self._kernel.suits(arrays, options):
            self._collected.setdefault(tuple(options.values()), (options, []))[1].append(arrays)
            bump_version(p)
            return
        if p.array.dtype in NUMPY_HALF:
            wide = [None if a is None else a.astype(np.float32) for a in arrays]
            type(self).rule(*wide, **options)
            # All but the gradient.
            for array, result in zip(arrays[:1] + arrays[2:], wide[:1] + wide[2:], strict=True):
                if array is not None and result is not None:
                    np.copyto(array, result, casting="unsafe")
        else:
            type(self).rule(*arrays, **options)
        bump_version(p)


def _refuse_unsupported(group: dict) -> None:
    if group.get("differentiable"):
        raise NotImplementedError("differentiable=True: steps work on arrays here and cannot be differentiated")
    if group.get("capturable"):
        raise AssertionError(
            "If capturable=True, params and state_steps must be on supported devices: "
            "['cuda', 'xpu', 'hpu', 'privateuseone', 'xla']."
        )


def scalar(value: float) -> Tensor:
    """A 0-dim tensor for counts and the like: float64 if that is the default type, else float32."""
    dtype = float64 if get_default_dtype() is float64 else float32
    return wrap(np.array(value, dtype.numpy))


def zeros_of(p: Tensor) -> Tensor:
    """State of the shape, type and memory order of a parameter."""
    return wrap(np.zeros_like(p.array))


def count_step(state: dict) -> float:
    """Count one step; returns how many there have been."""
    array = state["step"].array
    np.add(array, 1, out=array)
    return float(array)


def check_lr(lr: float | Tensor) -> None:
    """ValueError for a negative learning rate, or one that is a tensor of several elements."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_betas(betas: tuple) -> None:
    """ValueError unless both are in [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_not_negative(**options: float) -> None:
    """ValueError for options that are negative."""
    for name, value in options.items():
        if not 0.0 <= value:
            raise ValueError(f"Invalid {name} value: {value}")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """RuntimeError for implementations that exclude each other. All of them are one and the same here."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
