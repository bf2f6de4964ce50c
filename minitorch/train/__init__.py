"""Training of the shipped models on the shipped and downloadable data sets: what `minitorch train` does."""

from .config import DATASETS, MODELS, OPTIMIZERS, TrainConfig
from .images import ImageData, load_images
from .training import Evaluation, Training, TrainingDiverged, read_run

__all__ = [
    "DATASETS",
    "MODELS",
    "OPTIMIZERS",
    "Evaluation",
    "ImageData",
    "TrainConfig",
    "Training",
    "TrainingDiverged",
    "load_images",
    "read_run",
]
