"""Fractional max pooling: of windows that lie at random, a fraction of an element apart on average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.fractional_max_pool import fractional_max_pool2d, fractional_max_pool3d
from gpudl.ops.windows import Lengths, lengths

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _FractionalMaxPoolNd(Module):
    _ndim: ClassVar[int]
    _op: ClassVar[Callable[..., Any]]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: int | Lengths,
        output_size: int | Lengths | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name, ndim = type(self).__name__, self._ndim
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give either output_size or output_ratio, got {output_size} and {output_ratio}")
        self.kernel_size = lengths(name, "kernel_size", kernel_size, ndim, 1)
        self.output_size = None if output_size is None else lengths(name, "output_size", output_size, ndim, 1)
        self.output_ratio = None if output_ratio is None else _ratios(name, output_ratio, ndim)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return self._op(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest element of each window; the windows lie at random and may overlap.

    start[q] = int((q + u) a) - int(u a),    a = (size - kernel_size) / (output_size - 1),    u uniform in [0, 1)

    Args:
        kernel_size: the windows' lengths: one int >= 1, or 2.
        output_size: how many windows: one int >= 1, or 2; or
        output_ratio: how many for each element: one number in (0, 1), or 2.
        return_indices: give the places of the largest elements too, height * width counted as one dimension.
        _random_samples: (batch, channels, 2) in [0, 1), the random numbers; by default drawn anew for each input.
    Shape: (batch, channels, height, width) or (channels, height, width) to (batch, channels, *output_size), or without
        the batch.
    Attributes:
        _random_samples: a buffer, or None.
    Raises: ValueError unless one of output_size and output_ratio is given, and for a ratio out of range; TypeError for
        lengths that are no ints; ShapeError if they are out of range or too many.
    Source: Graham 2014, arXiv:1412.6071.
    """

    _ndim = 2
    _op = staticmethod(fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """As FractionalMaxPool2d, over 3 dimensions: kernel_size, output_size and output_ratio are one number or 3.

    Args, attributes, raises: as for FractionalMaxPool2d; _random_samples are (batch, channels, 3).
    Shape: (batch, channels, depth, height, width) or (channels, depth, height, width) to (batch, channels,
        *output_size), or without the batch.
    """

    _ndim = 3
    _op = staticmethod(fractional_max_pool3d)


def _ratios(name: str, output_ratio: float | Sequence[float], ndim: int) -> tuple[float, ...]:
    ratios = tuple(output_ratio) if isinstance(output_ratio, Sequence) else (output_ratio,) * ndim
    if len(ratios) != ndim or not all(0 < ratio < 1 for ratio in ratios):
        raise ValueError(f"{name}: output_ratio must be one number or {ndim} in (0, 1), got {output_ratio}")
    return ratios
