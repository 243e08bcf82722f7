"""MobileNetV2, made of inverted residuals: narrow outside, wide and depthwise inside. Sandler et al. 2018."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpudl import Tensor, nn

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

# Rows of table 2 of the paper: expansion, channels, blocks, stride of the first block.
_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _divisible(value: float, divisor: int) -> int:
    """The multiple of the divisor that is nearest, but neither 0 nor more than 10 % below the value."""
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


def _convolution(
    inputs: int,
    outputs: int,
    kernel_size: int,
    norm_layer: Callable[[int], nn.Module],
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """A convolution that keeps height and width but for its stride, a normalization and ReLU6."""
    padding = kernel_size // 2
    convolution = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, norm_layer(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """A 1 x 1 convolution to more channels, a depthwise 3 x 3, and a linear 1 x 1 to few; plus the input if it fits.

    Args:
        inp: channels of the input.
        oup: channels of the output.
        stride: of the depthwise convolution, 1 or 2.
        expand_ratio: how many times more channels there are inside; for 1 the first convolution is left out.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
    Shape: (n, inp, height, width) to (n, oup, height / stride, width / stride), rounded up.
    Raises: ValueError for another stride.
    Source: Sandler, Howard, Zhu, Zhmoginov & Chen 2018, arXiv:1801.04381, section 3.3.
    """

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: float,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride must be 1 or 2, got {stride}")
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(_convolution(inp, hidden, 1, norm_layer))
        layers += [
            _convolution(hidden, hidden, 3, norm_layer, stride, groups=hidden),
            nn.Conv2d(hidden, oup, kernel_size=1, bias=False),
            norm_layer(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.use_res_connect else out


class MobileNetV2(nn.Module):
    """A convolution, inverted residuals, a convolution, the mean over each channel and a linear layer.

    Args:
        num_classes: outputs.
        width_mult: factor on the number of channels of every layer.
        inverted_residual_setting: rows of expansion, channels, blocks and stride of the first block; None for the
            paper's.
        round_nearest: numbers of channels are rounded to a multiple of it.
        block: makes an inverted residual from the arguments of InvertedResidual, which it is if None.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
        dropout: probability before the linear layer, in [0, 1].
    Shape: (n, 3, height, width) to (n, num_classes), unnormalized log-probabilities; the paper's images are 224 x 224.
    Parameters: 3,504,872 for 1000 classes.
    Raises: ValueError for settings that are no rows of 4.
    Source: Sandler, Howard, Zhu, Zhmoginov & Chen 2018, arXiv:1801.04381.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        rows = _BLOCKS if inverted_residual_setting is None else inverted_residual_setting
        if not rows or any(len(row) != 4 for row in rows):
            raise ValueError(f"MobileNetV2: inverted_residual_setting must be rows of 4 numbers, got {rows}")
        channels = _divisible(32 * width_mult, round_nearest)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [_convolution(3, channels, 3, norm_layer, stride=2)]
        for expansion, width, blocks, first_stride in rows:
            outputs = _divisible(width * width_mult, round_nearest)
            for number in range(blocks):
                stride = first_stride if number == 0 else 1
                features.append(block(channels, outputs, stride, expand_ratio=expansion, norm_layer=norm_layer))
                channels = outputs
        features.append(_convolution(channels, self.last_channel, 1, norm_layer))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        self.apply(_init_weights)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.classifier(x.mean((2, 3)))
        return x


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.zeros_(module.bias)


def mobilenet_v2(**kwargs: Any) -> MobileNetV2:
    """MobileNetV2 of the paper's width, 3,504,872 parameters. Args: those of MobileNetV2."""
    return MobileNetV2(**kwargs)
