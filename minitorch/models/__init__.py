"""Complete models, each in one file to read: `minitorch.models.ssd`, and so on."""

from .lenet import LeNet
from .mlp import MLP
from .ssd import SSD

__all__ = ["MLP", "SSD", "LeNet"]
