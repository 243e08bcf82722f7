"""Rectangles of images brought to one size by filters, each image by a rectangle of its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array
from gpudl.data.transforms.base import beside, wide
from gpudl.ops.elementwise import where
from gpudl.ops.resample import FILTERS
from gpudl.ops.rows import Read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Box = tuple[Places, Places, Places, Places]

Filter = tuple[str, bool]
"""The interpolation, and whether its filter is widened when making smaller."""

_BLOCK = 16  # outputs made by one product: few of its weights are 0, and it is large enough for BLAS


def resampled(images: Array, box: Box, size: tuple[int, int], how: Filter) -> Array:
    """(count, channels, *size) of images that `plain` gave: floating ones, or bare ones of integers.

    Where a weight is 0, 0 is added, not 0 times a pixel, which would make nan of infinity.

    Args:
        box: top, left, height, width; (count,) each.
    """
    if isinstance(images, Tensor):
        return _summed(images, box, size, how)
    result = np.empty((*images.shape[:2], *size), wide(images.dtype))
    for image, out, (top, left, height, width) in zip(images, result, np.stack(box, axis=1).tolist(), strict=True):
        part = image[:, top : top + height, left : left + width]
        _multiplied(part, out, how)
        flat = out.reshape(-1)
        if not np.isfinite(flat @ flat):  # products of 0 and what is infinite may be among the sums
            whole: Any = tuple(np.array([each]) for each in (0, 0, height, width))
            out[...] = _summed(wrap(part[None], None), whole, size, how).array[0]
    return result


def _multiplied(image: NDArray[Any], out: NDArray[Any], how: Filter) -> None:
    """One image by products of matrices, a few outputs at a time: most of a whole matrix would be 0."""
    channels, height, width = image.shape
    middle = np.empty((channels, out.shape[1], width), out.dtype)
    for rows, taken, weights in _products(height, out.shape[1], how, out.dtype.char):
        np.matmul(weights.T, np.ascontiguousarray(image[:, taken], out.dtype), out=middle[:, rows])
    flat, lines = middle.reshape(-1, width), out.reshape(-1, out.shape[2])
    for columns, taken, weights in _products(width, out.shape[2], how, out.dtype.char):
        np.matmul(flat[:, taken], weights, out=lines[:, columns])


@functools.lru_cache(maxsize=512)
def _products(length: int, size: int, how: Filter, dtype: str) -> list[tuple[slice, slice, NDArray[Any]]]:
    """Which outputs are products of which inputs, and the matrices: (inputs, outputs) of the dtype."""
    first, last, weights = (each[..., 0, :] for each in taps(np.array([length]), size, how))
    matrix = np.zeros((size, length + len(weights)))
    matrix[np.arange(size), first + np.arange(len(weights))[:, None]] = weights
    found = []
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        taken = slice(int(first[start]), int(last[stop - 1]))
        found.append((slice(start, stop), taken, np.ascontiguousarray(matrix[start:stop, taken].T, dtype)))
    return found


def taps(length: Places, size: int, how: Filter) -> tuple[Places, Places, NDArray[np.float64]]:
    """Of each output, the first input that it is a sum of, the one after the last, and the weights.

    Args:
        length: (count,) inputs.
        size: outputs.
    Returns: (count, size) twice, and (taps, count, size), in which the weights of inputs after the last are 0.
    """
    reach, filtered = FILTERS[how[0]]
    step = (length / size)[:, None]
    wide = np.maximum(step, 1.0) if how[1] else np.ones_like(step)
    center = step * (np.arange(size) + 0.5)
    first = np.maximum((center - reach * wide + 0.5).astype(np.int64), 0)
    last = np.minimum((center + reach * wide + 0.5).astype(np.int64), length[:, None])
    inputs = first + np.arange(int((last - first).max()))[:, None, None]
    weights = np.where(inputs < last, filtered(abs((inputs - center + 0.5) / wide)), 0)
    # Added up one after another: the zeros at the end, as many as other images need, change nothing.
    return first, last, weights / weights.sum(axis=0)


def _summed(images: Tensor, box: Box, size: tuple[int, int], how: Filter) -> Tensor:
    """The same as sums of rows, then of columns, for all images at once, on any device and with a gradient."""
    for start, length, outputs in zip(box[:2], box[2:], size, strict=True):
        images = _rows_summed(images, start, length, outputs, how).transpose(2, 3)
    return images


def _rows_summed(images: Tensor, start: Places, length: Places, size: int, how: Filter) -> Tensor:
    """Each image's rows from start on, so many, brought to `size` rows.

    Taps that not all outputs have read the last one again, so that what is outside of a rectangle is never read.
    """
    first, last, weights = taps(length, size, how)
    rows = np.minimum(first + np.arange(len(weights))[:, None, None], last - 1) + start[:, None]
    count, channels, height, width = images.shape
    firsts = np.arange(count * channels).reshape(count, channels, 1) * height
    places = beside(firsts + rows[:, :, None], images).array
    shares = beside(weights[:, :, None, :, None], images, images.dtype)
    used = weights != 0
    total: Any = None
    for tap in range(len(places)):
        part = Read.apply(images, places[tap].reshape(-1), width, (count, channels, size, width)) * shares[tap]
        if not used[tap].all():
            part = where(beside(used[tap][:, None, :, None], images), part, 0.0)
        total = part if total is None else total + part
    return total  # type: ignore[no-any-return]
