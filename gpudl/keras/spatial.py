"""Keras' layers over images and sequences, channels last."""

from __future__ import annotations

from typing import Any

from gpudl import nn
from gpudl.autograd.tensor import Tensor
from gpudl.keras.recipe import Apply, Initializer, Layer, Shape, activated, filled


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
        missing = max((-(-size // stride) - 1) * stride + (width - 1) * gap + 1 - size, 0)
        padding.append((missing // 2, missing - missing // 2))
    return padding


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
        kind, pad = {1: (nn.Conv1d, nn.ConstantPad1d), 2: (nn.Conv2d, nn.ConstantPad2d)}[self.dimensions]
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
                module = nn.Sequential(pad(tuple(n for side in reversed(sides) for n in side), 0.0), conv)
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

    def arguments(self, shape: Shape) -> dict[str, Any]:
        """Of the module. A pool leaves out what lies outside, so that half of "same" padding and ceil_mode are all."""
        padding: tuple[int, ...] = (0, 0)
        if self.padding == "same":
            padding = tuple(before for before, _ in _same(shape[:-1], self.pool_size, self.strides, (1, 1)))
        sizes = {"kernel_size": self.pool_size, "stride": self.strides, "padding": padding}
        return {**sizes, "ceil_mode": self.padding == "same"}


class MaxPooling2D(_Pooling2D):
    """The largest value of each window.

    Args:
        pool_size: of the window, one number or two.
        strides: between windows; None: pool_size.
        padding: "valid": windows that lie inside; "same": as many as cover all.
    """

    def make(self, shape: Shape) -> nn.Module:
        return ChannelsLast(nn.MaxPool2d(**self.arguments(shape)))


class AveragePooling2D(_Pooling2D):
    """The mean of each window, of what lies inside; arguments as MaxPooling2D."""

    def make(self, shape: Shape) -> nn.Module:
        return ChannelsLast(nn.AvgPool2d(**self.arguments(shape), count_include_pad=False))


class GlobalAveragePooling2D(Layer):
    """The mean of each channel."""

    def make(self, shape: Shape) -> nn.Module:
        return Apply(lambda x: x.mean((1, 2)))


class GlobalMaxPooling2D(Layer):
    """The largest value of each channel."""

    def make(self, shape: Shape) -> nn.Module:
        return Apply(lambda x: x.amax((1, 2)))
