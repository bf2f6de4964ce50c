"""Complete models, each in one file to read: `minitorch.models.resnet`, and so on."""

from .cifar_quick import CIFARQuick
from .gpt import GPT
from .lenet import LeNet
from .linear import LinearRegression, LogisticRegression, SoftmaxRegression
from .mlp import MLP
from .resnet import ResNet
from .ssd import SSD
from .svm import SVM
from .transformer import Transformer
from .unet import UNet
from .vgg import VGG

__all__ = [
    "GPT",
    "MLP",
    "SSD",
    "SVM",
    "VGG",
    "CIFARQuick",
    "LeNet",
    "LinearRegression",
    "LogisticRegression",
    "ResNet",
    "SoftmaxRegression",
    "Transformer",
    "UNet",
]
