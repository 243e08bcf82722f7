"""The places that an index names, on CUDA devices in one launch, where NumPy's way takes one for each dimension."""

from __future__ import annotations

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, THREADS, CudaText
from gpudl.backend.dtypes import int64
from gpudl.backend.kernel import kernel

_TEXT = CudaText("cuda/positions.cu", kernels=("positions<{T}>",), dtypes=("int64", "int32", "int16", "int8", "uint8"))
_DIMS = 5
_MOST = 1 << 31  # counted in 32 bits


@kernel
def positions_(out: Array, index: Array, steps: tuple[int, ...], length: int, step: int) -> None:
    """out = index * step, negative ones counted from the end of length, + sum of coordinates * steps. out: int64."""
    xp = xp_of(out)
    wide = index.astype(int64)
    out[...] = (wide + (wide < 0) * length) * step
    for dim, (count, each) in enumerate(zip(index.shape, steps)):
        if each:
            out += (xp.arange(count) * each).reshape((-1, *(1,) * (index.ndim - 1 - dim)))


@positions_.cuda("int64")
def positions_cuda(out: Array, index: Array, steps: tuple[int, ...], length: int, step: int) -> None:
    if index.ndim > _DIMS or index.size >= _MOST or index.dtype.name not in _TEXT.dtypes or not out.flags.c_contiguous:
        positions_.reference(out, index, steps, length, step)
        return
    strides = [each // index.itemsize for each in index.strides]
    dims = [*zip(index.shape, steps, strides)][::-1]
    dims += [(1, 0, 0)] * (_DIMS - len(dims))
    table = [number for dim in dims for number in dim]
    del table[-3]  # nobody divides by the length of the first
    grid = (min(-(-index.size // THREADS), MOST_BLOCKS),)
    first = xp_of(index).ndarray((), index.dtype, index.data)
    _TEXT.launch("positions<{T}>", grid, (THREADS,), first, out, out.size, length, step, *table)


def positions_of(index: Array, steps: tuple[int, ...], length: int, step: int = 1) -> Array:
    """What positions_ writes, in the index's shape: for arrays on CUDA devices."""
    out = xp_of(index).empty(index.shape, int64)
    positions_(out, index, steps, length, step)
    return out
