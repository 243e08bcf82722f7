"""U-Net: down to a small image of many channels and up again, with a bridge at every size. Ronneberger et al. 2015."""

from __future__ import annotations

import gpudl
from gpudl import Tensor, nn
from gpudl.nn import functional as F

__all__ = ["UNet"]


class UNet(nn.Module):
    """A class for each pixel: four halvings of the image, four doublings, each of which sees the image before.

    Where the paper's convolutions lose the border, these are padded, so that the output is as large as the input, and
    each is followed by batch normalization. Names are those of the PyTorch form in widest use, milesial/Pytorch-UNet.

    Args:
        n_channels: of the images.
        n_classes: outputs for each pixel.
        bilinear: double an image by interpolation, with half the channels below, in place of a transposed convolution.
        width: channels at the full size; they double with each halving.
    Shape: (n, n_channels, height, width) to (n, n_classes, height, width), unnormalized log-probabilities; at least
        16 x 16.
    Parameters: 31,037,698 for UNet(3, 2).
    Source: Ronneberger, Fischer & Brox 2015, arXiv:1505.04597.
    """

    def __init__(self, n_channels: int, n_classes: int, bilinear: bool = False, width: int = 64) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.n_classes = n_classes
        self.bilinear = bilinear
        share = 2 if bilinear else 1
        self.inc = _DoubleConv(n_channels, width, width)
        self.down1 = _Down(width, 2 * width)
        self.down2 = _Down(2 * width, 4 * width)
        self.down3 = _Down(4 * width, 8 * width)
        self.down4 = _Down(8 * width, 16 * width // share)
        self.up1 = _Up(16 * width, 8 * width // share, bilinear)
        self.up2 = _Up(8 * width, 4 * width // share, bilinear)
        self.up3 = _Up(4 * width, 2 * width // share, bilinear)
        self.up4 = _Up(2 * width, width, bilinear)
        self.outc = _OutConv(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.down4(x4)
        x = self.up1(x, x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        x = self.up4(x, x1)
        x = self.outc(x)
        return x


class _DoubleConv(nn.Module):
    """Twice a 3 x 3 convolution, batch normalization and ReLU."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, behind in ((inputs, middle), (middle, outputs)):
            convolution = nn.Conv2d(before, behind, kernel_size=3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(behind), nn.ReLU(inplace=True)]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.double_conv(x)
        return x


class _Down(nn.Module):
    """Half the height and width, then convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _DoubleConv(inputs, outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool_conv(x)
        return x


class _Up(nn.Module):
    """Twice the height and width, padded to those of the bridge, then convolutions over both."""

    def __init__(self, inputs: int, outputs: int, bilinear: bool) -> None:
        super().__init__()
        if bilinear:
            self.up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.up = nn.ConvTranspose2d(inputs, inputs // 2, kernel_size=2, stride=2)
        self.conv = _DoubleConv(inputs, inputs // 2 if bilinear else outputs, outputs)

    def forward(self, x: Tensor, bridge: Tensor) -> Tensor:
        x = self.up(x)
        rows, columns = bridge.shape[2] - x.shape[2], bridge.shape[3] - x.shape[3]
        if rows or columns:
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        x = self.conv(gpudl.cat([bridge, x], 1))
        return x


class _OutConv(nn.Module):
    """A linear layer for each pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x
