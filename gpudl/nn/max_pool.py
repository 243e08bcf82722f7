"""Max pooling, and its partial inverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.arguments import lengths_as_given
from gpudl.nn.module import Module
from gpudl.ops.max_pool2d import max_pool2d
from gpudl.ops.max_unpool import max_unpool1d, max_unpool2d, max_unpool3d
from gpudl.ops.pooling import max_pool1d, max_pool3d
from gpudl.ops.windows import Lengths, lengths

__all__ = ["MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


class _MaxPoolNd(Module):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: int | Lengths,
        stride: int | Lengths | None = None,
        padding: int | Lengths = 0,
        dilation: int | Lengths = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        self.kernel_size = lengths_as_given(name, "kernel_size", kernel_size, ndim, 1)
        self.stride = kernel_size if stride is None else lengths_as_given(name, "stride", stride, ndim, 1)
        self.padding = lengths_as_given(name, "padding", padding, ndim)
        self.dilation = lengths_as_given(name, "dilation", dilation, ndim, 1)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self._op(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window; nan if there is one.

    y[n, c, q] = max over t of x[n, c, stride q + dilation t - padding]

    Args:
        kernel_size: taps of a window, >= 1.
        stride: from one window to the next, >= 1; default kernel_size.
        padding: how far windows may begin before the first element and end after the last, at most kernel_size / 2;
            there is nothing there to be the largest.
        dilation: from one tap of a window to the next, >= 1.
        return_indices: give the places of the largest elements too, for MaxUnpool1d.
        ceil_mode: also take the windows that reach over the end, if they begin before it.
    Shape: (batch, channels, length) or (channels, length) to (batch, channels, (length + 2 padding -
        dilation (kernel_size - 1) - 1) / stride + 1), rounded down (up in ceil_mode), or without the batch.
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or too many.
    Source: Riesenhuber and Poggio 1999; Scherer et al. 2010.
    """

    _ndim = 1
    _op = staticmethod(max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """As MaxPool1d, over 2 dimensions: kernel_size, stride, padding and dilation are one int or 2.

    Args, raises: as for MaxPool1d.
    Shape: (batch, channels, height, width) to the same with each length as for MaxPool1d, or both without the batch.
        The indices count height * width as one dimension.
    """

    _ndim = 2
    _op = staticmethod(max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """As MaxPool1d, over 3 dimensions: kernel_size, stride, padding and dilation are one int or 3.

    Args, raises: as for MaxPool1d.
    Shape: (batch, channels, depth, height, width) to the same with each length as for MaxPool1d, or both without the
        batch. The indices count depth * height * width as one dimension.
    """

    _ndim = 3
    _op = staticmethod(max_pool3d)


class _MaxUnpoolNd(Module):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, kernel_size: int | Lengths, stride: int | Lengths | None = None, padding: int | Lengths = 0
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        self.kernel_size = lengths(name, "kernel_size", kernel_size, ndim, 1)
        self.stride = self.kernel_size if stride is None else lengths(name, "stride", stride, ndim, 1)
        self.padding = lengths(name, "padding", padding, ndim, 0)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The output for what max pooling gave.

        Args:
            input: the largest elements.
            indices: their places.
            output_size: the output's spatial shape, or its whole shape, where pooling makes one length of several.
        """
        return self._op(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Zeros with the elements of the input at the places that `indices` names: a partial inverse of MaxPool1d.

    y[n, c, indices[n, c, q]] = x[n, c, q]

    Args:
        kernel_size, stride, padding: as they were given to MaxPool1d; they say how long the output is.
    Shape: input and indices (batch, channels, length) or (channels, length) to (batch, channels, (length - 1) stride -
        2 padding + kernel_size), or the output_size given to forward, or without the batch.
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or too many.
    Source: Zeiler and Fergus 2014, arXiv:1311.2901.
    """

    _ndim = 1
    _op = staticmethod(max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """As MaxUnpool1d, over 2 dimensions, which the indices count as one.

    Args, raises: as for MaxUnpool1d.
    Shape: (batch, channels, height, width) to the same with each length as for MaxUnpool1d, or both without the batch.
    """

    _ndim = 2
    _op = staticmethod(max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """As MaxUnpool1d, over 3 dimensions, which the indices count as one.

    Args, raises: as for MaxUnpool1d.
    Shape: (batch, channels, depth, height, width) to the same with each length as for MaxUnpool1d, or both without the
        batch.
    """

    _ndim = 3
    _op = staticmethod(max_unpool3d)
