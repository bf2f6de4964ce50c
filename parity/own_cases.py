"""Cases for operations that torch's test database leaves out, in its own form (``OpInfo``): they run like the rest.

A line is: name, the callable, its calls. In a call, a ``Shape`` stands for a random float tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.testing import make_tensor
from torch.testing._internal.common_dtype import all_types_and, floating_types
from torch.testing._internal.opinfo.core import OpInfo, SampleInput


class Shape(tuple):
    """Stands for a random tensor of this shape."""


def call(*args: Any, **kwargs: Any) -> tuple[tuple, dict]:
    return args, kwargs


S = Shape
DIFFERENTIABLE: list[tuple[str, Callable, list]] = [
    ("nn.functional.fold", F.fold, [
        call(S((2, 12, 12)), (4, 5), (2, 2)),
        call(S((1, 8, 4)), (4, 4), 2, stride=2),
        call(S((2, 4, 9)), (3, 3), (2, 2), padding=1, stride=(2, 2), dilation=1),
        call(S((1, 4, 9)), (5, 5), (2, 2), dilation=2),
        call(S((8, 4)), (4, 4), 2, stride=2),
    ]),
    ("nn.functional.affine_grid", F.affine_grid, [
        call(S((2, 2, 3)), (2, 3, 4, 5), align_corners=False),
        call(S((2, 2, 3)), (2, 1, 3, 3), align_corners=True),
        call(S((1, 3, 4)), (1, 2, 2, 3, 4), align_corners=False),
    ]),
    ("nn.functional.lp_pool1d", F.lp_pool1d, [
        call(S((2, 3, 8)), 2, 3),
        call(S((2, 3, 9)), 3.0, 2, stride=1),
        call(S((3, 7)), 1.5, 3, ceil_mode=True),
    ]),
    ("nn.functional.lp_pool2d", F.lp_pool2d, [
        call(S((2, 3, 6, 6)), 2, 2),
        call(S((1, 2, 5, 7)), 3.0, (2, 3), stride=(1, 2), ceil_mode=True),
    ]),
    ("nn.functional.lp_pool3d", F.lp_pool3d, [
        call(S((1, 2, 4, 4, 4)), 2, 2),
        call(S((1, 1, 4, 5, 6)), 2.5, (2, 2, 3), stride=(1, 2, 3)),
    ]),
    ("nn.functional.gumbel_softmax", F.gumbel_softmax, [
        call(S((4, 5))), call(S((4, 5)), tau=0.5, dim=0), call(S((2, 3, 4)), hard=True), call(S((20,))),
    ]),
    ("nn.functional.dropout1d", F.dropout1d, [
        call(S((4, 5, 6)), 0.5), call(S((5, 6)), 0.3, training=True), call(S((4, 5, 6)), 0.7, training=False),
    ]),
    ("nn.functional.upsample", F.upsample, [
        call(S((1, 2, 3, 4)), scale_factor=2), call(S((1, 2, 3)), size=7, mode="linear", align_corners=True),
    ]),
    ("swapaxes", torch.swapaxes, [call(S((2, 3, 4)), 0, 2), call(S((2, 3)), -1, 0), call(S(()), 0, -1)]),
]  # fmt: skip
PLAIN: list[tuple[str, Callable, list]] = [  # no gradient, or nothing to give one to
    ("randperm", torch.randperm, [call(n) for n in (0, 1, 2, 15, 16, 17, 100)]),
    ("rand", torch.rand, [call(n) for n in (0, 1, 15, 16, 17, 100)] + [call((3, 5)), call(2, 3, dtype=torch.float64)]),
    ("numel", torch.numel, [call(S((2, 3))), call(S(())), call(S((0, 2)))]),
    ("is_nonzero", torch.is_nonzero, [call(S((1,))), call(S(()))]),
    ("is_floating_point", torch.is_floating_point, [call(S((2,)))]),
]  # fmt: skip


def sample_inputs(cases: list, info: OpInfo, device: str, dtype: torch.dtype, requires_grad: bool, **_) -> Iterator:
    """The calls of one line as torch's sample inputs."""
    make = partial(make_tensor, device=device, dtype=dtype, requires_grad=requires_grad)
    for args, kwargs in cases:
        first, *rest = (make(tuple(x)) if isinstance(x, Shape) else x for x in args)
        yield SampleInput(first, args=tuple(rest), kwargs=dict(kwargs))


def own_infos() -> list[OpInfo]:
    """The lines above as OpInfos."""
    both = [(line, True) for line in DIFFERENTIABLE] + [(line, False) for line in PLAIN]
    return [
        OpInfo(
            name,
            op=function,
            dtypes=floating_types() if differentiable else all_types_and(torch.bool),
            sample_inputs_func=partial(sample_inputs, cases),
            supports_autograd=differentiable,
            supports_forward_ad=differentiable,
            supports_out=False,
        )
        for (name, function, cases), differentiable in both
    ]
