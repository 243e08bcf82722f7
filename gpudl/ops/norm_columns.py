"""CUDA bodies for matrices whose columns are normalized: batch_norm without places; see batch_norm.cu."""

from __future__ import annotations

from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import PACK_BYTES, CudaText, dense
from gpudl.ops.norm_cuda import is_wide, processors_of, wide_dtype
from gpudl.ops.norm_sets import Running

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/norms.cuh",
    "cuda/batch_norm.cu",
    kernels=("batch_norm_forward", "batch_norm_backward"),
)
_FEW_ROWS = 512  # that one block has done before several could have met
_BLOCK = (32, 16)


def _plan(x: Array, *others: Array) -> tuple[int, int, tuple[int, int]]:
    """Whether all can be read 16 bytes at a time, the rows of a block, and the grid."""
    rows, columns = x.shape
    lanes = 2 if x.itemsize == 8 else 4
    packed = columns % lanes == 0 and all(each.data.ptr % PACK_BYTES == 0 for each in (x, *others))
    strips = -(-columns // (32 * lanes if packed else 32))
    shares = 1 if rows <= _FEW_ROWS else max(min(-(-2 * processors_of(x) // strips), rows // 128), 1)
    share = -(-rows // shares)
    return packed, share, (strips, -(-rows // share))


def columns_forward(
    x: Array,
    w: Array | None,
    b: Array | None,
    eps: float,
    given: tuple[Array, Array] | None,
    running: Running | None,
) -> tuple[Array, Array, Array]:
    """y, and the mean and variance of each column, or those that are given."""
    xp, (rows, columns) = xp_of(x), x.shape
    x, w, b = dense(x), None if w is None else dense(w), None if b is None else dense(b)
    y = xp.empty(x.shape, x.dtype)
    packed, share, grid = _plan(x, y)
    mean = var = parts = None
    own: tuple[Any, Any] = (None, None) if given is None else (dense(given[0]), dense(given[1]))
    follows: tuple[Any, ...] = (None, None, None) if running is None else running[:3]
    momentum = 0.0 if running is None else -1.0 if running.momentum is None else float(running.momentum)
    splits = given is None and (grid[1] > 1 or momentum < 0)  # tracked is read when it has been counted up
    if given is None:
        mean, var = xp.empty(columns, wide_dtype(x)), xp.empty(columns, wide_dtype(x))
    if splits:
        parts = xp.empty((grid[1], 2, columns), wide_dtype(x))
    wide = is_wide(x, w, b), is_wide(x, *own, *follows[:2])
    for finds, applies in ((1, 0), (0, 1)) if splits else ((int(given is None), 1),):
        arrays = x, w, b, *own, y, mean, var, parts, *follows
        settings = rows, columns, share, packed, finds, applies, *wide, float(eps), momentum
        _TEXT.launch("batch_norm_forward", grid, _BLOCK, *arrays, *settings)
    return (y, mean, var) if given is None else (y, *given)


def columns_backward(
    dy: Array, x: Array, w: Array | None, mean: Array, var: Array, eps: float, of_batch: bool
) -> tuple[Array, Array | None, Array]:
    """dx, dw (None without w), db."""
    xp, (rows, columns) = xp_of(x), x.shape
    dy, x, w, mean, var = dense(dy), dense(x), None if w is None else dense(w), dense(mean), dense(var)
    dx = xp.empty(x.shape, x.dtype)
    kind = x.dtype if w is None else w.dtype
    dw, db = None if w is None else xp.empty(columns, kind), xp.empty(columns, kind)
    packed, share, grid = _plan(x, dy, dx)
    parts = xp.empty((grid[1], 3, columns), wide_dtype(x)) if grid[1] > 1 else None
    wide = is_wide(x, w), is_wide(x, mean, var)
    for finds, applies in ((1, 0), (0, 1)) if parts is not None else ((1, 1),):
        arrays = dy, x, w, mean, var, dx, dw, db, parts
        place = grid if of_batch or finds else (grid[0], 1)  # what is left is to add up the sums
        settings = rows, columns, share, packed, finds, applies, of_batch, *wide, float(eps)
        _TEXT.launch("batch_norm_backward", place, _BLOCK, *arrays, *settings)
    return dx, dw, db
