"""U-Net: an image in, a label for each pixel out.

Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation" (MICCAI 2015), figure 1,
with padded convolutions, so that nothing has to be cropped, and batch norm.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import Tensor, cat, nn

DOWN = ("max", "average", "strided")
UP = ("transposed", "nearest", "bilinear")


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice 3x3 convolution, batch norm, ReLU: (N, in_channels, H, W) -> (N, out_channels, H, W)."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def downsampling(kind: str, channels: int) -> nn.Module:
    """Half the resolution (下采样): (N, C, H, W) -> (N, C, H / 2, W / 2).

    The maximum or the mean of each 2x2 pixels, or a convolution that learns what to keep.
    """
    if kind == "strided":
        return nn.Conv2d(channels, channels, 3, stride=2, padding=1)
    return nn.MaxPool2d(2) if kind == "max" else nn.AvgPool2d(2)


def upsampling(kind: str, in_channels: int, out_channels: int) -> nn.Module:
    """Twice the resolution (上采样): (N, C, H, W) -> (N, C', 2 H, 2 W).

    A transposed convolution, in which each pixel paints a learnt 2x2 patch, or interpolation and a 1x1 convolution.
    """
    if kind == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=kind), nn.Conv2d(in_channels, out_channels, 1))


class UNet(nn.Module):
    """(N, in_channels, H, W) -> logits (N, num_classes, H, W); H and W divisible by 2^(len(widths) - 1).

        down    double_conv to widths[k], halve                   fine to coarse: what is there
        up      double the resolution, join with the map of the same size from the way down, double_conv
                                                                  coarse to fine: where exactly

    The joined maps carry the edges past the bottleneck, as a shortcut does in a residual network.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        widths: Sequence[int] = (16, 32, 64),
        down: str = "max",
        up: str = "transposed",
    ):
        super().__init__()
        if down not in DOWN or up not in UP:
            raise ValueError(
                f"UNet: down must be one of {', '.join(DOWN)}, up of {', '.join(UP)}; not {down!r}, {up!r}"
            )
        channels = (in_channels, *widths)
        pairs = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList([double_conv(a, b) for a, b in zip(channels, widths, strict=False)])
        self.shrink = nn.ModuleList([downsampling(down, width) for width in widths[:-1]])
        self.enlarge = nn.ModuleList([upsampling(up, coarse, fine) for fine, coarse in reversed(pairs)])
        self.up = nn.ModuleList([double_conv(2 * fine, fine) for fine, _ in reversed(pairs)])
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        step = 2 ** len(self.shrink)
        if x.shape[2] % step or x.shape[3] % step:
            raise RuntimeError(f"UNet: height and width must be divisible by {step}, got {tuple(x.shape)}")
        x = self.down[0](x)
        passed = []
        for shrink, conv in zip(self.shrink, list(self.down)[1:], strict=True):
            passed.append(x)
            x = conv(shrink(x))
        for enlarge, conv in zip(self.enlarge, self.up, strict=True):
            x = conv(cat([passed.pop(), enlarge(x)], 1))
        return self.head(x)
