"""LeNet (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
IEEE 86, 1998, section II), with today's ReLU and max pooling in place of scaled tanh and trainable subsampling."""

from __future__ import annotations

from .. import nn
from ..core.tensor import Tensor


class LeNet(nn.Module):
    """Two convolutions and three linear layers.

        (N, C, S, S)  conv 6@5x5, ReLU, max pool 2    (N, 6, S', S')     S' = (S - 4) / 2
                      conv 16@5x5, ReLU, max pool 2   (N, 16, S'', S'')  S'' = (S' - 4) / 2
                      linear 120, ReLU                (N, 120)
                      linear 84, ReLU                 (N, 84)
                      linear                          (N, num_classes)   the logits

    The logits stay as they are: a ReLU behind the last layer would hide how unlikely a class is, and a logit cut off at
    zero gets no gradient.
    """

    def __init__(self, in_channels: int = 1, image_size: int = 28, num_classes: int = 10):
        super().__init__()
        pooled = ((image_size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * pooled * pooled, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.pool1(self.relu1(self.conv1(x)))
        y = self.pool2(self.relu2(self.conv2(y)))
        y = y.flatten(1)
        y = self.relu3(self.fc1(y))
        y = self.relu4(self.fc2(y))
        return self.fc3(y)
