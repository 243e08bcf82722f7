"""Lazy layers: they learn their number of channels from the first input, and are plain layers from then on.

Each takes the arguments of the layer it becomes without the first.
"""

from __future__ import annotations

from typing import Any

from gpudl.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from gpudl.nn.conv import Conv1d, Conv2d, Conv3d
from gpudl.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from gpudl.nn.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from gpudl.nn.lazy import LazyLayer

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]  # fmt: skip


class LazyConv1d(LazyLayer, Conv1d):
    """Conv1d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = Conv1d, "in_channels", -2


class LazyConv2d(LazyLayer, Conv2d):
    """Conv2d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = Conv2d, "in_channels", -3


class LazyConv3d(LazyLayer, Conv3d):
    """Conv3d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = Conv3d, "in_channels", -4


class LazyConvTranspose1d(LazyLayer, ConvTranspose1d):
    """ConvTranspose1d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = ConvTranspose1d, "in_channels", -2


class LazyConvTranspose2d(LazyLayer, ConvTranspose2d):
    """ConvTranspose2d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = ConvTranspose2d, "in_channels", -3


class LazyConvTranspose3d(LazyLayer, ConvTranspose3d):
    """ConvTranspose3d whose in_channels is the channels of its first input."""

    cls_to_become, infers, dim = ConvTranspose3d, "in_channels", -4


class LazyBatchNorm1d(LazyLayer, BatchNorm1d):
    """BatchNorm1d whose num_features are the channels of its first input."""

    cls_to_become, infers, dim = BatchNorm1d, "num_features", 1


class LazyBatchNorm2d(LazyLayer, BatchNorm2d):
    """BatchNorm2d whose num_features are the channels of its first input."""

    cls_to_become, infers, dim = BatchNorm2d, "num_features", 1


class LazyBatchNorm3d(LazyLayer, BatchNorm3d):
    """BatchNorm3d whose num_features are the channels of its first input."""

    cls_to_become, infers, dim = BatchNorm3d, "num_features", 1


class _LazyInstanceNorm(LazyLayer):
    # Other defaults than InstanceNorm's, as in PyTorch.
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(eps, momentum, affine, track_running_stats, device, dtype, bias=bias)


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """InstanceNorm1d whose num_features are the channels of its first input; with affine and running statistics."""

    cls_to_become, infers, dim = InstanceNorm1d, "num_features", -2


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """InstanceNorm2d whose num_features are the channels of its first input; with affine and running statistics."""

    cls_to_become, infers, dim = InstanceNorm2d, "num_features", -3


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """InstanceNorm3d whose num_features are the channels of its first input; with affine and running statistics."""

    cls_to_become, infers, dim = InstanceNorm3d, "num_features", -4
