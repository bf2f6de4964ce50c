"""torch.special: special functions, filled from the declared operations whose names begin with "special."."""

from .methods import functions

globals().update(functions("special"))
