"""torch.utils: data sets and loaders, checkpointing."""

from . import _pytree, checkpoint, data, model_zoo

__all__ = ["_pytree", "checkpoint", "data", "model_zoo"]
