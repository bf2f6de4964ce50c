"""Complete models, each in one file to read: `minitorch.models.resnet`, and so on."""

from .cifar_quick import CIFARQuick
from .gpt import GPT
from .lenet import LeNet
from .mlp import MLP
from .resnet import ResNet
from .ssd import SSD
from .transformer import Transformer
from .unet import UNet
from .vgg import VGG

__all__ = ["GPT", "MLP", "SSD", "VGG", "CIFARQuick", "LeNet", "ResNet", "Transformer", "UNet"]
