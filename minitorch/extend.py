"""What one needs to declare an operation of one's own: `op` (also `minitorch.op`), the kinds, the dtype rules.

    import numpy as np
    import minitorch
    from minitorch.extend import ELEMENTWISE, FLOAT

    @minitorch.op(
        ELEMENTWISE,
        dtype=FLOAT,
        vjp=dict(x=lambda g, z: g * z * (1 - z)),
    )
    def logistic(x):
        '''z = 1 / (1 + exp(-x))'''
        return 1 / (1 + np.exp(-x))

    logistic(minitorch.randn(3, requires_grad=True)).sum().backward()

The function is the forward computation: arrays in, a new array out (only a VIEW may return its input's memory). Its
positional parameters are tensors, its keyword-only parameters are everything else. `vjp` has a rule for each input that
can be differentiated, written in Tensor operations: the gradient of the loss with respect to that input, from the
gradient `g` with respect to the output and whatever the rule asks for by name (inputs, parameters, `z`: the output,
`size`: the shape of the input). Broadcasting is taken care of: a rule never sums. Second derivatives, forward mode and
`func.vmap` follow from the declaration.

kind      ELEMENTWISE (each output element from one element of each input; inputs broadcast), LINEAR (in each tensor
          separately), VIEW (linear, in the input's memory), GENERAL (anything else: forward mode takes a `jvp` of rules,
          or two backward passes)
dtype     PROMOTE (to the common type), FLOAT (integers to the default float), COMPARE (the result is bool), KEEP (as
          they are), SAME (floats must agree), SUM (integers in int64), DIFFERENCE (no bools)

`parity.check(logistic, torch.sigmoid, (3, 4))` holds it against torch. `autograd.Function` is the other way to a function
of one's own, as in torch: more to write, for what does not fit a declaration. REGISTRY has every declaration by name.
A declaration may be made again in the same place (a notebook cell); elsewhere its name must be new: TypeError.
"""

from __future__ import annotations

from .core.op import ELEMENTWISE, GENERAL, LINEAR, REGISTRY, VIEW, function, op
from .core.promote import COMPARE, DIFFERENCE, FLOAT, KEEP, PROMOTE, SAME, SUM

__all__ = [
    "COMPARE", "DIFFERENCE", "ELEMENTWISE", "FLOAT", "GENERAL", "KEEP", "LINEAR", "PROMOTE", "REGISTRY", "SAME", "SUM",
    "VIEW", "function", "op",
]  # fmt: skip
