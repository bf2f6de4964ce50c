"""Complete models, each in one file to read: `minitorch.models.resnet`, and so on."""

from .cifar_quick import CIFARQuick
from .lenet import LeNet
from .mlp import MLP
from .resnet import ResNet
from .ssd import SSD
from .unet import UNet
from .vgg import VGG

__all__ = ["MLP", "SSD", "VGG", "CIFARQuick", "LeNet", "ResNet", "UNet"]
