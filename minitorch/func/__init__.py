"""Functions made into others: gradients, Jacobians, batches (torch.func). All compose with each other, in any depth.

per_example = vmap(grad(loss), in_dims=(None, 0, 0))      the gradient of every example by itself
hessian     = jacfwd(jacrev(f))
ensemble    = vmap(lambda p, b, x: functional_call(model, (p, b), x), in_dims=(0, 0, None))
"""

from ..batching import vmap
from .forward import hessian, jacfwd, jvp, linearize
from .modules import functional_call, stack_module_state
from .reverse import grad, grad_and_value, jacrev, vjp

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip
