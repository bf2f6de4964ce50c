"""torch.linalg: linear algebra, filled from the declared operations whose names begin with "linalg."."""

from .methods import functions

globals().update(functions("linalg"))
