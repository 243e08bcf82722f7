"""LeNet-5, the convolutional network that read checks. LeCun, Bottou, Bengio & Haffner 1998."""

from __future__ import annotations

from gpudl import Tensor, nn
from gpudl.nn import functional as F

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """Two convolutions of 5 x 5, each with tanh and pooling, then three linear layers.

    Where the paper has particular forms, these are the common ones: subsampling without weights, all maps of the first
    pooling seen by all of the second convolution, tanh without a scale, and linear outputs for cross-entropy in place
    of radial basis functions.

    Args:
        num_classes: outputs.
        in_channels: of the images.
        padding: of the first convolution; 2 makes of 28 x 28 images the 32 x 32 of the paper, which takes 0.
    Shape: (n, in_channels, 28, 28), for a padding of 2, to (n, num_classes), unnormalized log-probabilities.
    Parameters: 61,706.
    Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, padding: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, kernel_size=5, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(self.conv1(x).tanh(), 2)
        x = F.avg_pool2d(self.conv2(x).tanh(), 2)
        x = self.fc1(x.flatten(1)).tanh()
        x = self.fc2(x).tanh()
        x = self.fc3(x)
        return x
