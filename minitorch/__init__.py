"""minitorch: the deep-learning framework you can read.

A NumPy/Numba tensor library with reverse-mode autograd that has PyTorch's API, PyTorch's numbers and PyTorch's
random streams.
"""

from __future__ import annotations

import importlib
import warnings

from . import access, autograd, dtypes, extend, legacy, methods, ops, settings, storage
from .access import strided
from .amp.autocast_mode import autocast, get_autocast_dtype, is_autocast_enabled
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .batching import vmap
from .core.op import PUBLIC, op
from .core.tensor import Tensor
from .devices import device
from .dtypes import (
    bfloat16,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from .dtypes import bool as bool
from .generator import Generator, default_generator
from .kernels.threads import get_num_threads, set_num_threads
from .memory_formats import channels_last, channels_last_3d, contiguous_format, memory_format, preserve_format
from .printing import get_printoptions, set_printoptions
from .random import fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .settings import (
    _assert,
    are_deterministic_algorithms_enabled,
    compile,
    get_default_device,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_inference_mode_enabled,
    set_default_device,
    set_default_tensor_type,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    typename,
    use_deterministic_algorithms,
)
from .shapes import Size

# Overflow, division by zero and nan are values here, as in torch, not events.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minitorch\.")

double, half, long, short = float64, float16, int64, int16
inf, nan, pi, e = float("inf"), float("nan"), 3.141592653589793, 2.718281828459045

__version__ = "0.1.0"

methods.bind()
access.bind_properties()
legacy.bind()
globals().update(legacy.TYPES, **storage.STORAGES)
settings.TENSOR_TYPES.update({name: kind.dtype for name, kind in legacy.TYPES.items()})
for _name, _function in PUBLIC.items():
    if "." not in _name:
        globals()[_name] = methods.as_function(_name, _function)
float, int = float32, int32


_SUBMODULES = frozenset(
    [
        "_C",
        "accelerator",
        "amp",
        "backends",
        "cli",
        "compiler",
        "cuda",
        "distributed",
        "distributions",
        "func",
        "futures",
        "fx",
        "hub",
        "interop",
        "io",
        "jit",
        "kernels",
        "linalg",
        "models",
        "multiprocessing",
        "nn",
        "onnx",
        "optim",
        "profiler",
        "serialization",
        "special",
        "testing",
        "utils",
        "version",
        "vision",
        "viz",
    ]
)


_LAZY = {
    "save": "serialization",
    "load": "serialization",
    "from_torch": "interop",
    "to_torch": "interop",
    "enable_einops": "interop",
}  # functions at home in a submodule


def __getattr__(name):
    # Loaded when first asked for, so that `import minitorch` stays fast.
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'minitorch' has no attribute {name!r}")
