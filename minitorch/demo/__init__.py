"""`minitorch demo`: a local page on which trained models can be watched at work."""

from .exhibit import BadRequest, Exhibit
from .server import Demo

__all__ = ["BadRequest", "Demo", "Exhibit"]
