"""CIFAR-10-quick, the small network for 32x32 images that came with Caffe (Jia et al., "Caffe: Convolutional architecture
for fast feature embedding", ACM Multimedia 2014, `examples/cifar10`), as it is drawn in the notes' figure: all pooling
takes the maximum."""

from __future__ import annotations

from .. import Tensor, nn


class CIFARQuick(nn.Module):
    """Three 5x5 convolutions that keep the size, each halved by pooling, and two linear layers.

        (N, C, S, S)   conv 32@5x5, max pool 2    (N, 32, S / 2, S / 2)
                       conv 32@5x5, max pool 2    (N, 32, S / 4, S / 4)
                       conv 64@5x5, max pool 2    (N, 64, S / 8, S / 8)
                       flatten, linear 64         (N, 64)
                       linear                     (N, num_classes)   the logits

    `activation=False` leaves the network as the figure has it, without any: then only the maxima keep it from being one
    linear map.
    """

    def __init__(self, in_channels: int = 3, image_size: int = 32, num_classes: int = 10, activation: bool = True):
        super().__init__()
        layers: list[nn.Module] = []
        for wide_in, wide_out in ((in_channels, 32), (32, 32), (32, 64)):
            layers += [nn.Conv2d(wide_in, wide_out, 5, padding=2), nn.MaxPool2d(2)]
            if activation:
                layers.append(nn.ReLU())
        layers += [nn.Flatten(), nn.Linear(64 * (image_size // 8) ** 2, 64)]
        if activation:
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers, nn.Linear(64, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
