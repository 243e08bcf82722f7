"""Cropping, flipping, padding and resizing, of each image of a batch by numbers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import device_of, guarded, transfer
from gpudl.backend.errors import ShapeError
from gpudl.data.transforms.base import Fill, PerSample, beside, fill_of, in_float, on_images, pair, per_sample, plain
from gpudl.data.transforms.resampling import resampled
from gpudl.ops.elementwise import where
from gpudl.ops.interpolate import interpolate
from gpudl.ops.operands import fitted
from gpudl.ops.pad import pad as pad_edges
from gpudl.ops.rearrange import flip
from gpudl.ops.rows import Read
from gpudl.ops.shape import cat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpudl.data.transforms.resampling import Box

    Places = NDArray[np.int64]

_PAD_MODES = "constant", "edge", "reflect", "symmetric"
_RESIZE_MODES = "nearest", "bilinear", "bicubic"


@on_images
def crop(input: Tensor, top: PerSample, left: PerSample, height: int, width: int) -> Tensor:
    """The rectangle whose corner is (top, left).

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns), any dtype.
        top, left: whole numbers, or one for each image.
        height, width: of the result, alike for all images.
    Returns: (..., height, width).
    Raises: ShapeError if a rectangle is not inside.
    """
    return cropped(input, *_corners("crop", input, top, left, height, width), height, width)


def cropped(input: Tensor, tops: Places, lefts: Places, height: int, width: int) -> Tensor:
    """crop of a batch, each image at a corner that is known to be inside."""
    count = input.shape[0]
    if count == 1 or (count and (tops == tops[0]).all() and (lefts == lefts[0]).all()):
        return _part(input, int(tops[0]), int(lefts[0]), height, width)
    if isinstance(x := plain(input), np.ndarray):
        result = np.empty((*x.shape[:2], height, width), x.dtype)
        for image, out, top, left in zip(x, result, tops.tolist(), lefts.tolist(), strict=True):
            out[...] = image[:, top : top + height, left : left + width]
        return wrap(result, None)
    return _read(input, tops[:, None] + np.arange(height), lefts[:, None] + np.arange(width))


def _part(input: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A rectangle of all images: a view."""
    x = plain(input)[:, :, top : top + height, left : left + width]
    return wrap(x, None, input._version) if isinstance(x, np.ndarray) else x


def _corners(
    name: str, input: Tensor, top: PerSample, left: PerSample, height: PerSample, width: PerSample
) -> tuple[Places, Places]:
    count, _, rows, columns = input.shape
    tops, lefts = (per_sample(name, what, value, count, np.int64) for what, value in (("top", top), ("left", left)))
    inside = (tops >= 0) & (lefts >= 0) & (tops + height <= rows) & (lefts + width <= columns)
    inside = inside & (np.minimum(height, width) >= 0)
    if not inside.all():
        n = int(np.argmin(inside))
        size = f"{np.broadcast_to(height, count)[n]} x {np.broadcast_to(width, count)[n]}"
        raise ShapeError(
            f"{name}: {size} from ({tops[n]}, {lefts[n]}) on is not inside of {rows} x {columns} pixels; pad the "
            "images before"
        )
    return tops, lefts


def _read(input: Tensor, rows: Places, columns: Places) -> Tensor:
    """y[n, c, i, j] = x[n, c, rows[n, i], columns[n, j]]; rows (count, height), columns (count, width)."""
    count, channels, height, width = input.shape
    shape = count, channels, rows.shape[1], columns.shape[1]
    device, xp = device_of(input.array), xp_of(input.array)
    with guarded(input.array):
        starts = transfer(rows * width, device)[:, None, :, None]
        planes = (xp.arange(count * channels) * (height * width)).reshape(count, channels, 1, 1)
        places = planes + (starts + transfer(np.ascontiguousarray(columns), device)[:, None, None, :])
    return Read.apply(input, places.reshape(-1), 1, shape)  # type: ignore[no-any-return]


