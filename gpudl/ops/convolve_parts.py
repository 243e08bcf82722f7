"""What the GPU's ways of convolution share: windows as kernels take them, phases, and sums in slices."""

from __future__ import annotations

import functools
import math

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import DType, float32, float64
from gpudl.ops.windows import Windows

HEAD = ("math/numbers.cuh", "math/packs.cuh", "math/reduce.cuh", "math/windows.cuh")
MULTIPROCESSORS = 132
"""Of an H100 or H200; a grid with fewer blocks leaves some of them without work."""

_SUMS = CudaText(*HEAD[:3], "cuda/convolution_sums.cu", kernels=("channel_sum", "slice_sum"))
_MOST_BYTES = 1 << 26  # that slices of a sum may take


@functools.lru_cache(maxsize=1024)
def packed(windows: Windows) -> tuple[int, ...]:
    """The windows as kernels take them: for each of three dimensions two numbers; see kernels/math/windows.cuh."""
    found = []
    for size, kernel, stride, padding, dilation, out in zip(*windows):
        found += [kernel | stride << 16 | padding << 32 | dilation << 48, size | out << 32]
    one = [1 | 1 << 16 | 1 << 48, 1 | 1 << 32]
    return (*(one * (3 - len(windows.size))), *found)


def phases(windows: Windows) -> int:
    """How many kinds of elements there are that meet the same taps."""
    return math.prod(map(min, windows.stride, windows.size))


def of_phase(windows: Windows) -> tuple[int, ...]:
    """How many elements the first phase has along each dimension; no other has more."""
    return tuple(-(-size // stride) for size, stride in zip(windows.size, windows.stride))


def accumulator(dtype: DType) -> DType:
    """The dtype in which sums of this one are added up."""
    return float64 if dtype == float64 else float32


def slices_of(work: int, least: int, blocks: int, columns: int) -> tuple[int, int]:
    """How work that sums of so many columns take is split, for a grid of so many blocks without: (of each, count).

    Args:
        work: in units that are not split.
        least: of a slice: with less, adding the slices up costs more than it saves.
        blocks: that the grid has for each slice.
        columns: that are summed, so many numbers a slice.
    """
    count = min(-(-4 * MULTIPROCESSORS // blocks), work // least, _MOST_BYTES // (8 * columns))
    each = -(-work // max(count, 1))
    return each, -(-work // each) if each else 1


def slices_like(x: Array, count: int, columns: int) -> Array | None:
    """Memory for the sums of several slices."""
    return None if count == 1 else xp_of(x).empty((count, columns), accumulator(x.dtype))


def add_slices(total: Array, slices: Array | None) -> None:
    """Fill `total` with the sums over the slices, in their order; without slices it is there already."""
    if slices is not None:
        grid = (-(-total.size // 32),)
        _SUMS.launch("slice_sum", grid, (32, 8), total, slices, len(slices), total.size)


def sum_channels(dy: Array) -> Array:
    """db (o,), the sum of dy (n, o, ...) over all else."""
    images, channels, pixels = dy.shape[0], dy.shape[1], math.prod(dy.shape[2:])
    db = xp_of(dy).empty(channels, dy.dtype)
    across = 8
    while across < min(pixels, 256):
        across *= 2
    wanted = max(min(8 * MULTIPROCESSORS // max(channels, 1), images * pixels // 4096), 1)
    of_images = max(-(-images // wanted), 1)
    rows = -(-images // of_images) or 1
    of_pixels = max(-(-pixels // max(wanted // rows, 1)), 1)
    parts = -(-pixels // of_pixels) or 1
    slices = slices_like(dy, rows * parts, channels)
    _SUMS.launch(
        "channel_sum",
        (channels, rows * parts),
        (across, 256 // across),
        *(dense(dy), db, slices, images, channels, pixels, of_images, of_pixels, parts),
    )
    add_slices(db, slices)
    return db
