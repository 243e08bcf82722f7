"""Keras' layers over images and sequences, channels last."""

from __future__ import annotations

import math
from typing import Any

from gpudl import nn
from gpudl.autograd.tensor import Tensor
from gpudl.keras.recipe import Apply, Initializer, Layer, Shape, activated, filled
from gpudl.ops.create import ones


class ChannelsLast(nn.Module):
    """A module that has the channels in front, between inputs and outputs that have them at the end."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: Tensor) -> Tensor:
        return self.module(input.movedim(-1, 1)).movedim(1, -1)  # type: ignore[no-any-return]


def channels_last(module: nn.Module) -> nn.Module:
    """A module for inputs with their channels at the end."""
    return ChannelsLast(module)


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


def _same(shape: Shape, kernel: Shape, strides: Shape, dilation: Shape) -> list[tuple[int, int]]:
    """TensorFlow's padding "same": before and after in each dimension, so that the output is the input / strides."""
    padding = []
    for size, width, stride, gap in zip(shape, kernel, strides, dilation):
        if size is None and stride > 1:
            raise ValueError("padding 'same' with strides depends on the input's size; give numbers in place of None")
        size = size or 1  # with a stride of 1 any does
        missing = max((-(-size // stride) - 1) * stride + (width - 1) * gap + 1 - size, 0)
        padding.append((missing // 2, missing - missing // 2))
    return padding


def _pad(sides: list[tuple[int, int]], filler: float) -> nn.Module:
    """Padding of channels-first inputs, given before and after in each dimension."""
    widths = tuple(width for side in reversed(sides) for width in side)
    return nn.ConstantPad1d(widths, filler) if len(sides) == 1 else nn.ConstantPad2d(widths, filler)


def _require_padding(layer: str, padding: str) -> None:
    if padding not in ("valid", "same"):
        raise ValueError(f"{layer}: padding must be 'valid' or 'same', got {padding!r}")


class _Conv(Layer):
    dimensions: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        _require_padding(type(self).__name__, padding)
        self.filters, self.padding, self.groups = filters, padding, groups
        self.kernel_size, self.strides, self.dilation_rate = (
            _tuple(value, self.dimensions) for value in (kernel_size, strides, dilation_rate)
        )
        self.activation, self.use_bias = activation, use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer

    def make(self, shape: Shape) -> nn.Module:
        if len(shape) != self.dimensions + 1:
            raise ValueError(
                f"{type(self).__name__}: expected samples of {self.dimensions + 1} dimensions, channels last, "
                f"got {shape}"
            )
        kind: Any = nn.Conv1d if self.dimensions == 1 else nn.Conv2d
        conv: Any = kind(
            shape[-1],
            self.filters,
            self.kernel_size,
            self.strides,
            dilation=self.dilation_rate,
            groups=self.groups,
            bias=self.use_bias,
        )
        filled(conv.weight, self.kernel_initializer)
        filled(conv.bias, self.bias_initializer)
        module: nn.Module = conv
        if self.padding == "same":
            sides = _same(shape[:-1], self.kernel_size, self.strides, self.dilation_rate)
            if all(before == after for before, after in sides):
                conv.padding = tuple(before for before, _ in sides)
            else:
                module = nn.Sequential(_pad(sides, 0.0), conv)
        return activated(ChannelsLast(module), self.activation)


class Conv2D(_Conv):
    """Convolution of images, (height, width, channels).

    Args:
        filters: channels of the output.
        kernel_size: one number or two.
        strides, dilation_rate: one number or two.
        padding: "valid": none; "same": zeros, as TensorFlow does.
        groups: the channels are cut into so many groups that do not mix.
        activation: a name, a function or a module.
        use_bias: with a bias.
        kernel_initializer, bias_initializer: names or functions of the tensor.
    """

    dimensions = 2
    kernel_axes = (2, 3, 1, 0)


class Conv1D(_Conv):
    """Convolution of sequences, (length, channels); arguments as Conv2D."""

    dimensions = 1
    kernel_axes = (2, 1, 0)


class _Pooling2D(Layer):
    def __init__(self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **settings: Any) -> None:
        super().__init__(**settings)
        _require_padding(type(self).__name__, padding)
        self.pool_size = _tuple(pool_size, 2)
        self.strides = self.pool_size if strides is None else _tuple(strides, 2)
        self.padding = padding

    def pad(self, shape: Shape, filler: float) -> nn.Module:
        """What stands before the pool."""
        if self.padding == "valid":
            return nn.Identity()
        return _pad(_same(shape[:-1], self.pool_size, self.strides, (1, 1)), filler)


class MaxPooling2D(_Pooling2D):
    """The largest value of each window.

    Args:
        pool_size: of the window, one number or two.
        strides: between windows; None: pool_size.
        padding: "valid": windows that lie inside; "same": as many as cover all.
    """

    def make(self, shape: Shape) -> nn.Module:
        pool = nn.MaxPool2d(self.pool_size, self.strides)
        return ChannelsLast(nn.Sequential(self.pad(shape, -math.inf), pool))


class AveragePooling2D(_Pooling2D):
    """The mean of each window, of what lies inside; arguments as MaxPooling2D."""

    def make(self, shape: Shape) -> nn.Module:
        pool = nn.AvgPool2d(self.pool_size, self.strides)
        if self.padding == "valid":
            return ChannelsLast(pool)
        if None in shape:
            raise ValueError("AveragePooling2D: padding 'same' needs the input's size; give numbers in place of None")
        return ChannelsLast(AverageInside(self.pad(shape, 0.0), pool, shape))


class AverageInside(nn.Module):
    """Means of windows that reach over the edge, of what lies inside."""

    share: Tensor

    def __init__(self, pad: nn.Module, pool: nn.Module, shape: Shape) -> None:
        super().__init__()
        self.pad, self.pool = pad, pool
        self.register_buffer("share", pool(pad(ones(1, 1, *shape[:-1]))), persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return self.pool(self.pad(input)) / self.share  # type: ignore[no-any-return]


class GlobalAveragePooling2D(Layer):
    """The mean of each channel."""

    def make(self, shape: Shape) -> nn.Module:
        return Apply(lambda x: x.mean((1, 2)))


class GlobalMaxPooling2D(Layer):
    """The largest value of each channel."""

    def make(self, shape: Shape) -> nn.Module:
        return Apply(lambda x: x.amax((1, 2)))
