"""VGG, deep networks of 3 x 3 convolutions. Simonyan & Zisserman 2014; batch normalization: Ioffe & Szegedy 2015."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl import Tensor, nn

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "vgg_features"]


def vgg_features(configuration: Sequence[int | str], batch_norm: bool = False, in_channels: int = 3) -> nn.Sequential:
    """Convolutions of 3 x 3, each with ReLU, and poolings that halve height and width.

    Args:
        configuration: output channels of each convolution, and "M" for a pooling.
        batch_norm: with batch normalization after each convolution.
        in_channels: of the images.
    Shape: (n, in_channels, height, width) to (n, last channels, height / 2**poolings, width / 2**poolings).
    Source: Simonyan & Zisserman 2014, arXiv:1409.1556, table 1.
    """
    layers: list[nn.Module] = []
    for item in configuration:
        if item == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        channels = int(item)
        layers.append(nn.Conv2d(in_channels, channels, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(channels))
        layers.append(nn.ReLU(inplace=True))
        in_channels = channels
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutions, a pooling to 7 x 7, and three linear layers; torchvision's names and initial weights.

    Args:
        features: the convolutions, as from vgg_features.
        num_classes: outputs.
        init_weights: draw weights anew: convolutions from N(0, 2 / fan_out), linear layers from N(0, 0.01**2), biases
            0. Otherwise they are as the layers made them.
        dropout: probability after the first and the second linear layer, in [0, 1].
        channels: that come out of the features.
        hidden_features: outputs of the first and the second linear layer.
    Shape: (n, 3, height, width) to (n, num_classes), unnormalized log-probabilities; the paper's images are 224 x 224.
    Source: Simonyan & Zisserman 2014, arXiv:1409.1556; initial weights: He, Zhang, Ren & Sun 2015, arXiv:1502.01852.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
        *,
        channels: int = 512,
        hidden_features: int = 4096,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(channels * 7 * 7, hidden_features),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden_features, num_classes),
        )
        if init_weights:
            self.apply(_init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = self.classifier(x.flatten(1))
        return x


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


_A = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
_B = (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
_D = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
_E = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M")


def vgg11(**kwargs: Any) -> VGG:
    """VGG with 8 convolutions (configuration A), 132,863,336 parameters. Args: those of VGG, after features."""
    return VGG(vgg_features(_A), **kwargs)


def vgg11_bn(**kwargs: Any) -> VGG:
    """vgg11 with batch normalization, 132,868,840 parameters."""
    return VGG(vgg_features(_A, batch_norm=True), **kwargs)


def vgg13(**kwargs: Any) -> VGG:
    """VGG with 10 convolutions (configuration B), 133,047,848 parameters. Args: those of VGG, after features."""
    return VGG(vgg_features(_B), **kwargs)


def vgg13_bn(**kwargs: Any) -> VGG:
    """vgg13 with batch normalization, 133,053,736 parameters."""
    return VGG(vgg_features(_B, batch_norm=True), **kwargs)


def vgg16(**kwargs: Any) -> VGG:
    """VGG with 13 convolutions (configuration D), 138,357,544 parameters. Args: those of VGG, after features."""
    return VGG(vgg_features(_D), **kwargs)


def vgg16_bn(**kwargs: Any) -> VGG:
    """vgg16 with batch normalization, 138,365,992 parameters."""
    return VGG(vgg_features(_D, batch_norm=True), **kwargs)


def vgg19(**kwargs: Any) -> VGG:
    """VGG with 16 convolutions (configuration E), 143,667,240 parameters. Args: those of VGG, after features."""
    return VGG(vgg_features(_E), **kwargs)


def vgg19_bn(**kwargs: Any) -> VGG:
    """vgg19 with batch normalization, 143,678,248 parameters."""
    return VGG(vgg_features(_E, batch_norm=True), **kwargs)
