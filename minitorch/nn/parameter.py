"""Parameter and Buffer: tensors that a module notices when they are assigned to it."""

from __future__ import annotations

import numpy as np

from ..core.tensor import Tensor, wrap_as
from ..dtypes import as_numpy_dtype, get_default_dtype


class _ParameterMeta(type):
    """`isinstance(x, Parameter)` also holds for a user's own tensor type that was marked as a parameter."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Parameter and isinstance(instance, Tensor) and getattr(instance, "_is_param", False)


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that is a module's parameter: assigned as an attribute, it appears in `module.parameters()`.

    data: the values (shared, not copied); None makes an empty parameter. A Parameter requires grad by default, and
    results of operations on it are plain tensors.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True):
        if data is None:
            return wrap_as(cls, np.empty(0, get_default_dtype().numpy)).requires_grad_(requires_grad)
        if type(data) is not Tensor and not isinstance(data, Parameter):
            # A user's own tensor type stays what it is and is only marked.
            marked = data.detach().requires_grad_(requires_grad)
            if type(marked) is type(data):
                marked.__dict__["_is_param"] = True
                return marked  # type: ignore[return-value]
        return wrap_as(cls, data.array).requires_grad_(requires_grad)

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        attributes = {name: value for name, value in self.__dict__.items() if name != "_grad"}
        return _rebuild_parameter, (self.array, self.requires_grad, attributes)


def _rebuild_parameter(array: np.ndarray, requires_grad: bool, attributes: dict) -> Parameter:
    parameter = wrap_as(Parameter, array).requires_grad_(requires_grad)
    parameter.__dict__.update(attributes)
    return parameter  # type: ignore[return-value]


class _BufferMeta(type):
    """`isinstance(x, Buffer)` holds for a tensor that was marked as a buffer."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Buffer and isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that is part of a module's state but not a parameter, such as a running mean.

    persistent: whether it belongs in the module's `state_dict`. What is returned is a plain tensor with a mark.
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True):
        if data is None:
            data = wrap_as(Tensor, np.empty(0, get_default_dtype().numpy))
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.__dict__.update(persistent=persistent, _is_buffer=True)
        return buffer


class UninitializedTensorMixin(Tensor):
    """What parameters and buffers whose shape is not known yet have in common."""

    __slots__ = ()
    cls_to_become: type[Tensor]

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Become an ordinary parameter (or buffer) of this shape, uninitialised, in place."""
        dtype = self.array.dtype if dtype is None else as_numpy_dtype(dtype)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        self.data = wrap_as(Tensor, np.empty(tuple(shape), dtype))

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def size(self, dim=None):
        return self.shape

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the parameters "
            "before calling `module.share_memory()`."
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape a lazy module learns from its first input."""

    __slots__ = ()
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        array = np.empty(0, as_numpy_dtype(get_default_dtype() if dtype is None else dtype))
        return wrap_as(cls, array).requires_grad_(requires_grad)

    def __init__(self, requires_grad: bool = True, device=None, dtype=None):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return UninitializedParameter, (self.requires_grad, None, self.dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape a lazy module learns from its first input."""

    __slots__ = ()
    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        array = np.empty(0, as_numpy_dtype(get_default_dtype() if dtype is None else dtype))
        buffer = wrap_as(cls, array).requires_grad_(requires_grad)
        buffer.__dict__.update(persistent=persistent, _is_buffer=True)
        return buffer

    def __init__(self, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, dtype=self.dtype, persistent=self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return UninitializedBuffer, (self.requires_grad, None, self.dtype, self.persistent)


def is_lazy(value) -> bool:
    """Whether `value` is a parameter or buffer without a shape yet."""
    return isinstance(value, UninitializedTensorMixin)
