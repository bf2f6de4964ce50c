"""A sample input of torch's, ready to be run on both libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.testing._internal.opinfo.core import OpInfo

import minitorch

from . import calls
from .bridge import ToMinitorch
from .calls import Call
from .exceptions import UP_TO_SIGNS
from .resolve import translate


@dataclass
class Sample:
    """One of torch's sample inputs, and how to draw random numbers for it."""

    info: Any  # OpInfo
    args: tuple
    kwargs: dict
    process: Callable
    broadcasts_input: bool = False
    seed: int = 0
    negative_strides: bool = False

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def both(self, function: Callable, wrapped: bool = True) -> tuple[Call, Call, ToMinitorch]:
        """The call on minitorch and on torch, with fresh copies of the arguments."""
        their_function, our_function = function, translate(function)
        wrapper = self.info.gradcheck_wrapper
        if wrapped and wrapper.__code__ is not OpInfo.gradcheck_wrapper.__code__:
            # cholesky of x + x.T, triangular_solve of x.tril(): so that the derivative is well defined
            their_function = bind(wrapper, their_function)
            our_function = bind(translate(wrapper), our_function)
        args, kwargs = calls.copy_strided(self.args), calls.copy_strided(self.kwargs)
        up_to_signs = self.info.name in UP_TO_SIGNS
        theirs = Call(torch, their_function, args, kwargs, self.process, up_to_signs)
        to = ToMinitorch(self.negative_strides)
        process = translate(self.process)
        ours = Call(minitorch, our_function, to(args), to(kwargs), process, up_to_signs)
        return ours, theirs, to

    def widened(self, function: Callable) -> Call:
        """The call on torch in float64."""
        args, kwargs = calls.widened(self.args), calls.widened(self.kwargs)
        return Call(torch, function, args, kwargs, self.process, self.info.name in UP_TO_SIGNS)

    def __str__(self) -> str:
        return calls.summary(self.args, self.kwargs)


def bind(wrapper: Callable, function: Callable) -> Callable:
    return lambda *args, **kwargs: wrapper(function, *args, **kwargs)
