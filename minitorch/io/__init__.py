"""Files: tensors in safetensors, training checkpoints, atomic writing."""

from .atomic import replacing
from .checkpoint import load_checkpoint, save_checkpoint
from .safetensors import CheckpointError, load_file, save_file

__all__ = ["CheckpointError", "load_checkpoint", "load_file", "replacing", "save_checkpoint", "save_file"]
