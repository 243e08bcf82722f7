"""ResNet: blocks that add what they compute to their input. He, Zhang, Ren & Sun 2015, arXiv:1512.03385."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpudl import Tensor, nn
from gpudl.nn import functional as F

__all__ = [
    "BasicBlock", "Bottleneck", "CifarResNet", "ResNet", "resnet8", "resnet18", "resnet20", "resnet34", "resnet50",
    "resnet56", "resnet101", "resnet152",
]  # fmt: skip


def _conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias=False)


def _conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two convolutions of 3 x 3 whose result is added to the input, for the shallower networks.

    Args:
        inplanes: channels of the input.
        planes: channels of the output.
        stride: of the first convolution.
        downsample: brings the input to the output's shape; None where they are alike.
        groups, base_width, dilation: must be 1, 64 and 1; other blocks have more of them.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
    Shape: (n, inplanes, height, width) to (n, planes, height / stride, width / stride), rounded up.
    Raises: ValueError for what must be and is not.
    Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, figure 5 left.
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if (groups, base_width, dilation) != (1, 64, 1):
            raise ValueError(
                f"BasicBlock: groups, base_width and dilation must be 1, 64 and 1, got {groups}, {base_width} and "
                f"{dilation}; Bottleneck takes others"
            )
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        out = self.relu(out)
        return out


class Bottleneck(nn.Module):
    """Convolutions of 1 x 1 to fewer channels, of 3 x 3, and of 1 x 1 to more, whose result is added to the input.

    The 3 x 3 convolution has the stride, as in torchvision, where the paper gives it to the first one.

    Args:
        inplanes: channels of the input.
        planes: channels of the 3 x 3 convolution, if groups and base_width are the default; the output has 4 times as
            many.
        stride: of the 3 x 3 convolution.
        downsample: brings the input to the output's shape; None where they are alike.
        groups: of the 3 x 3 convolution (ResNeXt: Xie et al. 2016, arXiv:1611.05431).
        base_width: channels of a group for 64 planes (Wide ResNet: Zagoruyko & Komodakis 2016, arXiv:1605.07146).
        dilation: of the 3 x 3 convolution.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
    Shape: (n, inplanes, height, width) to (n, 4 planes, height / stride, width / stride), rounded up.
    Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, figure 5 right.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * base_width / 64) * groups
        self.conv1 = _conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = _conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        out = self.relu(out)
        return out