@on_images
def center_crop(input: Tensor, output_size: Any) -> Tensor:
    """The rectangle in the middle; smaller images are padded with 0 first.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns), any dtype.
        output_size: height and width, or one number for both.
    """
    height, width = pair("center_crop", "output_size", output_size)
    rows, columns = input.shape[2:]
    if height > rows or width > columns:
        more, wider = max(height - rows, 0), max(width - columns, 0)
        input = pad_edges(input, (wider // 2, (wider + 1) // 2, more // 2, (more + 1) // 2))
        rows, columns = input.shape[2:]
    return _part(input, round((rows - height) / 2), round((columns - width) / 2), height, width)


@on_images
def horizontal_flip(input: Tensor, flipped: Any = True) -> Tensor:
    """Left and right exchanged.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns), any dtype.
        flipped: whether to, for all or for each image.
    """
    return turned(input, per_sample("horizontal_flip", "flipped", flipped, input.shape[0], bool), 3)


@on_images
def vertical_flip(input: Tensor, flipped: Any = True) -> Tensor:
    """Up and down exchanged; arguments as of horizontal_flip."""
    return turned(input, per_sample("vertical_flip", "flipped", flipped, input.shape[0], bool), 2)


def turned(input: Tensor, chosen: NDArray[np.bool_], dim: int) -> Tensor:
    """A batch, of which the chosen images are turned round along a dimension; on the host a view if that is all."""
    count = np.count_nonzero(chosen)
    if not count:
        return input
    if isinstance(x := plain(input), np.ndarray):
        around = (slice(None),) * dim + (slice(None, None, -1),)
        if count == len(x):
            return wrap(x[around], None, input._version)
        x = x.copy()
        x[chosen] = x[chosen][around]
        return wrap(x, None)
    result = flip(input, (dim,))
    return result if count == len(chosen) else where(beside(chosen.reshape(-1, 1, 1, 1), input), result, input)


def sides(name: str, padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of one number, (left and right, top and bottom), or all four.

    Raises: ValueError for anything else, or negative numbers.
    """
    given = [padding] if np.ndim(padding) == 0 else list(padding)
    if len(given) not in (1, 2, 4) or any(int(each) != each or each < 0 for each in given):
        raise ValueError(
            f"{name}: padding must be 1, 2 or 4 whole numbers of 0 or more: all, (left and right, top and bottom), or "
            f"(left, top, right, bottom); got {padding}"
        )
    left, top, right, bottom = (int(each) for each in given * (4 // len(given)))
    return left, top, right, bottom


@on_images
def pad(input: Tensor, padding: Any, fill: Fill = 0, padding_mode: str = "constant") -> Tensor:
    """More pixels at the edges.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns), any dtype.
        padding: one number, (left and right, top and bottom), or (left, top, right, bottom).
        fill: what "constant" fills in: a number, or one for each channel.
        padding_mode: "constant" | "edge" (the last pixel) | "reflect" (mirrored, the edge not repeated) | "symmetric"
            (mirrored, the edge repeated).
    Raises: ValueError for another mode or padding; ShapeError for nothing to repeat, or a fill that does not fit.
    """
    left, top, right, bottom = sides("pad", padding)
    count, _, rows, columns = input.shape
    if padding_mode not in _PAD_MODES:
        raise ValueError(f"pad: padding_mode must be one of {', '.join(_PAD_MODES)}; got {padding_mode!r}")
    if not left | top | right | bottom:
        return input
    x = plain(input)
    if padding_mode == "constant":
        values = [fitted("pad", value, input.dtype) for value in np.ravel(fill).tolist()]
        filled = fill_of("pad", values, x)
        if isinstance(x, np.ndarray):
            result = np.empty((*x.shape[:2], rows + top + bottom, columns + left + right), x.dtype)
            result[...] = filled
            result[:, :, top : top + rows, left : left + columns] = x
            return wrap(result, None)
        parts = input.split(1, 1) if len(values) > 1 else [input]
        return cat([pad_edges(part, (left, right, top, bottom), value=v) for part, v in zip(parts, values)], 1)
    if not rows or not columns:
        raise ShapeError(f"pad: images of {rows} x {columns} have no pixels to repeat; use padding_mode='constant'")
    mode: Any = padding_mode
    down, across = np.pad(np.arange(rows), (top, bottom), mode), np.pad(np.arange(columns), (left, right), mode)
    if isinstance(x, np.ndarray):
        return wrap(x[:, :, down[:, None], across], None)
    return _read(input, np.broadcast_to(down, (count, len(down))), np.broadcast_to(across, (count, len(across))))


def shown_mode(name: str, interpolation: str, modes: tuple[str, ...] = _RESIZE_MODES) -> str:
    """The mode, if it is one.

    Raises: ValueError if it is not.
    """
    if interpolation not in modes:
        raise ValueError(f"{name}: interpolation must be one of {', '.join(modes)}; got {interpolation!r}")
    return interpolation


@on_images
def resize(input: Tensor, size: Any, interpolation: str = "bilinear", *, antialias: bool = True) -> Tensor:
    """The whole image at another size.

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns); integers are rounded.
        size: height and width; or one number, the shorter side, in proportion to which the other comes out.
        interpolation: "nearest" | "bilinear" | "bicubic".
        antialias: widen the filter when making smaller, so that nothing of the image is left out.
    Raises: ValueError for another interpolation or size; ShapeError for an empty image.
    """
    shown_mode("resize", interpolation)
    rows, columns = input.shape[2:]
    wanted = pair("resize", "size", size)
    if np.ndim(size) == 0 and rows and columns:
        short, long = wanted[0], int(wanted[0] * max(rows, columns) / min(rows, columns))
        wanted = (short, long) if rows <= columns else (long, short)
    if wanted == (rows, columns):
        return input
    if interpolation == "nearest":
        if not rows or not columns:
            raise ShapeError(f"resize: an image of {rows} x {columns} has no pixels")
        down, across = (np.arange(new) * old // new for new, old in zip(wanted, (rows, columns)))
        return _read(input, np.tile(down, (len(input), 1)), np.tile(across, (len(input), 1)))
    if isinstance(plain(input), np.ndarray) and input.array.size and (antialias or interpolation == "bilinear"):
        top, left, height, width = np.tile([[0], [0], [rows], [columns]], len(input))
        return resized_boxes(input, (top, left, height, width), wanted, interpolation, antialias)

    def resized(x: Array) -> Array:
        images = x if isinstance(x, Tensor) else wrap(x, None)
        result = interpolate(images, wanted, mode=interpolation, antialias=antialias)
        return result if images is x else result.array

    return in_float(input, resized)


@on_images
def resized_crop(
    input: Tensor,
    top: PerSample,
    left: PerSample,
    height: PerSample,
    width: PerSample,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> Tensor:
    """A rectangle of each image, all brought to one size: resize(crop(...)).

    Args:
        input: (channels, rows, columns) or (count, channels, rows, columns); integers are rounded.
        top, left, height, width: whole numbers, or one for each image.
        size: height and width of the result, or one number for both.
        interpolation: "nearest" | "bilinear" | "bicubic", the last with antialias only.
        antialias: widen the filter when making smaller.
    Raises: ShapeError if a rectangle is not inside; ValueError for another interpolation or size, or no pixels.
    """
    shown_mode("resized_crop", interpolation)
    out = pair("resized_crop", "size", size)
    count = input.shape[0]
    heights, widths = (
        per_sample("resized_crop", what, value, count, np.int64)
        for what, value in (("height", height), ("width", width))
    )
    if (heights < 1).any() or (widths < 1).any():
        raise ValueError("resized_crop: every rectangle needs a height and a width of 1 or more")
    if interpolation == "bicubic" and not antialias:
        raise ValueError("resized_crop: 'bicubic' needs antialias=True")
    tops, lefts = _corners("resized_crop", input, top, left, heights, widths)
    return resized_boxes(input, (tops, lefts, heights, widths), out, interpolation, antialias)


def resized_boxes(input: Tensor, box: Box, size: tuple[int, int], interpolation: str, antialias: bool) -> Tensor:
    """resized_crop of a batch, each image by a (top, left, height, width) that is known to be inside."""
    tops, lefts, heights, widths = box
    if not len(tops):
        return input.new_empty((*input.shape[:2], *size))
    if interpolation == "nearest":
        down, across = (
            start[:, None] + np.arange(new) * old[:, None] // new
            for new, old, start in ((size[0], heights, tops), (size[1], widths, lefts))
        )
        return _read(input, down, across)
    # Nothing but what lies between the outermost edges is read.
    up, side = int(tops.min()), int(lefts.min())
    input = _part(input, up, side, int((tops + heights).max()) - up, int((lefts + widths).max()) - side)
    box = tops - up, lefts - side, heights, widths
    return in_float(input, lambda x: resampled(x, box, size, (interpolation, antialias)), widens=True)
