"""Instance normalisation: batch norm over each sample by itself. Ulyanov, Vedaldi, Lempitsky (2016)."""

from __future__ import annotations

import warnings

from ...core.tensor import Tensor
from .. import functional as F
from .batchnorm import _check_ndim, _LazyNormBase, _NormBase


class _InstanceNorm(_NormBase):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, mean and variance of each channel of each sample (abstract).

    The statistics are the input's own, unless running averages of them are kept (track_running_stats) and the module
    is in evaluation mode.
    """

    # Dimensions of an input without a batch dimension.
    ndim: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Tensor) -> None:
        _check_ndim(input, self.ndim, self.ndim + 1)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args) -> None:
        if local_metadata.get("version", None) is None and not self.track_running_stats:
            # Running statistics were tracked by default once.
            old = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if old:
                errors, name = args[-1], type(self).__name__
                errors.append(
                    f"Unexpected running stats buffer(s) {' and '.join(repr(key) for key in old)} for {name} with "
                    "track_running_stats=False. Please remove these keys from state_dict. If the running stats are "
                    f"actually needed, instead set track_running_stats=True in {name} to enable them."
                )
                for key in old:
                    state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        channels = input.ndim - self.ndim
        if input.size(channels) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={channels} to match num_features ({self.num_features}), "
                    f"but got: {input.size(channels)}."
                )
            warnings.warn(
                f"input's size at dim={channels} does not match num_features. You can silence this warning by not "
                "passing in num_features, which is not used because affine=False",
                stacklevel=2,
            )
        batched = input if channels == 1 else input.unsqueeze(0)
        output = F.instance_norm(
            batched,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return output if channels == 1 else output.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Instance norm over L. input: (N, C, L) or (C, L)."""

    ndim = 2


class InstanceNorm2d(_InstanceNorm):
    """Instance norm over (H, W). input: (N, C, H, W) or (C, H, W)."""

    ndim = 3


class InstanceNorm3d(_InstanceNorm):
    """Instance norm over (D, H, W). input: (N, C, D, H, W) or (C, D, H, W)."""

    ndim = 4


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """InstanceNorm1d that learns num_features from its first input."""

    cls_to_become = InstanceNorm1d
    ndim = 2


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """InstanceNorm2d that learns num_features from its first input."""

    cls_to_become = InstanceNorm2d
    ndim = 3


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """InstanceNorm3d that learns num_features from its first input."""

    cls_to_become = InstanceNorm3d
    ndim = 4
