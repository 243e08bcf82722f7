"""conv1d, conv2d, conv3d, their transposed forms, and conv_tbc: convolution.py by its usual names."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops.convolution import Convolution
from gpudl.ops.windows import Lengths

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths | str = 0,
    dilation: int | Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Each output is the sum of a window of the input, weighted; the windows slide along the length.

    y[n, o, q] = bias[o] + sum over c, t of weight[o, c, t] input[n, c, stride q + dilation t - padding]

    Args:
        input: (batch, channels, length) or (channels, length).
        weight: (out_channels, channels / groups, kernel), of the input's dtype.
        bias: (out_channels,), or None.
        stride: from one window to the next, >= 1.
        padding: zeros on both sides, >= 0; or "valid" for none, "same" for as many outputs as inputs (stride 1 only).
        dilation: from one tap of a window to the next, >= 1.
        groups: into how many the channels are split; each sees only itself.
    Returns: (batch, out_channels, (length + 2 padding - dilation (kernel - 1) - 1) // stride + 1).
    Raises: ShapeError if the shapes do not fit together; TypeError for arguments that are no ints; RuntimeError if
        the dtypes differ or are bool; DeviceError if the devices differ.
    Gradient: of the input, the transposed convolution of dy; of the weight, the products of dy with the input under
        each tap; of the bias, the sum of dy.
    Source: LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".
    """
    return Convolution.of("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths | str = 0,
    dilation: int | Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """As conv1d, over 2 dimensions: stride, padding and dilation are one int or 2, for each dimension.

    Args:
        input: (batch, channels, height, width), or without the batch.
        weight: (out_channels, channels / groups, kernel height, width).
        bias, stride, padding, dilation, groups: as in conv1d.
    Returns: (batch, out_channels, ...), each length as in conv1d.
    Raises: as conv1d.
    Gradient: as conv1d.
    """
    return Convolution.of("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths | str = 0,
    dilation: int | Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """As conv1d, over 3 dimensions: stride, padding and dilation are one int or 3, for each dimension.

    Args:
        input: (batch, channels, depth, height, width), or without the batch.
        weight: (out_channels, channels / groups, kernel depth, height, width).
        bias, stride, padding, dilation, groups: as in conv1d.
    Returns: (batch, out_channels, ...), each length as in conv1d.
    Raises: as conv1d.
    Gradient: as conv1d.
    """
    return Convolution.of("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths = 0,
    output_padding: int | Lengths = 0,
    groups: int = 1,
    dilation: int | Lengths = 1,
) -> Tensor:
    """Each input adds the weights, times itself, to a window of the output: what conv1d's gradient does.

    Args:
        input: (batch, channels, length) or (channels, length).
        weight: (channels, out_channels / groups, kernel), of the input's dtype.
        bias: (out_channels,), or None.
        stride: from one window to the next, >= 1.
        padding: how much is cut off on both sides of the output, >= 0.
        output_padding: how much the output is longer at its end, >= 0, less than stride or dilation: a convolution with
            a stride has one length for several inputs.
        groups: into how many the channels are split; each sees only itself.
        dilation: from one tap of a window to the next, >= 1.
    Returns: (batch, out_channels, (length - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1).
    Raises: ShapeError if the shapes do not fit together; TypeError for arguments that are no ints; RuntimeError if
        the dtypes differ, or are integers other than int64; DeviceError if the devices differ.
    Gradient: of the input, the convolution of dy; of the weight, the products of the input with dy under each tap; of
        the bias, the sum of dy.
    Source: Zeiler et al. 2010, "Deconvolutional networks".
    """
    name = "conv_transpose1d"
    return Convolution.transposed_of(name, 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths = 0,
    output_padding: int | Lengths = 0,
    groups: int = 1,
    dilation: int | Lengths = 1,
) -> Tensor:
    """As conv_transpose1d, over 2 dimensions.

    Args:
        input: (batch, channels, height, width), or without the batch.
        weight: (channels, out_channels / groups, kernel height, width).
        bias, stride, padding, output_padding, groups, dilation: as in conv_transpose1d.
    Returns: (batch, out_channels, ...), each length as in conv_transpose1d.
    Raises: as conv_transpose1d.
    Gradient: as conv_transpose1d.
    """
    name = "conv_transpose2d"
    return Convolution.transposed_of(name, 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Lengths = 1,
    padding: int | Lengths = 0,
    output_padding: int | Lengths = 0,
    groups: int = 1,
    dilation: int | Lengths = 1,
) -> Tensor:
    """As conv_transpose1d, over 3 dimensions.

    Args:
        input: (batch, channels, depth, height, width), or without the batch.
        weight: (channels, out_channels / groups, kernel depth, height, width).
        bias, stride, padding, output_padding, groups, dilation: as in conv_transpose1d.
    Returns: (batch, out_channels, ...), each length as in conv_transpose1d.
    Raises: as conv_transpose1d.
    Gradient: as conv_transpose1d.
    """
    name = "conv_transpose3d"
    return Convolution.transposed_of(name, 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv1d of sequences laid out (time, batch, channels).

    Args:
        input: (time, batch, channels).
        weight: (kernel, channels, out_channels).
        bias: (out_channels,).
        pad: zeros on both sides in time, >= 0.
    Returns: (time + 2 pad - kernel + 1, batch, out_channels).
    Raises: as conv1d.
    Gradient: as conv1d.
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise ShapeError(
            "conv_tbc: expected input (time, batch, channels) and weight (kernel, channels, out_channels), got "
            f"{input.shape} and {weight.shape}"
        )
    x, w = input.permute((1, 2, 0)), weight.permute((2, 1, 0))
    return Convolution.of("conv_tbc", 1, x, w, bias, 1, pad, 1, 1).permute((2, 0, 1))
