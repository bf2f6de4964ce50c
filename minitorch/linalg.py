"""torch.linalg: linear algebra, filled from the declared operations whose names begin with "linalg."."""

from .core.op import namespace

globals().update(namespace("linalg"))
