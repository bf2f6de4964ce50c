"""Complete models."""

from .lenet import LeNet
from .mlp import MLP

__all__ = ["MLP", "LeNet"]
