"""The systems of `minitorch.models`, each trained to its bar: `python -m benchmarks systems`."""

from . import control, convex, detection, images, inference, language, segmentation
from .system import SYSTEMS, Reached, System

__all__ = [
    "SYSTEMS",
    "Reached",
    "System",
    "control",
    "convex",
    "detection",
    "images",
    "inference",
    "language",
    "segmentation",
]
