"""torch.linalg: linear algebra, filled from the declared operations whose names begin with "linalg."."""

from .methods import functions
from .ops.matrices import LinAlgError as LinAlgError

globals().update(functions("linalg"))
