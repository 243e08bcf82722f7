"""Padding: more elements at the edges, of one value or copied from the input; fewer where a width is negative."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.pad import pad
from gpudl.ops.windows import batched, lengths

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip

Widths = int | Sequence[int]


class _PadNd(Module):
    _ndim: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: Widths) -> None:
        super().__init__()
        self.padding = lengths(type(self).__name__, "padding", padding, 2 * self._ndim, -sys.maxsize)

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Elements of one value around the last dimension.

    y[..., i] = x[..., i - left] inside x, value outside

    Args:
        padding: (left, right), or one int for both; negative to take elements away.
        value: what is filled in.
    Shape: (*, length) to (*, left + length + right).
    Raises: TypeError for widths that are no ints; ShapeError for another number of them.
    """

    _ndim = 1


class ConstantPad2d(_ConstantPadNd):
    """Elements of one value around the last 2 dimensions, as in ConstantPad1d.

    Args:
        padding: (left, right, top, bottom), or one int for all; negative to take elements away.
        value: what is filled in.
    Shape: (*, height, width) to (*, top + height + bottom, left + width + right).
    Raises: as for ConstantPad1d.
    """

    _ndim = 2


class ConstantPad3d(_ConstantPadNd):
    """Elements of one value around the last 3 dimensions, as in ConstantPad1d.

    Args:
        padding: (left, right, top, bottom, front, back), or one int for all; negative to take elements away.
        value: what is filled in.
    Shape: (*, depth, height, width) to (*, front + depth + back, top + height + bottom, left + width + right).
    Raises: as for ConstantPad1d.
    """

    _ndim = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Widths) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """ConstantPad1d with zeros.

    Args, shape, raises: as for ConstantPad1d.
    """


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """ConstantPad2d with zeros.

    Args, shape, raises: as for ConstantPad2d.
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """ConstantPad3d with zeros.

    Args, shape, raises: as for ConstantPad3d.
    """


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """The input mirrored at its first and last element, which are not repeated.

    y[..., left - i] = x[..., i],    y[..., left + length - 1 + i] = x[..., length - 1 - i]

    Args:
        padding: (left, right), or one int for both, less than length; negative to take elements away.
    Shape: (batch, channels, length) or (channels, length) to the same with length left + length + right.
    Raises: TypeError for widths that are no ints; ShapeError for another number of them.
    """

    _ndim = 1


class ReflectionPad2d(_ReflectionPadNd):
    """As ReflectionPad1d, over 2 dimensions.

    Args:
        padding: (left, right, top, bottom), or one int for all, less than the lengths; negative to take elements away.
    Shape: (batch, channels, height, width) or (channels, height, width) to the same with height top + height + bottom
        and width left + width + right.
    Raises: as for ReflectionPad1d.
    """

    _ndim = 2


class ReflectionPad3d(_ReflectionPadNd):
    """As ReflectionPad1d, over 3 dimensions.

    Args:
        padding: (left, right, top, bottom, front, back), or one int for all, less than the lengths; negative to take
            elements away.
    Shape: (batch, channels, depth, height, width) or (channels, depth, height, width) to the same with depth
        front + depth + back, height top + height + bottom and width left + width + right.
    Raises: as for ReflectionPad1d.
    """

    _ndim = 3


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """The first and the last element repeated.

    y[..., i] = x[..., min(max(i - left, 0), length - 1)]

    Args:
        padding: (left, right), or one int for both; negative to take elements away.
    Shape, raises: as for ReflectionPad1d.
    """

    _ndim = 1


class ReplicationPad2d(_ReplicationPadNd):
    """As ReplicationPad1d, over 2 dimensions.

    Args:
        padding: (left, right, top, bottom), or one int for all; negative to take elements away.
    Shape, raises: as for ReflectionPad2d.
    """

    _ndim = 2


class ReplicationPad3d(_ReplicationPadNd):
    """As ReplicationPad1d, over 3 dimensions.

    Args:
        padding: (left, right, top, bottom, front, back), or one int for all; negative to take elements away.
    Shape, raises: as for ReflectionPad3d.
    """

    _ndim = 3


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        batched(type(self).__name__, input, self._ndim)  # PyTorch raises ValueError here, and here only
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """The elements of the other end: the input as if it went around in a circle.

    y[..., i] = x[..., (i - left) mod length]

    Args:
        padding: (left, right), or one int for both, at most length; negative to take elements away.
    Shape, raises: as for ReflectionPad1d.
    """

    _ndim = 1


class CircularPad2d(_CircularPadNd):
    """As CircularPad1d, over 2 dimensions.

    Args:
        padding: (left, right, top, bottom), or one int for all, at most the lengths; negative to take elements away.
    Shape, raises: as for ReflectionPad2d.
    """

    _ndim = 2


class CircularPad3d(_CircularPadNd):
    """As CircularPad1d, over 3 dimensions.

    Args:
        padding: (left, right, top, bottom, front, back), or one int for all, at most the lengths; negative to take
            elements away.
    Shape, raises: as for ReflectionPad3d.
    """

    _ndim = 3
