"""Average pooling, and pooling by the p-norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.nn.arguments import lengths_as_given
from gpudl.nn.module import Module
from gpudl.ops.avg_pool2d import avg_pool2d
from gpudl.ops.pooling import avg_pool1d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d
from gpudl.ops.windows import Lengths, lengths

__all__ = ["AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d"]


class _AvgPoolNd(Module):
    kernel_size: int | Lengths
    stride: int | Lengths
    padding: int | Lengths

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window.

    y[n, c, q] = 1 / kernel_size sum over t of x[n, c, stride q + t - padding]

    Args:
        kernel_size: elements of a window, >= 1.
        stride: from one window to the next, >= 1; default kernel_size.
        padding: zeros on both sides, at most kernel_size / 2.
        ceil_mode: also take the windows that reach over the end, if they begin before it.
        count_include_pad: whether the padding counts as elements.
    Shape: (batch, channels, length) or (channels, length) to (batch, channels, (length + 2 padding - kernel_size) /
        stride + 1), rounded down (up in ceil_mode), or without the batch.
    Raises: TypeError for arguments that are no ints; ShapeError if they are out of range or too many.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    def __init__(
        self,
        kernel_size: int | Lengths,
        stride: int | Lengths | None = None,
        padding: int | Lengths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = lengths(name, "kernel_size", kernel_size, 1, 1)
        self.stride = self.kernel_size if stride is None else lengths(name, "stride", stride, 1, 1)
        self.padding = lengths(name, "padding", padding, 1, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPoolWithDivisor(_AvgPoolNd):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: int | Lengths,
        stride: int | Lengths | None = None,
        padding: int | Lengths = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        self.kernel_size = lengths_as_given(name, "kernel_size", kernel_size, ndim, 1)
        self.stride = kernel_size if stride is None else lengths_as_given(name, "stride", stride, ndim, 1)
        self.padding = lengths_as_given(name, "padding", padding, ndim)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        if divisor_override is not None and not hasattr(divisor_override, "__index__"):
            raise TypeError(f"{name}: divisor_override must be an int or None, got {divisor_override!r}")
        if divisor_override == 0:
            raise ShapeError(f"{name}: divisor_override must not be 0; leave it out for the number of elements")
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self._op(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPoolWithDivisor):
    """As AvgPool1d, over 2 dimensions: kernel_size, stride and padding are one int or 2.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad: as for AvgPool1d.
        divisor_override: divide the sum of each window by this, an int other than 0.
    Shape: (batch, channels, height, width) to the same with each length as for AvgPool1d, or both without the batch.
    Raises: as for AvgPool1d.
    """

    _ndim = 2
    _op = staticmethod(avg_pool2d)


class AvgPool3d(_AvgPoolWithDivisor):
    """As AvgPool2d, over 3 dimensions: kernel_size, stride and padding are one int or 3.

    Args, raises: as for AvgPool2d.
    Shape: (batch, channels, depth, height, width) to the same with each length as for AvgPool1d, or both without the
        batch.
    """

    _ndim = 3
    _op = staticmethod(avg_pool3d)


class _LPPoolNd(Module):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | Lengths,
        stride: int | Lengths | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        self.norm_type = norm_type
        self.kernel_size = lengths_as_given(name, "kernel_size", kernel_size, ndim, 1)
        self.stride = None if stride is None else lengths_as_given(name, "stride", stride, ndim, 1)
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._op(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window; 0 where the sum is not positive.

    y[n, c, q] = (sum over t of x[n, c, stride q + t] ** norm_type) ** (1 / norm_type)

    Args:
        norm_type: p, not 0; inf for the largest and -inf for the smallest absolute value.
        kernel_size: elements of a window, >= 1.
        stride: from one window to the next, >= 1; default kernel_size.
        ceil_mode: also take the windows that reach over the end, counted as if they were whole.
    Shape: (batch, channels, length) or (channels, length) to (batch, channels, (length - kernel_size) / stride + 1),
        rounded down (up in ceil_mode), or without the batch.
    Raises: TypeError for lengths that are no ints; ShapeError if they are out of range or too many.
    Source: Gulcehre et al. 2014, "Learned-norm pooling for deep feedforward and recurrent neural networks".
    """

    _ndim = 1
    _op = staticmethod(lp_pool1d)


class LPPool2d(_LPPoolNd):
    """As LPPool1d, over 2 dimensions: kernel_size and stride are one int or 2.

    Args, raises: as for LPPool1d.
    Shape: (batch, channels, height, width) to the same with each length as for LPPool1d, or both without the batch.
    """

    _ndim = 2
    _op = staticmethod(lp_pool2d)


class LPPool3d(_LPPoolNd):
    """As LPPool1d, over 3 dimensions: kernel_size and stride are one int or 3.

    Args, raises: as for LPPool1d.
    Shape: (batch, channels, depth, height, width) to the same with each length as for LPPool1d, or both without the
        batch.
    """

    _ndim = 3
    _op = staticmethod(lp_pool3d)
