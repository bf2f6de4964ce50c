"""Pictures: of the tape, as a page; of training runs, drawn with matplotlib. What draws them is imported when first needed."""

from .recording import recording
from .style import subplots
from .tape_page import Tape, tape
from .training import draw_training

__all__ = ["Tape", "draw_training", "recording", "subplots", "tape"]
