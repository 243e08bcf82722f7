"""Arrays joined along a dimension, and zeros between them, in one launch for up to sixteen on CUDA devices.

CuPy joins with a launch for each array, or copies a table of their addresses from the host, for which a capture of the
stream would fail. What is None stands for zeros: so the gradient of a slice is one launch, too, and no fill before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText, dense
from gpudl.backend.kernel import kernel
from gpudl.backend.strided_copy import BYTES, EVERY, SIZES, memory_of

_TEXT = CudaText(
    "math/packs.cuh",
    "cuda/join.cu",
    kernels=tuple(f"join_{most}<{size}>" for most in (4, 16) for size in SIZES),
    dtypes=BYTES,
)
_AT_ONCE = 4  # elements of a thread


@kernel
def join_(y: Array, dim: int, lengths: tuple[int, ...], *xs: Array | None) -> None:
    """y = the arrays one after the other along dim, zeros where one is None. y: contiguous; lengths: theirs there."""
    start, before = 0, (slice(None),) * dim
    for length, x in zip(lengths, xs):
        place = (*before, slice(start, start + length))
        y[place] = 0 if x is None else x
        start += length


@join_.cuda(*EVERY)
def join_cuda(y: Array, dim: int, lengths: tuple[int, ...], *xs: Array | None) -> None:
    if not y.size:
        return
    if not y.flags.c_contiguous:
        join_.reference(y, dim, lengths, *xs)
        return
    rows, inner = math.prod(y.shape[:dim]), math.prod(y.shape[dim + 1 :]) * y.itemsize
    parts = [(x, length * inner) for x, length in zip(xs, lengths) if length]
    laid = [(None, width, 0) if x is None else _in_rows(x, dim, width) for x, width in parts]
    aligned = y.data.ptr
    for x, width, step in laid:
        aligned |= width | step | (0 if x is None else x.data.ptr)
    size = next(size for size in SIZES if not aligned % size)
    width, start = y.nbytes // rows // size, 0
    for first in range(0, len(laid), 16):
        some = laid[first : first + 16]
        most = 4 if len(some) <= 4 else 16
        table = [number for x, wide, step in some for number in (x, wide // size, step // size)]
        table += [None, 0, 0] * (most - len(some))
        columns = sum(each[1] for each in some) // size
        across = min(1 << (-(-columns // _AT_ONCE) - 1).bit_length(), THREADS)
        down = THREADS // across
        grid = (min(-(-rows // down), MOST_BLOCKS * 16), min(-(-columns // (across * _AT_ONCE)), 65535))
        to = xp_of(y).ndarray((), np.uint8, y.data + start * size)
        _TEXT.launch(f"join_{most}<{size}>", grid, (across, down), to, rows, columns, width, *table)
        start += columns


def _in_rows(x: Array, dim: int, width: int) -> tuple[Array, int, int]:
    """The memory of rows of so many bytes, these, and those from one row to the next; of a copy if need be."""
    step = x.itemsize
    for length, stride in zip(reversed(x.shape[dim:]), reversed(x.strides[dim:])):
        if length != 1 and stride != step:
            return dense(x), width, width
        step *= length
    apart = step = 0
    for length, stride in zip(reversed(x.shape[:dim]), reversed(x.strides[:dim])):
        if length != 1:
            if step and stride != step:
                return dense(x), width, width
            apart, step = apart or stride, stride * length
    return memory_of(x), width, apart


def joined(dim: int, lengths: Sequence[int], xs: Sequence[Array | None]) -> Array:
    """The arrays one after the other along a dimension, and zeros where one is None; not all of them are.

    Raises: ValueError for shapes that do not fit together.
    """
    like = next(x for x in xs if x is not None)
    if type(like) is np.ndarray and all(x is not None for x in xs):
        return np.concatenate(xs, axis=dim)  # type: ignore[arg-type]
    around = like.shape[:dim], like.shape[dim + 1 :]
    for x in xs:
        if x is not None and (x.shape[:dim], x.shape[dim + 1 :]) != around:
            raise ValueError(f"all lengths but those of dimension {dim} must be equal")
    shape = (*around[0], sum(lengths), *around[1])
    y = xp_of(like).empty(shape, like.dtype)
    join_(y, dim, tuple(lengths), *xs)
    return y
