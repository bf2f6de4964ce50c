"""nn.functional: the operations of networks as functions, declared in `minitorch/ops`; this is their namespace."""

from .. import ops  # noqa: F401 - declares the operations
from ..core.op import PUBLIC
from ..methods import as_function, functions

_PREFIX = "nn.functional."

__all__ = sorted(functions("nn.functional"))

globals().update(functions("nn.functional"))


def __getattr__(name: str):
    # Operations that were declared after this module was imported, such as a user's own.
    if _PREFIX + name in PUBLIC:
        return as_function(_PREFIX + name, PUBLIC[_PREFIX + name])
    raise AttributeError(f"module 'minitorch.nn.functional' has no attribute '{name}'")
