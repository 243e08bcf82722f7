"""Instance normalization: group normalization with a group for each channel, and running statistics."""

from __future__ import annotations

import math

from gpudl.autograd.primitive import check_devices
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.batch_norm import batch_norm
from gpudl.ops.group_norm import GroupNorm
from gpudl.ops.norm_checks import check_affine, check_floating, check_running, mix_in

__all__ = ["instance_norm"]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(variance + eps) * weight + bias, with mean and variance of each channel of each sample.

    Args:
        input: (samples, channels, ...) floating, with more than one place.
        running_mean, running_var: (channels,) or None; with use_input_stats changed in place, to
            (1 - momentum) * running + momentum * the mean over the samples, where the variances are unbiased.
            Otherwise they are what is normalized by.
        weight, bias: (channels,), or None. All four of the input's dtype, or float32 beside half floats.
        use_input_stats: normalize by the statistics of the input.
        momentum: share of this input in the running statistics.
        eps: what keeps the root from 0.
    Returns: the input's shape and dtype.
    Raises: ShapeError for shapes that do not fit; RuntimeError for dtypes that are not floating or differ, and without
        any statistics; ValueError for one running statistic without the other.
    Gradient: as group_norm's with use_input_stats, else as batch_norm's outside training.
    Source: Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("instance_norm: without use_input_stats it needs running_mean and running_var")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    places = math.prod(input.shape[2:])
    if input.ndim < 2 or places == 1:
        raise ShapeError(f"instance_norm: expected (samples, channels, places) with several places, got {input.shape}")
    check_floating("instance_norm", input)
    samples, channels = input.shape[:2]
    check_affine("instance_norm", input, (channels,), weight=weight, bias=bias)
    check_running("instance_norm", input, running_mean, running_var, needed=False)
    check_devices("instance_norm", (input, running_mean, running_var))
    found: list[Array] = []
    result: Tensor = GroupNorm.apply(input, weight, bias, (samples, channels, places), channels, eps, found)
    if running_mean is not None and running_var is not None and samples and places:
        mean, var = (each.sum(axis=0) / samples for each in found)
        mix_in(running_mean, mean, momentum)
        mix_in(running_var, var * (places / (places - 1)), momentum)
    return result
