"""What a tensor tells about itself, and its ways out to Python and NumPy."""

from __future__ import annotations

import numpy as np

from .core.node import Leaf
from .core.op import function
from .core.state import state
from .core.tensor import Tensor, node_of, wrap, wrap_as
from .devices import CPU
from .memory_formats import check_memory_format
from .printing import tensor_text
from .shapes import Size, normalize_dim
from .strided import address, element_strides
from .strided import storage_offset as offset_in_storage

# Shape and memory.


@function(torch="Tensor.size")
def size(input: Tensor, dim: int | None = None):
    """The shape, or its entry `dim`."""
    shape = input.array.shape
    if dim is None:
        return Size(shape)
    dim = normalize_dim(dim, len(shape))
    if not shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return shape[dim]


@function(torch=("Tensor.dim", "Tensor.ndimension"))
def dim(input: Tensor) -> int:
    """The number of dimensions."""
    return input.array.ndim


@function(torch=("numel", "Tensor.numel", "Tensor.nelement"))
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.array.size


@function(torch="Tensor.element_size")
def element_size(input: Tensor) -> int:
    """Bytes per element."""
    return input.array.itemsize


@function(torch="Tensor.stride")
def stride(input: Tensor, dim: int | None = None):
    """Steps in memory, in elements, from one index to the next: for all dimensions, or for `dim`."""
    strides = element_strides(input.array)
    return strides if dim is None else strides[normalize_dim(dim, len(strides))]


@function(torch="Tensor.storage_offset")
def storage_offset(input: Tensor) -> int:
    """Where the first element stands in the memory that the tensor views, in elements."""
    return offset_in_storage(input.array)


@function(torch="Tensor.data_ptr")
def data_ptr(input: Tensor) -> int:
    """The address of the first element."""
    return address(input.array) if input.array.size else 0


@function(torch="Tensor.is_contiguous")
def is_contiguous(input: Tensor, memory_format=None) -> bool:
    """Whether the elements lie in memory in row-major order without gaps."""
    check_memory_format("is_contiguous", memory_format)
    if memory_format is not None and getattr(memory_format, "name", "") == "channels_last":
        array = input.array
        return array.ndim == 4 and array.transpose(0, 2, 3, 1).flags.c_contiguous
    return input.array.flags.c_contiguous


@function(torch="Tensor.is_set_to")
def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same view of the same memory."""
    a, b = input.array, tensor.array
    return data_ptr(input) == data_ptr(tensor) and a.shape == b.shape and a.strides == b.strides


@function(torch=("is_floating_point", "Tensor.is_floating_point"))
def is_floating_point(input: Tensor) -> bool:
    """Whether the type is float64, float32, float16 or bfloat16."""
    return input.dtype.is_floating_point


@function(torch=("is_complex", "Tensor.is_complex"))
def is_complex(input: Tensor) -> bool:
    """Always False: there are no complex tensors here."""
    return False


@function(torch=("is_nonzero", "Tensor.is_nonzero"))
def is_nonzero(input: Tensor) -> bool:
    """The truth of a tensor of one element."""
    return truth(input)


@function(torch=("is_signed", "Tensor.is_signed"))
def is_signed(input: Tensor) -> bool:
    """Whether the type holds negative numbers."""
    return input.dtype.is_signed


@function(torch="Tensor.get_device")
def get_device(input: Tensor) -> int:
    """-1: the tensor is on the CPU."""
    return -1


# Python numbers.


@function(torch="Tensor.item")
def item(input: Tensor):
    """The one element as a Python number. RuntimeError for any other number of elements."""
    array = input.array
    if array.size != 1:
        raise RuntimeError(
            f"item(): a Tensor with {array.size} elements cannot be converted to Scalar: {list(array.shape)}"
        )
    return array.item() if array.dtype.kind != "V" else float(array.reshape(()))


@function(torch="Tensor.tolist")
def tolist(input: Tensor):
    """The elements as nested lists of Python numbers (a number for a 0-dim tensor)."""
    array = input.array
    return (array.astype(np.float32) if array.dtype.kind == "V" else array).tolist()


@function(torch="Tensor.__bool__")
def truth(input: Tensor) -> bool:
    array = input.array
    if array.size != 1:
        if array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(array.item()) if array.dtype.kind != "V" else bool(float(array.reshape(())))


@function(torch="Tensor.__float__")
def to_float(input: Tensor) -> float:
    return float(item(input))


@function(torch="Tensor.__int__")
def to_int(input: Tensor) -> int:
    return int(item(input))


@function(torch="Tensor.__complex__")
def to_complex(input: Tensor) -> complex:
    return complex(item(input))


@function(torch="Tensor.__index__")
def to_index(input: Tensor) -> int:
    if input.array.dtype.kind not in "iub" or input.array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(input))


@function(torch="Tensor.__len__")
def length(input: Tensor) -> int:
    if input.array.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return len(input.array)


@function(torch="Tensor.__iter__")
def iterate(input: Tensor):
    if input.array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(input.unbind(0))


@function(torch="Tensor.__contains__")
def contains(input: Tensor, element) -> bool:
    if isinstance(element, (Tensor, int, float)):
        return bool((input == element).array.any())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element).__name__}."
    )


@function(torch="Tensor.__format__")
def format_tensor(input: Tensor, spec: str) -> str:
    """A 0-dim tensor is formatted as its number, anything else as its text. TypeError for a spec with the latter."""
    if input.array.ndim == 0 and type(input) is Tensor:
        return format(item(input), spec)
    return object.__format__(input, spec)


@function(torch=("Tensor.__repr__", "Tensor.__str__"))
def representation(input: Tensor, *, tensor_contents: str | None = None) -> str:
    node = node_of(input)
    grad_fn = None if node is None or type(node) is Leaf else node.name()
    kind = type(input).__name__
    prefix = "Parameter containing:\n" if kind == "Parameter" else ""
    name = "tensor" if kind in ("Tensor", "Parameter") else kind
    return prefix + tensor_text(
        input.array, name=name, grad_fn=grad_fn, requires_grad=type(node) is Leaf, contents=tensor_contents
    )


# NumPy and friends.


@function(torch="Tensor.numpy")
def numpy(input: Tensor, *, force: bool = False) -> np.ndarray:
    """The tensor's memory as an ndarray. RuntimeError for a tensor that requires grad, unless `force`."""
    if node_of(input) is not None and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    if input.array.dtype.kind == "V":
        raise TypeError("Got unsupported ScalarType BFloat16")
    return input.array


