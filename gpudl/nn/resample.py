"""Resizing of signals, images and volumes."""

from __future__ import annotations

from collections.abc import Sequence

from gpudl.autograd.tensor import Tensor
from gpudl.nn.module import Module
from gpudl.ops.interpolate import check_mode, interpolate
from gpudl.ops.windows import lengths

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """The input resized along its dimensions after the second, to a larger size or a smaller one.

    Args:
        size: the lengths of the output, one int >= 1 for all dimensions or one each; or
        scale_factor: their ratio to the input's lengths, one number > 0 for all dimensions or one each.
        mode: "nearest" | "nearest-exact" | "area" | "linear" (3 dimensions) | "bilinear", "bicubic" (4) |
            "trilinear" (5).
        align_corners: whether the centers of the corners stay where they are (else: their outer edges); for the linear
            and cubic modes.
        recompute_scale_factor: take the ratio of the lengths, which are rounded down, in place of scale_factor.
    Shape: (batch, channels, length), (batch, channels, height, width) or (batch, channels, depth, height, width) to the
        same with other lengths: size, or floor(length * scale_factor).
    Raises: ValueError unless one of size and scale_factor is given, and for align_corners with a mode that has none;
        TypeError for a size that is no int; NotImplementedError for an unknown mode.
    Source: Keys 1981, "Cubic convolution interpolation for digital image processing".
    """

    scale_factor: float | tuple[float, ...] | None

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        if (size is None) == (scale_factor is None):
            raise ValueError(f"{self.name}: give either size or scale_factor, got {size} and {scale_factor}")
        if size is not None:
            lengths(self.name, "size", size, len(size) if isinstance(size, Sequence) else 1, 1)
        check_mode(self.name, mode, align_corners)
        self.size = size
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        given = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images resized by taking the nearest pixel: Upsample with mode "nearest".

    Args:
        size: the height and width of the output: one int >= 1, or 2; or
        scale_factor: their ratio to the input's: one number > 0, or 2.
    Shape: (batch, channels, height, width) to the same with another height and width.
    Raises: as for Upsample.
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor)


class UpsamplingBilinear2d(Upsample):
    """Images resized by bilinear interpolation: Upsample with mode "bilinear" and align_corners=True.

    Args, shape, raises: as for UpsamplingNearest2d.
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
