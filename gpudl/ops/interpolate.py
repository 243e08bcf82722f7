"""Resizing of signals, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.dtypes import DType, float32
from gpudl.backend.errors import ShapeError
from gpudl.ops import resample

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

# mode -> the numbers of dimensions of the input that it takes.
_MODES = {
    "nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5),
    "linear": (3,), "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,),
}  # fmt: skip


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The input resized along its dimensions after the second.

    Args:
        input: (batch, channels, length), (batch, channels, height, width) or (batch, channels, depth, height, width),
            floating; uint8 too for "nearest" and "nearest-exact".
        size: the lengths of the result, one number for all dimensions or one each.
        scale_factor: in its place, the ratio to the input's lengths.
        mode: "nearest" | "nearest-exact" | "area" | "linear" (3 dimensions) | "bilinear", "bicubic", "lanczos" (4) |
            "trilinear" (5).
        align_corners: whether the centers of the corners stay where they are (else: their outer edges); for the linear
            and cubic modes.
        recompute_scale_factor: take the ratio of the lengths, which are rounded down, in place of scale_factor.
        antialias: widen the filter when making smaller; for "bilinear" and "bicubic"; "lanczos" needs it.
    Returns: (batch, channels, ...), dtype of input.
    Raises: ValueError unless exactly one of size and scale_factor is given, and for arguments that the mode does not
        take; NotImplementedError for a mode that does not fit the dimensions; ShapeError for lengths that do not fit
        the dimensions, and for an empty input or result.
    Gradient: each dy spread over the inputs that it was a weighted sum of.
    Kernel: kernels/cuda/resample.cu, a thread an element of the result, all dimensions in one launch.
    Source: Keys 1981, "Cubic convolution interpolation for digital image processing".
    """
    dims = input.ndim - 2
    check_mode("interpolate", mode, align_corners)
    if dims not in (1, 2, 3):
        raise NotImplementedError(
            f"interpolate: expected (batch, channels, ...) of 3 to 5 dimensions, got {input.shape}"
        )
    if antialias and not (mode in resample.FILTERS and input.ndim == 4):
        raise ValueError(f"interpolate: antialias needs mode {' or '.join(resample.FILTERS)} and 4 dimensions")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: mode 'lanczos' needs antialias=True, and takes no align_corners")
    lengths, scales = _lengths(input, size, scale_factor, recompute_scale_factor, mode)
    if input.ndim not in _MODES[mode]:
        wanted = " or ".join(map(str, _MODES[mode]))
        raise NotImplementedError(
            f"interpolate: mode {mode!r} needs an input of {wanted} dimensions, got {input.shape}"
        )
    if input.dtype.kind not in "fV" and not (input.dtype.name == "uint8" and mode.startswith("nearest")):
        raise NotImplementedError(f"interpolate: mode {mode!r} needs a floating point input, got {input.dtype}")
    if 0 in input.shape[1:] or min(lengths, default=1) <= 0:
        raise ShapeError(f"interpolate: cannot make {lengths} of the shape {input.shape}, nothing may be empty")
    dtype = input.dtype if input.dtype.kind == "f" and input.dtype.itemsize > 2 else float32
    # The dimension that shrinks most comes first: the others have less to do.
    order = sorted(range(dims), key=lambda i: lengths[i] / input.shape[2 + i])
    steps = tuple(
        (2 + i, _table(mode, input.shape[2 + i], lengths[i], scales[i], bool(align_corners), antialias, dtype))
        for i in order
    )
    return resample.Resample.apply(input, steps)  # type: ignore[no-any-return]


def check_mode(name: str, mode: str, align_corners: bool | None) -> None:
    """Raise NotImplementedError for an unknown mode; ValueError for align_corners with one that takes none."""
    if mode not in _MODES:
        raise NotImplementedError(f"{name}: mode must be one of {', '.join(_MODES)}, got {mode!r}")
    if mode in ("nearest", "nearest-exact", "area") and align_corners is not None:
        raise ValueError(f"{name}: mode {mode!r} takes no align_corners")


def _table(
    mode: str, length: int, size: int, scale: float | None, align_corners: bool, antialias: bool, dtype: DType
) -> resample.Table:
    if mode.startswith("nearest"):
        return resample.nearest(length, size, scale, mode == "nearest-exact")
    if mode == "area":
        return resample.area(length, size, dtype)
    if antialias:
        return resample.antialiased(length, size, scale, align_corners, dtype, mode)
    make = resample.cubic if mode == "bicubic" else resample.linear
    return make(length, size, scale, align_corners, dtype)


def _lengths(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None, mode: str
) -> tuple[list[int], list[float | None]]:
    """The lengths of the result, and the ratios where they, and not the lengths, say where the outputs lie."""
    dims = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    given = size if size is not None else scale_factor
    numbers = list(given) if isinstance(given, (list, tuple)) else [given] * dims
    if len(numbers) != dims:
        raise ShapeError(
            f"interpolate: {given} has {len(numbers)} numbers, the input {dims} dimensions after two: {input.shape}"
        )
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor, not size")
        return [int(each) for each in numbers], [None] * dims
    lengths = [math.floor(length * float(scale)) for length, scale in zip(input.shape[2:], numbers)]
    if recompute or (mode == "area" and recompute is None):
        return lengths, [None] * dims
    return lengths, [float(each) for each in numbers]


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, under the name that it had; arguments and errors as there."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """interpolate with mode "nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """interpolate with mode "bilinear" and align_corners=True."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
