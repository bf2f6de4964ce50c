"""Dropout in all its forms (Srivastava et al. 2014; alpha dropout: Klambauer et al. 2017, section 3).

During training every element (or every whole channel) is dropped with probability p, and the others are scaled by
1 / (1 - p), so that the expectation stays; otherwise the input is returned as it is. The masks are torch's: one
`bernoulli_(1 - p)` draw an element, in the memory order of the input.
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from .. import samplers
from ..core.inplace import apply_in_place
from ..core.levels import draws
from ..core.op import ELEMENTWISE, SAME, function, op
from ..core.tensor import Tensor, wrap
from ..dtypes import NUMPY_HALF
from ..generator import default_generator
from ..rounding import FLOAT32, as_type
from .comparison import choose
from .factory import empty_like_array

# -scale * alpha of SELU, the value to which alpha dropout sets what it drops.
SELU_SATURATION = 1.7580993408473766


@op(
    ELEMENTWISE,
    dtype=SAME,
    vjp=dict(input=lambda g, mask, scale: masked_scale(g, mask=mask, scale=scale)),
    backward_name="MulBackward0",
)
def masked_scale(input, *, mask, scale):
    """z = input * mask * scale, for a bool mask that broadcasts"""
    return np.multiply(input, np.multiply(mask, scale, dtype=input.dtype), out=np.empty_like(input))


@draws
def _draw_mask(like: np.ndarray, p: float, channels: bool) -> np.ndarray:
    """True where an element (a channel) of `like` is kept."""
    if channels:
        if like.ndim < 2:
            raise RuntimeError(f"Feature dropout requires at least 2 dimensions in the input, got {list(like.shape)}")
        mask = np.empty(like.shape[:2] + (1,) * (like.ndim - 2), np.bool_)
    else:
        mask = empty_like_array(like, np.dtype(np.bool_))
    return samplers.arrange(samplers.bernoulli(default_generator, mask.size, mask.dtype, 1 - p), mask)


def _dropped(input: Tensor, p: float, *, like: np.ndarray, channels: bool) -> Tensor:
    if p == 1:
        return masked_scale(input, mask=np.zeros((), np.bool_), scale=0.0)
    dtype = input.array.dtype
    wide = FLOAT32 if dtype in NUMPY_HALF else dtype
    scale = as_type(wide.type(1) / np.array(1 - p, wide), dtype)
    return masked_scale(input, mask=_draw_mask(like, p, channels), scale=scale.astype(wide)[()])


def _alpha_dropped(input: Tensor, p: float, *, like: np.ndarray, channels: bool) -> Tensor:
    """Dropped elements become the saturation value of SELU, then all is scaled and shifted back to mean 0, variance 1.

    z = a * (input * mask + saturation * (1 - mask)) + b
    """
    if p == 1:
        return _dropped(input, p, like=like, channels=channels)
    a = 1.0 / math.sqrt((SELU_SATURATION**2 * p + 1) * (1 - p))
    mask = _draw_mask(like, p, channels)
    dtype = input.array.dtype
    saturation, shift = np.array(-SELU_SATURATION * a, dtype), np.array(SELU_SATURATION * a * p, dtype)
    offset = choose(wrap(mask), wrap(shift), wrap(saturation + shift))
    return masked_scale(input, mask=mask, scale=float(np.array(a, dtype))) + offset


def _dropout(name: str, apply, input: Tensor, p: float, training: bool, inplace: bool, *, channels: bool) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    if p == 0 or not training or input.array.size == 0:
        return input
    if input.array.dtype.kind in "biu":
        raise RuntimeError(f"{name}(): result type Float can't be cast to the desired output type {input.dtype}")

    def drop(old: Tensor) -> Tensor:
        return apply(old, p, like=input.array, channels=channels)

    return apply_in_place(name, drop, input) if inplace else drop(input)


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


# torch.nn.functional.


@function(torch="nn.functional.dropout")
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero every element with probability `p`, scale the others by 1 / (1 - p). ValueError for p outside [0, 1]."""
    _check_p(p)
    return _dropout("dropout", _dropped, input, p, training, inplace, channels=False)


@function(torch="nn.functional.alpha_dropout")
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for SELU networks: mean and variance stay what they were. ValueError for p outside [0, 1]."""
    _check_p(p)
    return _dropout("alpha_dropout", _alpha_dropped, input, p, training, inplace, channels=False)


@function(torch="nn.functional.feature_alpha_dropout")
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels: input (N, C, ...). ValueError for p outside [0, 1]."""
    _check_p(p)
    return _dropout("feature_alpha_dropout", _alpha_dropped, input, p, training, inplace, channels=True)


def _channels(name: str, input: Tensor, p: float, training: bool, inplace: bool, *, unbatched: bool) -> Tensor:
    if not unbatched:
        return _dropout(name, _dropped, input, p, training, inplace, channels=True)
    if inplace:
        return _dropout(name, _dropped, input.unsqueeze(0), p, training, True, channels=True).squeeze(0)
    return _dropout(name, _dropped, input.unsqueeze(0), p, training, False, channels=True).squeeze(0)


def _warn_of_dimensions(name: str, ndim: int, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Note that {name} "
        f"exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, and "
        f"an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


@function(torch="nn.functional.dropout1d")
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability `p`: input (N, C, L) or (C, L). RuntimeError for other dimensions."""
    _check_p(p)
    ndim = input.array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input")
    return _channels("dropout1d", input, p, training, inplace, unbatched=ndim == 2)


@function(torch="nn.functional.dropout2d")
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability `p`: input (N, C, H, W). Three dimensions count as (N, C, L)."""
    _check_p(p)
    ndim = input.array.ndim
    if ndim not in (3, 4):
        _warn_of_dimensions("dropout2d", ndim, 2)
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _channels("dropout2d", input, p, training, inplace, unbatched=False)


@function(torch="nn.functional.dropout3d")
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability `p`: input (N, C, D, H, W) or (C, D, H, W)."""
    _check_p(p)
    ndim = input.array.ndim
    if ndim not in (4, 5):
        _warn_of_dimensions("dropout3d", ndim, 3)
    return _channels("dropout3d", input, p, training, inplace, unbatched=ndim != 5)


# torch.dropout and its relatives, which take p and train by position and raise RuntimeError.


def _declare(name: str, apply, channels: bool) -> None:
    def out_of_place(input: Tensor, p: float, train: bool) -> Tensor:
        return checked(input, p, train, False)

    def in_place(input: Tensor, p: float, train: bool) -> Tensor:
        return checked(input, p, train, True)

    def checked(input: Tensor, p: float, train: bool, inplace: bool) -> Tensor:
        if not 0 <= p <= 1:
            raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
        return _dropout(name, apply, input, p, train, inplace, channels=channels)

    out_of_place.__doc__ = f"`nn.functional.{name}` with its arguments by position; RuntimeError for p outside [0, 1]."
    in_place.__doc__ = f"`{name}` of the tensor's own memory."
    function(torch=name)(out_of_place)
    function(torch=f"{name}_")(in_place)


for _name, _apply, _by_channel in (
    ("dropout", _dropped, False),
    ("feature_dropout", _dropped, True),
    ("alpha_dropout", _alpha_dropped, False),
    ("feature_alpha_dropout", _alpha_dropped, True),
):
    _declare(_name, _apply, _by_channel)
