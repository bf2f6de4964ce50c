"""Pictures, drawn with matplotlib, which is imported when the first one is asked for."""

from .style import subplots
from .training import draw_training

__all__ = ["draw_training", "subplots"]
