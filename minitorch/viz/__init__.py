"""Pictures: of the tape, as a page; of training runs, drawn with matplotlib. What draws them is imported when first needed."""

from .maps import attention_maps, channel_maps
from .recording import recording
from .style import subplots
from .tape_page import Tape, tape
from .training import draw_training

__all__ = [
    "Tape",
    "attention_maps",
    "channel_maps",
    "draw_training",
    "recording",
    "subplots",
    "tape",
]
