"""Instance normalization: each channel of each sample by its own mean and variance."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.nn.batch_norm import ChannelNorm
from gpudl.ops.instance_norm import instance_norm

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        alone = input.ndim == self._dims[0]
        self._check(input, 0 if alone else 1)
        result = instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if alone else result


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of each sample.

    With running statistics, these follow the means over the samples in training, as in BatchNorm1d, and are what is
    normalized by in evaluation.

    Args:
        num_features: channels, >= 0.
        eps: > 0, what keeps the root from 0.
        momentum: share of an input in the running statistics, in [0, 1]; None: 0, they stay as they are.
        affine: with a weight, and
        bias: then with a bias too.
        track_running_stats: keep running statistics.
        device, dtype: of parameters and running statistics.
    Shape: (n, num_features, length) or (num_features, length), to the same; length > 1 unless running statistics are
        normalized by.
    Attributes:
        weight: (num_features,), 1 at first, and bias: (num_features,), 0 at first; or None.
        running_mean: (num_features,), 0 at first, and running_var: (num_features,), 1 at first; or None.
        num_batches_tracked: () int64, always 0, as in PyTorch; or None.
    Raises: TypeError or ShapeError for num_features that do not count; ShapeError for an input of another shape.
    Warns: UserWarning for an input of other channels, where there are neither parameters nor running statistics.
    Source: Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022.
    """

    _dims = 2, 3
    _expected = "({0}, length) or (n, {0}, length)"


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of each image.

    Args, attributes, raises, warns, source: as for InstanceNorm1d.
    Shape: (n, num_features, height, width) or (num_features, height, width), to the same.
    """

    _dims = 3, 4
    _expected = "({0}, height, width) or (n, {0}, height, width)"


class InstanceNorm3d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of each volume.

    Args, attributes, raises, warns, source: as for InstanceNorm1d.
    Shape: (n, num_features, depth, height, width) or (num_features, depth, height, width), to the same.
    """

    _dims = 4, 5
    _expected = "({0}, depth, height, width) or (n, {0}, depth, height, width)"
