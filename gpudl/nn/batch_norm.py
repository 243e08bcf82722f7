"""Batch normalization, and what it shares with instance normalization: running statistics of the channels."""

from __future__ import annotations

import warnings
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.affine import Affine
from gpudl.nn.arguments import count
from gpudl.ops.batch_norm import batch_norm
from gpudl.ops.create import empty, zeros

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class ChannelNorm(Affine):
    """Base of the normalizations of channels. A subclass gives the dimensions that it takes, and `forward`.

    Attributes: as BatchNorm1d.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    _version = 2  # the first, of PyTorch before 0.4.1, had no num_batches_tracked
    _dims: tuple[int, ...]  # how many dimensions an input may have
    _expected: str  # the same for messages, with {0} where the channels stand

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = count(type(self).__name__, "num_features", num_features)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._make_state(bias, device, dtype)

    def _make_state(self, bias: bool, device: Any, dtype: Any) -> None:
        """Register parameters and buffers with their first values: all that depends on num_features."""
        channels = self.num_features
        self._make_affine((channels,), self.affine, self.affine and bias, device, dtype)
        tracked = self.track_running_stats
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, empty(channels, device=device, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), device=device, dtype="int64") if tracked else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """The running mean is 0 and the running variance 1 again, of no batches."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """The running statistics are those of no batches, the weight is 1 and the bias 0 again."""
        self.reset_running_stats()
        super().reset_parameters()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2 and self.num_batches_tracked is not None:
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)

    def _check(self, input: Tensor, channels_at: int) -> None:
        """Raise ShapeError for an input of other dimensions, or of other channels than the state is for."""
        if input.ndim in self._dims and input.shape[channels_at] == self.num_features:
            return
        problem = f"expected {self._expected.format(self.num_features)}, got {input.shape}"
        if input.ndim not in self._dims or self.affine or self.running_mean is not None:
            raise ShapeError(problem)
        warnings.warn(f"{problem}; num_features is not used without affine and running statistics", stacklevel=4)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(ChannelNorm):
    def forward(self, input: Tensor) -> Tensor:
        self._check(input, 1)
        tracked = self.num_batches_tracked if self.training and self.track_running_stats else None
        share = 0.0 if self.momentum is None and tracked is None else self.momentum
        used = self.track_running_stats or not self.training
        mean, var = (self.running_mean, self.running_var) if used else (None, None)
        of_batch = self.training or (mean is None and var is None)
        return batch_norm(
            input, mean, var, self.weight, self.bias, of_batch, share, self.eps, num_batches_tracked=tracked
        )


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel.

    In training they are those of the batch, the variance biased. The running statistics follow them,
    running = (1 - momentum) * running + momentum * of the batch, where the variance is the unbiased one, and are what
    is normalized by in evaluation. Without running statistics those of the batch are always taken.

    Args:
        num_features: channels, >= 0.
        eps: > 0, what keeps the root from 0.
        momentum: share of a batch in the running statistics, in [0, 1]; None: 1 / num_batches_tracked, so that they
            are the mean over all batches.
        affine: with a weight, and
        bias: then with a bias too.
        track_running_stats: keep running statistics.
        device, dtype: of parameters and running statistics.
    Shape: (n, num_features) or (n, num_features, length), to the same.
    Attributes:
        weight: (num_features,), 1 at first, and bias: (num_features,), 0 at first; or None.
        running_mean: (num_features,), 0 at first, and running_var: (num_features,), 1 at first; or None.
        num_batches_tracked: () int64, how many batches were seen in training; or None.
    Raises: TypeError or ShapeError for num_features that do not count; ShapeError for an input of another shape, and
        in training for one with a single value per channel.
    Warns: UserWarning for an input of other channels, where there are neither parameters nor running statistics.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.
    """

    _dims = 2, 3
    _expected = "(n, {0}) or (n, {0}, length)"


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of images.

    Args, attributes, raises, warns, source: as for BatchNorm1d.
    Shape: (n, num_features, height, width), to the same.
    """

    _dims = (4,)
    _expected = "(n, {0}, height, width)"


class BatchNorm3d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of volumes.

    Args, attributes, raises, warns, source: as for BatchNorm1d.
    Shape: (n, num_features, depth, height, width), to the same.
    """

    _dims = (5,)
    _expected = "(n, {0}, depth, height, width)"
