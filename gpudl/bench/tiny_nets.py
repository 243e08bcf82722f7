"""The four networks of MLPerf Tiny, with the layers of its reference code and so with its numbers of parameters.

Parameters are counted as there: with the running means and variances of the normalizations. Where a stride of 2 makes
it matter, zeros are added on both sides, where the reference's "same" may add one less in front.

As in gpudl.models, with `gpudl` replaced by `torch` it is the same in PyTorch.

Source: Banbury et al. 2021, "MLPerf Tiny Benchmark", arXiv:2106.07597, table 1; github.com/mlcommons/tiny, in
benchmark/training.
"""

from __future__ import annotations

import itertools

from gpudl import Tensor, nn


def _convolved(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _separable(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    """A depthwise 3 x 3 convolution and one of 1 x 1. Howard et al. 2017, arXiv:1704.04861."""
    return [*_convolved(inputs, inputs, 3, stride, groups=inputs), *_convolved(inputs, outputs, 1)]


class Residual(nn.Module):
    """Two convolutions of 3 x 3, added to the input or, where the shape changes, to a 1 x 1 convolution of it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.main = nn.Sequential(
            *_convolved(inputs, outputs, 3, stride), nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.main(x) + self.shortcut(x)).relu()
        return out


def resnet8() -> nn.Sequential:
    """Image classification: (n, 3, 32, 32) to 10 classes; 78,666 parameters."""
    blocks = Residual(16, 16), Residual(16, 32), Residual(32, 64)
    return nn.Sequential(*_convolved(3, 16, 3), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def ds_cnn() -> nn.Sequential:
    """Keyword spotting: (n, 1, 49, 10), 49 frames of 10 cepstral coefficients, to 12 classes; 24,908 parameters."""
    first = nn.Conv2d(1, 64, (10, 4), stride=2, padding=(5, 1)), nn.BatchNorm2d(64), nn.ReLU(), nn.Dropout(0.2)
    blocks = [layer for _ in range(4) for layer in _separable(64, 64)]
    return nn.Sequential(*first, *blocks, nn.Dropout(0.4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12))


def mobilenet() -> nn.Sequential:
    """Visual wake words: (n, 3, 96, 96) to 2 classes, MobileNetV1 of a quarter of its width; 221,794 parameters."""
    layers, inputs = _convolved(3, 8, 3, stride=2), 8
    for outputs in (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256):
        layers += _separable(inputs, outputs, stride=1 if outputs == inputs or inputs == 8 else 2)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 2))


def autoencoder() -> nn.Sequential:
    """Anomaly detection: (n, 640), 5 frames of 128 mel bands, to itself through 8 numbers; 269,992 parameters."""
    widths, layers = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128), []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))