@function(torch="Tensor.__array__")
def as_ndarray(input: Tensor, dtype=None, copy: bool | None = None) -> np.ndarray:
    array = numpy(input)
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(f"converting a tensor of type {array.dtype} to {np.dtype(dtype)} needs a copy")
        return array.astype(dtype)
    return array.copy() if copy else array


@function(torch="Tensor.__dlpack__")
def to_dlpack(input: Tensor, **kwargs):
    if node_of(input) is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return input.array.__dlpack__(**{k: v for k, v in kwargs.items() if v is not None})


@function(torch="Tensor.__dlpack_device__")
def dlpack_device(input: Tensor) -> tuple[int, int]:
    return input.array.__dlpack_device__()


@function(torch="from_dlpack")
def from_dlpack(ext_tensor, *, device=None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of an object that speaks DLPack (NumPy, torch, JAX, ...)."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor
    return wrap(np.from_dlpack(ext_tensor))


# Copying and pickling.


@function(torch="Tensor.__deepcopy__")
def deepcopy(input: Tensor, memo: dict) -> Tensor:
    """An independent leaf with the same values, `requires_grad`, `grad` and attributes. RuntimeError for a non-leaf."""
    if id(input) in memo:
        return memo[id(input)]
    node = node_of(input)
    if node is not None and type(node) is not Leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
            "see https://github.com/pytorch/pytorch/pull/103001"
        )
    from copy import deepcopy as copy_object

    made = memo[id(input)] = wrap_as(type(input), input.array.copy(order="K"))
    if node is not None:
        made.requires_grad_()
    for name, value in vars(input).items():
        made.__dict__[name] = copy_object(value, memo)
    return made


@function(torch="Tensor.__copy__")
def shallow_copy(input: Tensor) -> Tensor:
    made = wrap_as(type(input), input.array)
    if node_of(input) is not None:
        made.requires_grad_()
    made.__dict__.update(vars(input))
    return made


def _rebuild(cls, array, requires_grad, attributes):
    made = wrap_as(cls, array)
    if requires_grad:
        made.requires_grad_()
    made.__dict__.update(attributes)
    return made


@function(torch="Tensor.__reduce_ex__")
def reduce_ex(input: Tensor, protocol: int):
    """Pickling keeps values, `requires_grad` and attributes; history cannot be pickled (RuntimeError)."""
    node = node_of(input)
    if node is not None and type(node) is not Leaf:
        raise RuntimeError("a tensor with history (grad_fn) cannot be pickled; detach() it first")
    attributes = {k: v for k, v in vars(input).items() if k != "_grad"}
    return _rebuild, (type(input), input.array, node is not None, attributes)


def bind_properties() -> None:
    """Properties whose values follow from the array alone."""
    for name, get in PROPERTIES.items():
        setattr(Tensor, name, property(get))


PROPERTIES = {
    "device": lambda self: CPU,
    "layout": lambda self: strided,
    "itemsize": lambda self: self.array.itemsize,
    "nbytes": lambda self: self.array.nbytes,
    "is_cuda": lambda self: False,
    "is_cpu": lambda self: True,
    "is_mps": lambda self: False,
    "is_xpu": lambda self: False,
    "is_meta": lambda self: False,
    "is_sparse": lambda self: False,
    "is_sparse_csr": lambda self: False,
    "is_mkldnn": lambda self: False,
    "is_quantized": lambda self: False,
    "is_nested": lambda self: False,
    "output_nr": lambda self: getattr(node_of(self), "index", 0),
    "name": lambda self: None,
    "names": lambda self: (None,) * self.array.ndim,
}


class _Layout:
    """How elements lie in memory; there is one, `strided`."""

    def __repr__(self):
        return "torch.strided"

    def __reduce__(self):
        return "strided"


strided: _Layout = _Layout()


@function(torch=("is_tensor",))
def is_tensor(obj) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


@function(torch="is_inference_mode_enabled")
def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on in this thread."""
    return state.inference


@function(torch="Tensor.share_memory_")
def share_memory_(input: Tensor) -> Tensor:
    """Does nothing: tensors are handed to worker processes by copying. Returns the tensor."""
    return input


@function(torch="Tensor.is_shared")
def is_shared(input: Tensor) -> bool:
    """False, see `share_memory_`."""
    return False


@function(torch="Tensor.is_inference")
def is_inference(input: Tensor) -> bool:
    """False: tensors carry no inference mark here."""
    return False
