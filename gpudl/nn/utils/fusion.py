"""A layer and the batch normalization after it as one layer, for inference."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from gpudl.autograd.grad_mode import no_grad
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

M = TypeVar("M", bound=Module)


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A convolution that does what `conv` and then the batch normalization `bn` do in evaluation mode.

    Args:
        conv: with weight and bias, which may be None; in evaluation mode.
        bn: with running_mean, running_var, eps, weight and bias; in evaluation mode.
        transpose: conv is a transposed one, whose weight has the output channels second.
    Returns: a copy of conv with a bias.
    Raises: AssertionError unless both are in evaluation mode and bn has running statistics.
    """
    _check("fuse_conv_bn_eval", conv, bn)
    fused: Any = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused  # type: ignore[no-any-return]


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution with a batch normalization after it.

    weight = conv_w * s, bias = (conv_b - bn_rm) * s + bn_b, with s = bn_w / sqrt(bn_rv + bn_eps) for each channel.

    Args:
        conv_w: (channels, *), or (*, channels, *) if transpose: the second dimension.
        conv_b, bn_w, bn_b: (channels,), or None for 0, 1 and 0.
        bn_rm, bn_rv: (channels,), running mean and variance.
        bn_eps: added to the variance.
        transpose: of a transposed convolution.
    """
    channels = (1, -1) if transpose else (-1, 1)
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (*channels, *[1] * (conv_w.ndim - 2)))


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """A Linear that does what `linear` and then the batch normalization `bn` do in evaluation mode.

    Args:
        linear: with out_features, weight and bias, which may be None; in evaluation mode.
        bn: with running_mean, running_var, eps, weight, bias, and num_features, linear.out_features or 1.
    Returns: a copy of linear with a bias.
    Raises: AssertionError unless both are in evaluation mode, bn has running statistics, and the features fit.
    """
    _check("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            f"fuse_linear_bn_eval: expected bn.num_features to be 1 or linear.out_features={linear.out_features}, "
            f"got {bn.num_features}"
        )
    fused: Any = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused  # type: ignore[no-any-return]


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a Linear with a batch normalization after it; the formula of fuse_conv_bn_weights.

    Args:
        linear_w: (features, inputs).
        linear_b, bn_w, bn_b: (features,), or None for 0, 1 and 0.
        bn_rm, bn_rv: (features,), running mean and variance.
        bn_eps: added to the variance.
    """
    if linear_w.ndim != 2:
        raise ShapeError(f"fuse_linear_bn_weights: expected a weight of 2 dimensions, got shape {linear_w.shape}")
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _check(caller: str, layer: Module, bn: Module) -> None:
    if layer.training or bn.training:
        raise AssertionError(f"{caller}: fusion is for evaluation only; call eval() on both modules")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(f"{caller}: expected a batch normalization with running_mean and running_var, got None")


def _fused(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    scale: Tensor | None,
    shift: Tensor | None,
    channels: tuple[int, ...],
) -> tuple[Parameter, Parameter]:
    """The weight and bias of both together; `channels` is the shape that lays a vector along the output channels."""
    with no_grad():
        factor = (variance + eps).rsqrt()
        if scale is not None:
            factor = factor * scale
        fused = (-mean if bias is None else bias - mean) * factor
        if shift is not None:
            fused = fused + shift
        fused = fused.expand(weight.shape[channels.index(-1)]).contiguous()  # a Linear may have statistics of 1 feature
        return (
            Parameter((weight * factor.reshape(channels)).to(weight.dtype), weight.requires_grad),
            Parameter(fused.to((weight if bias is None else bias).dtype), bias is not None and bias.requires_grad),
        )
