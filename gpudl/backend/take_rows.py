"""Rows of a table by number on CUDA devices: what embedding, index_select and indexing by tensors read.

CuPy takes element by element, with a division for each; here whole rows are moved, 16 bytes a thread.
"""

from __future__ import annotations

import math

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import THREADS, CudaText, dense
from gpudl.backend.dtypes import int32, int64
from gpudl.backend.kernel import kernel
from gpudl.backend.strided_copy import BYTES, EVERY, SIZES, memory_of

_TEXT = CudaText("math/packs.cuh", "cuda/take_rows.cu", kernels=tuple(f"take<{size}>" for size in SIZES), dtypes=BYTES)
_MOST_BLOCKS = 1 << 20  # one for a few rows each


@kernel
def take_rows_(y: Array, x: Array, index: Array) -> None:
    """y[...] = x[index], negative indices counted from the end. y: (*index.shape, *x.shape[1:]) contiguous."""
    y[...] = xp_of(x).take(x, index, axis=0)


@take_rows_.cuda(*EVERY)
def take_rows_cuda(y: Array, x: Array, index: Array) -> None:
    if not y.size:
        return
    if not y.flags.c_contiguous:
        take_rows_.reference(y, x, index)
        return
    width = math.prod(x.shape[1:]) * x.itemsize
    if x.ndim == 1 or not x[0].flags.c_contiguous:  # rows may lie apart, as those of a slice
        x = dense(x)
    apart = x.strides[0] if len(x) > 1 and x.size else width
    if apart < width:
        x, apart = dense(x), width
    if index.dtype != int64 and index.dtype != int32:
        index = index.astype(int64)
    rows, index = index.size, dense(index)
    size = next(size for size in SIZES if not (width | apart | y.data.ptr | x.data.ptr) % size)
    packs = width // size
    across = min(1 << (packs - 1).bit_length(), THREADS)
    down = THREADS // across
    grid = (min(-(-rows // (down * 4)), _MOST_BLOCKS), min(-(-packs // across), 65535))
    numbers = index.dtype == int64, rows, packs, len(x), apart // size
    _TEXT.launch(f"take<{size}>", grid, (across, down), memory_of(y), memory_of(x), index, *numbers)


def taken(x: Array, index: Array) -> Array:
    """x[index] for an integer array, negative indices counted from the end."""
    if type(x) is np.ndarray:
        return x.take(index, axis=0)
    y = xp_of(x).empty((*index.shape, *x.shape[1:]), x.dtype)
    take_rows_(y, x, index)
    return y
