"""Convolutions, and what they share with the transposed ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn import init
from gpudl.nn.arguments import count
from gpudl.nn.module import Module
from gpudl.nn.parameter import Parameter
from gpudl.ops.conv import conv1d, conv2d, conv3d
from gpudl.ops.conv_windows import paddings
from gpudl.ops.create import empty
from gpudl.ops.pad import pad
from gpudl.ops.windows import Lengths, lengths

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """Settings and parameters of convolutions and transposed convolutions over `_ndim` dimensions by `_op`."""

    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Tensor]]
    transposed: ClassVar[bool] = False

    padding: Lengths | str
    output_padding: Lengths
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Lengths,
        stride: int | Lengths = 1,
        padding: int | Lengths | str = 0,
        dilation: int | Lengths = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        self.in_channels = count(name, "in_channels", in_channels)
        self.out_channels = count(name, "out_channels", out_channels)
        self.kernel_size = lengths(name, "kernel_size", kernel_size, ndim, 1)
        self.stride = lengths(name, "stride", stride, ndim, 1)
        self.dilation = lengths(name, "dilation", dilation, ndim, 1)
        self.output_padding = (0,) * ndim
        self.groups = count(name, "groups", groups, 1)
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"{name}: padding_mode must be one of {_PADDING_MODES}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        before, behind = paddings(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else before
        # As pad() takes it, the last dimension first; of use where the padding is not of zeros.
        pairs = list(zip(before, behind))[::-1]
        self._reversed_padding_repeated_twice = tuple(width for pair in pairs for width in pair)
        self.weight = Parameter(empty(self._weight_shape(), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        """The weight's shape: with it, all that depends on in_channels, which a lazy layer learns late."""
        for channels in ("in_channels", "out_channels"):
            if getattr(self, channels) % self.groups:
                raise ShapeError(
                    f"{type(self).__name__}: {channels} must be divisible by groups, got {channels}="
                    f"{getattr(self, channels)} and groups={self.groups}"
                )
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        none, ones = (0,) * self._ndim, (1,) * self._ndim
        settings = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            f"padding={self.padding}" if self.padding != none else "",
            f"dilation={self.dilation}" if self.dilation != ones else "",
            f"output_padding={self.output_padding}" if self.output_padding != none else "",
            f"groups={self.groups}" if self.groups != 1 else "",
            "bias=False" if self.bias is None else "",
            f"padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "",
        ]
        return ", ".join(filter(None, settings))


class _WindowedConvNd(_ConvNd):
    """Convolutions that are not transposed."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution by any weight and bias, for subclasses that change these before they are used."""
        padding: int | Lengths | str = self.padding
        if self.padding_mode != "zeros":
            input = pad(input, self._reversed_padding_repeated_twice, self.padding_mode)
            padding = 0
        return self._op(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_WindowedConvNd):
    """Each output is the sum of a window of the input, weighted; the windows slide along the length.

    y[n, o, q] = bias[o] + sum over c, t of weight[o, c, t] x[n, c, stride q + dilation t - padding]

    Args:
        in_channels: of the input, >= 0.
        out_channels: of the output, > 0.
        kernel_size: taps of a window, >= 1.
        stride: from one window to the next, >= 1.
        padding: elements added on both sides, >= 0; or "valid" for none, "same" for as many outputs as inputs (stride 1
            only).
        dilation: from one tap of a window to the next, >= 1.
        groups: into how many the channels are split; each sees only itself. Divides both numbers of channels.
        bias: with a bias.
        padding_mode: what is added: "zeros" | "reflect" | "replicate" | "circular", as in pad().
        device, dtype: of the parameters.
    Shape: (batch, in_channels, length) or (in_channels, length) to (batch, out_channels, (length + 2 padding -
        dilation (kernel_size - 1) - 1) // stride + 1), or without the batch.
    Attributes:
        weight: (out_channels, in_channels / groups, kernel_size), and bias: (out_channels,) or None, both drawn from
            U(-k, k), k = 1 / sqrt(in_channels / groups * kernel_size).
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or do not fit together, and
        for an input of another shape; ValueError for an unknown padding_mode.
    Source: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".
    """

    _ndim = 1
    _op = staticmethod(conv1d)


class Conv2d(_WindowedConvNd):
    """As Conv1d, over 2 dimensions: kernel_size, stride, padding and dilation are one int or 2, for each dimension.

    Args, raises: as for Conv1d.
    Shape: (batch, in_channels, height, width) to (batch, out_channels, ...), each length as for Conv1d, or both without
        the batch.
    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), and bias: (out_channels,) or None, both drawn from
            U(-k, k), k = 1 / sqrt(in_channels / groups * taps of the kernel).
    """

    _ndim = 2
    _op = staticmethod(conv2d)


class Conv3d(_WindowedConvNd):
    """As Conv1d, over 3 dimensions: kernel_size, stride, padding and dilation are one int or 3, for each dimension.

    Args, raises: as for Conv1d.
    Shape: (batch, in_channels, depth, height, width) to (batch, out_channels, ...), each length as for Conv1d, or both
        without the batch.
    Attributes: as for Conv2d.
    """

    _ndim = 3
    _op = staticmethod(conv3d)
