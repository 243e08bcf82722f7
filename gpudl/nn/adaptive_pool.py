"""Adaptive pooling: to outputs of a given shape, whatever the input's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from gpudl.ops.windows import lengths

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
]  # fmt: skip


class _AdaptivePoolNd(Module):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        wanted = output_size
        if isinstance(wanted, Sequence) and self._ndim > 1:
            wanted = tuple(0 if want is None else want for want in wanted)
        lengths(type(self).__name__, "output_size", wanted, self._ndim, 0)
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPoolNd(_AdaptivePoolNd):
    def forward(self, input: Tensor) -> Any:
        return self._op(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` windows, as equal as they can be; neighbors may share an element.

    y[n, c, q] = mean of x[n, c, i] over floor(q length / output_size) <= i < ceil((q + 1) length / output_size)

    Args:
        output_size: how many windows, >= 0.
    Shape: (batch, channels, length) or (channels, length) to the same with length output_size.
    Raises: TypeError for what is no int; ShapeError for one below 0, or too many.
    Source: He et al. 2014, arXiv:1406.4729.
    """

    _ndim = 1
    _op = staticmethod(adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """As AdaptiveAvgPool1d, over 2 dimensions.

    Args:
        output_size: how many windows: one int >= 0 or 2, None for as many as there are elements.
    Shape: (batch, channels, height, width) or (channels, height, width) to (batch, channels, *output_size), or without
        the batch.
    Raises: as for AdaptiveAvgPool1d.
    """

    _ndim = 2
    _op = staticmethod(adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """As AdaptiveAvgPool1d, over 3 dimensions.

    Args:
        output_size: how many windows: one int >= 0 or 3, None for as many as there are elements.
    Shape: (batch, channels, depth, height, width) or (channels, depth, height, width) to (batch, channels,
        *output_size), or without the batch.
    Raises: as for AdaptiveAvgPool1d.
    """

    _ndim = 3
    _op = staticmethod(adaptive_avg_pool3d)


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._op(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest element of each of `output_size` windows, as those of AdaptiveAvgPool1d; nan if there is one.

    Args:
        output_size: how many windows, >= 0.
        return_indices: give the places of the largest elements too.
    Shape: (batch, channels, length) or (channels, length) to the same with length output_size.
    Raises: TypeError for what is no int; ShapeError for one below 0, or too many.
    Source: He et al. 2014, arXiv:1406.4729.
    """

    _ndim = 1
    _op = staticmethod(adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """As AdaptiveMaxPool1d, over 2 dimensions, which the indices count as one.

    Args:
        output_size: how many windows: one int >= 0 or 2, None for as many as there are elements.
        return_indices: give the places of the largest elements too.
    Shape: (batch, channels, height, width) or (channels, height, width) to (batch, channels, *output_size), or without
        the batch.
    Raises: as for AdaptiveMaxPool1d.
    """

    _ndim = 2
    _op = staticmethod(adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """As AdaptiveMaxPool1d, over 3 dimensions, which the indices count as one.

    Args:
        output_size: how many windows: one int >= 0 or 3, None for as many as there are elements.
        return_indices: give the places of the largest elements too.
    Shape: (batch, channels, depth, height, width) or (channels, depth, height, width) to (batch, channels,
        *output_size), or without the batch.
    Raises: as for AdaptiveMaxPool1d.
    """

    _ndim = 3
    _op = staticmethod(adaptive_max_pool3d)
