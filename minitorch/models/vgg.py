"""VGG: depth from many small convolutions.

Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition" (ICLR 2015), table 1; names of
parameters and initial weights as in torchvision, so that its checkpoints load.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import Tensor, nn

# Columns A, B, D and E of table 1: the number of 3x3 convolutions in each of the five stages.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Stages of 3x3 convolutions with ReLU, each ended by a 2x2 maximum; then three linear layers.

        (N, 3, H, W)   stage k of five   (N, widths[k], H / 2^(k+1), W / 2^(k+1))     features
                       average to 7x7    (N, widths[-1], 7, 7)                        avgpool
                       linear, ReLU and dropout, twice                (N, hidden)     classifier
                       linear                                         (N, num_classes)

    Two 3x3 convolutions see 5x5 pixels, three see 7x7, with fewer weights than one large kernel (3 * 9 against 49) and
    more non-linearities. `depth` counts the layers with weights: 11, 13, 16 or 19. `widths`, `hidden` and `pooled` (7)
    make it small.
    """

    def __init__(
        self,
        depth: int = 16,
        num_classes: int = 1000,
        batch_norm: bool = False,
        dropout: float = 0.5,
        in_channels: int = 3,
        widths: Sequence[int] = WIDTHS,
        hidden: int = 4096,
        pooled: int = 7,
    ):
        super().__init__()
        if depth not in STAGES:
            raise ValueError(f"VGG: depth must be one of {', '.join(map(str, STAGES))}, not {depth}")
        self.features = stages(in_channels, widths, STAGES[depth], batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d((pooled, pooled))
        self.classifier = nn.Sequential(
            nn.Linear(widths[-1] * pooled * pooled, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


def stages(in_channels: int, widths: Sequence[int], counts: Sequence[int], batch_norm: bool) -> nn.Sequential:
    """The convolutions, numbered through from 0 together with what lies between them."""
    layers: list[nn.Module] = []
    for width, count in zip(widths, counts, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(in_channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            in_channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)