class ResNet(nn.Module):
    """The network for ImageNet: a 7 x 7 convolution and a pooling, four stages of blocks, and a linear layer.

    Each stage but the first halves height and width and doubles the channels; a projection brings the input of its
    first block to the output's shape. Names and initial weights are torchvision's.

    Args:
        block: BasicBlock or Bottleneck.
        layers: blocks of each of the four stages.
        num_classes: outputs.
        zero_init_residual: the last normalization of each block starts with weight 0, so that the block starts as the
            identity (Goyal et al. 2017, arXiv:1706.02677).
        groups, width_per_group: of the 3 x 3 convolutions in a Bottleneck; its base_width is the latter.
        replace_stride_with_dilation: for each stage but the first, whether it keeps height and width and dilates its
            convolutions instead (Chen et al. 2016, arXiv:1606.00915); None for none.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
    Shape: (n, 3, height, width) to (n, num_classes), unnormalized log-probabilities; the paper's images are 224 x 224.
    Raises: ValueError unless there are 4 stages, and 3 of replace_stride_with_dilation.
    Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, table 1.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        dilates = [False] * 3 if replace_stride_with_dilation is None else list(replace_stride_with_dilation)
        if len(layers) != 4 or len(dilates) != 3:
            raise ValueError(
                f"ResNet: layers must be 4 numbers of blocks and replace_stride_with_dilation 3 bools or None, got "
                f"{layers} and {replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilates[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilates[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilates[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        _init_weights(self, zero_init_residual)

    def _make_layer(
        self, block: type[BasicBlock | Bottleneck], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """A stage. The first block of a dilated one has the dilation of the stage before."""
        norm_layer, dilation = self._norm_layer, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        outputs = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != outputs:
            downsample = nn.Sequential(_conv1x1(self.inplanes, outputs, stride), norm_layer(outputs))
        shared = self.groups, self.base_width
        stage = [block(self.inplanes, planes, stride, downsample, *shared, dilation, norm_layer)]
        stage += [block(outputs, planes, 1, None, *shared, self.dilation, norm_layer) for _ in range(1, blocks)]
        self.inplanes = outputs
        return nn.Sequential(*stage)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.fc(self.avgpool(x).flatten(1))
        return x


class _Shortcut(nn.Module):
    """Every second row and column, and channels of zeros on both sides up to twice as many: no parameters."""

    def forward(self, x: Tensor) -> Tensor:
        added = x.shape[1] // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, added, added))


class CifarResNet(nn.Module):
    """The network for small images: a 3 x 3 convolution, three stages of BasicBlocks, and a linear layer.

    Each stage but the first halves height and width and doubles the channels; the input of its first block is
    subsampled and padded with zeros to the output's shape, without parameters (option A of the paper).

    Args:
        blocks: of each of the three stages; the network has 6 blocks + 2 layers.
        num_classes: outputs.
        zero_init_residual: the last normalization of each block starts with weight 0, so that the block starts as the
            identity (Goyal et al. 2017, arXiv:1706.02677).
        in_channels: of the images.
        width: channels of the first stage; even.
        norm_layer: makes a normalization from a number of channels, nn.BatchNorm2d if None.
    Shape: (n, in_channels, height, width) to (n, num_classes), unnormalized log-probabilities; the paper's images are
        32 x 32.
    Raises: ValueError for a width that is odd.
    Source: He, Zhang, Ren & Sun 2015, arXiv:1512.03385, section 4.2.
    """

    def __init__(
        self,
        blocks: int,
        num_classes: int = 10,
        zero_init_residual: bool = False,
        in_channels: int = 3,
        width: int = 16,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"CifarResNet: width must be even, for zeros on both sides of the channels; got {width}")

        def stage(inputs: int, outputs: int) -> nn.Sequential:
            stride, shortcut = (1, None) if inputs == outputs else (2, _Shortcut())
            first = BasicBlock(inputs, outputs, stride, shortcut, norm_layer=norm_layer)
            return nn.Sequential(
                first, *(BasicBlock(outputs, outputs, norm_layer=norm_layer) for _ in range(1, blocks))
            )

        self.conv1 = _conv3x3(in_channels, width)
        self.bn1 = (norm_layer or nn.BatchNorm2d)(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(width, width)
        self.layer2 = stage(width, 2 * width)
        self.layer3 = stage(2 * width, 4 * width)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(4 * width, num_classes)
        _init_weights(self, zero_init_residual)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = self.fc(self.avgpool(x).flatten(1))
        return x


def _init_weights(network: nn.Module, zero_init_residual: bool) -> None:
    """Convolutions from N(0, 2 / fan_out); all else stays as the layers made it, but for zero_init_residual."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
            last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
            if last.weight is not None:
                nn.init.zeros_(last.weight)


def resnet8(**kwargs: Any) -> CifarResNet:
    """CifarResNet of one block a stage, 75,290 parameters. Args: those of CifarResNet, after blocks."""
    return CifarResNet(1, **kwargs)


def resnet20(**kwargs: Any) -> CifarResNet:
    """CifarResNet of 3 blocks a stage, 269,722 parameters. Args: those of CifarResNet, after blocks."""
    return CifarResNet(3, **kwargs)


def resnet56(**kwargs: Any) -> CifarResNet:
    """CifarResNet of 9 blocks a stage, 853,018 parameters. Args: those of CifarResNet, after blocks."""
    return CifarResNet(9, **kwargs)


def resnet18(**kwargs: Any) -> ResNet:
    """ResNet of 8 BasicBlocks, 11,689,512 parameters. Args: those of ResNet, after layers."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **kwargs)


def resnet34(**kwargs: Any) -> ResNet:
    """ResNet of 16 BasicBlocks, 21,797,672 parameters. Args: those of ResNet, after layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **kwargs)


def resnet50(**kwargs: Any) -> ResNet:
    """ResNet of 16 Bottlenecks, 25,557,032 parameters. Args: those of ResNet, after layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


def resnet101(**kwargs: Any) -> ResNet:
    """ResNet of 33 Bottlenecks, 44,549,160 parameters. Args: those of ResNet, after layers."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


def resnet152(**kwargs: Any) -> ResNet:
    """ResNet of 50 Bottlenecks, 60,192,808 parameters. Args: those of ResNet, after layers."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **kwargs)
