"""Transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.conv import _ConvNd
from gpudl.ops.conv import conv_transpose1d, conv_transpose2d, conv_transpose3d
from gpudl.ops.windows import Lengths, lengths

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTransposeNd(_ConvNd):
    transposed = True
    padding: Lengths

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Lengths,
        stride: int | Lengths = 1,
        padding: int | Lengths = 0,
        output_padding: int | Lengths = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Lengths = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        name, ndim = type(self).__name__, self._ndim
        if padding_mode != "zeros":
            raise ValueError(f"{name}: the only padding_mode is 'zeros', got {padding_mode!r}")
        padding = lengths(name, "padding", padding, ndim, 0)  # "same" and "valid" are not for these
        extra = lengths(name, "output_padding", output_padding, ndim, 0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = extra

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The output for an input.

        Args:
            output_size: the output's spatial shape, or its whole shape, in place of output_padding.
        Raises: ShapeError unless each length is one of the `stride` that a convolution makes the input's length of.
        """
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return self._op(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> Lengths:
        """By how much the output is to be longer than the shortest one."""
        ndim = self._ndim
        wanted = tuple(output_size)
        if len(wanted) == input.ndim > ndim:
            wanted = wanted[-ndim:]
        if len(wanted) != ndim:
            raise ShapeError(f"expected an output_size of {ndim} or {input.ndim} lengths, got {tuple(output_size)}")
        shortest = tuple(
            (length - 1) * step - 2 * pad + gap * (taps - 1) + 1
            for length, step, pad, gap, taps in zip(
                input.shape[-ndim:], self.stride, self.padding, self.dilation, self.kernel_size
            )
        )
        extra = tuple(want - least for want, least in zip(wanted, shortest))
        if not all(0 <= more < step for more, step in zip(extra, self.stride)):
            longest = tuple(least + step - 1 for least, step in zip(shortest, self.stride))
            raise ShapeError(
                f"expected an output_size from {shortest} to {longest} for an input of {input.shape}, got {wanted}"
            )
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """Each input adds the weights, times itself, to a window of the output: what Conv1d's gradient does.

    y[n, o, stride q + dilation t - padding] += weight[c, o, t] x[n, c, q],    y starts as bias[o]

    Args:
        in_channels: of the input, >= 1.
        out_channels: of the output, >= 0.
        kernel_size: taps of a window, >= 1.
        stride: from one window to the next, >= 1.
        padding: how much is cut off on both sides of the output, >= 0.
        output_padding: how much the output is longer at its end, >= 0, less than stride or dilation: a convolution
            with a stride has one length for several inputs.
        groups: into how many the channels are split; each sees only itself. Divides both numbers of channels.
        bias: with a bias.
        dilation: from one tap of a window to the next, >= 1.
        padding_mode: "zeros".
        device, dtype: of the parameters.
    Shape: (batch, in_channels, length) or (in_channels, length) to (batch, out_channels, (length - 1) stride -
        2 padding + dilation (kernel_size - 1) + output_padding + 1), or without the batch.
    Attributes:
        weight: (in_channels, out_channels / groups, kernel_size), and bias: (out_channels,) or None, both drawn from
            U(-k, k), k = 1 / sqrt(out_channels / groups * kernel_size).
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or do not fit together, and
        for an input of another shape; ValueError for another padding_mode.
    Source: Zeiler et al. 2010, "Deconvolutional networks".
    """

    _ndim = 1
    _op = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """As ConvTranspose1d, over 2 dimensions: lengths of the windows are one int or 2, for each dimension.

    Args, raises: as for ConvTranspose1d.
    Shape: (batch, in_channels, height, width) to (batch, out_channels, ...), each length as for ConvTranspose1d, or
        both without the batch.
    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size), and bias: (out_channels,) or None, both drawn from
            U(-k, k), k = 1 / sqrt(out_channels / groups * taps of the kernel).
    """

    _ndim = 2
    _op = staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """As ConvTranspose1d, over 3 dimensions: lengths of the windows are one int or 3, for each dimension.

    Args, raises: as for ConvTranspose1d.
    Shape: (batch, in_channels, depth, height, width) to (batch, out_channels, ...), each length as for
        ConvTranspose1d, or both without the batch.
    Attributes: as for ConvTranspose2d.
    """

    _ndim = 3
    _op = staticmethod(conv_transpose3d)
