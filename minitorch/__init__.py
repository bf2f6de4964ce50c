"""minitorch: the deep-learning framework you can read.

A NumPy/Numba tensor library with reverse-mode autograd that has PyTorch's API, PyTorch's numbers and PyTorch's
random streams.
"""

from __future__ import annotations

from . import dtypes, methods, ops
from .core.op import PUBLIC
from .core.state import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .core.tensor import Tensor
from .dtypes import bfloat16, float16, float32, float64, int8, int16, int32, int64, uint8
from .dtypes import bool as bool
from .shapes import Size

methods.bind()
for _name, _function in PUBLIC.items():
    if "." not in _name:
        globals()[_name] = methods.with_out(_name, _function) if _name in methods.OUT else _function
