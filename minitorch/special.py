"""torch.special: special functions, filled from the declared operations whose names begin with "special."."""

from .core.op import namespace

globals().update(namespace("special"))
