"""Layers that lay out the windows of images as columns, and add columns up to images."""

from __future__ import annotations

from gpudl.autograd.tensor import Tensor
from gpudl.nn.arguments import lengths_as_given
from gpudl.nn.module import Module
from gpudl.ops.unfold import fold, unfold
from gpudl.ops.windows import Lengths

__all__ = ["Fold", "Unfold"]


class _OfWindows(Module):
    def __init__(
        self,
        kernel_size: int | Lengths,
        dilation: int | Lengths = 1,
        padding: int | Lengths = 0,
        stride: int | Lengths = 1,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = lengths_as_given(name, "kernel_size", kernel_size, 2, 1)
        self.dilation = lengths_as_given(name, "dilation", dilation, 2, 1)
        self.padding = lengths_as_given(name, "padding", padding, 2)
        self.stride = lengths_as_given(name, "stride", stride, 2, 1)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Unfold(_OfWindows):
    """The windows of an image as columns: row (c * height + i) * width + j of column q has tap (i, j) of window q.

    Args:
        kernel_size: the windows' height and width: one int >= 1, or 2.
        dilation: from one tap of a window to the next, >= 1: one int, or 2.
        padding: zeros on both sides, >= 0: one int, or 2.
        stride: from one window to the next, >= 1: one int, or 2.
    Shape: (batch, channels, height, width) or (channels, height, width) to (batch, channels * taps, windows), or
        without the batch.
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or too many.
    Source: Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".
    """

    def forward(self, input: Tensor) -> Tensor:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_OfWindows):
    """An image made of columns, as of those of Unfold: what comes from several windows is added up.

    Args:
        output_size: the height and width of the image: one int >= 1, or 2.
        kernel_size, dilation, padding, stride: as for Unfold.
    Shape: (batch, channels * taps, windows) or (channels * taps, windows) to (batch, channels, *output_size), or
        without the batch.
    Raises: as for Unfold.
    Source: Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".
    """

    def __init__(
        self,
        output_size: int | Lengths,
        kernel_size: int | Lengths,
        dilation: int | Lengths = 1,
        padding: int | Lengths = 0,
        stride: int | Lengths = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = lengths_as_given(type(self).__name__, "output_size", output_size, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
