"""CUDA bodies for matrices whose rows are normalized: layer_norm, with means, rms_norm, without, and normalize."""

from __future__ import annotations

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import PACK_BYTES, CudaText, Shape, dense
from gpudl.backend.dtypes import float64
from gpudl.ops.norm_cuda import is_wide, processors_of, wide_dtype
from gpudl.ops.norm_sets import sets_backward, sets_forward, whole_rows

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/norms.cuh",
    "cuda/row_norm.cu",
    kernels=("row_norm_forward", "row_norm_backward", "row_norm_columns", "row_norm_total"),
)
_MOST_BLOCKS = 1 << 20


def _team(x: Array, columns: int, items: int = 16) -> Shape | None:
    """The block in which a team of threads keeps a row in registers, see row_norm.cu; None if no team is so large."""
    items = items // 2 if x.dtype == float64 else items
    lanes = 8
    while lanes * items < columns:
        lanes *= 2
    return (lanes, max(256 // lanes, 1)) if lanes <= 512 else None


def _plan_backward(x: Array, *others: Array | None) -> tuple[bool, Shape | None]:
    """Whether all can be read 16 bytes at a time, and the block; one by one a thread has half as many columns."""
    columns = x.shape[1]
    packed = columns * x.itemsize % PACK_BYTES == 0
    packed = packed and all(each is None or each.data.ptr % PACK_BYTES == 0 for each in (x, *others))
    return packed, _team(x, columns, 16 if packed else 8)


def rows_forward(
    x: Array, w: Array | None, b: Array | None, eps: float, centers: bool
) -> tuple[Array, Array | None, Array]:
    """y, and the mean (None unless it centers) and rstd of each row."""
    xp, (rows, columns) = xp_of(x), x.shape
    block = _team(x, columns)
    if block is None:
        sets = whole_rows(rows, columns)
        return sets_forward(x, w, b, sets, eps, centers=centers, each=True)
    x, w, b = dense(x), None if w is None else dense(w), None if b is None else dense(b)
    y, rstd = xp.empty(x.shape, x.dtype), xp.empty(rows, wide_dtype(x))
    mean = xp.empty(rows, rstd.dtype) if centers else None
    grid = (min(-(-rows // block[1]), _MOST_BLOCKS),)
    wide = is_wide(x, w, b)
    _TEXT.launch(
        "row_norm_forward", grid, block, x, w, b, y, mean, rstd, rows, columns, centers, False, wide, float(eps)
    )
    return y, mean, rstd


def rows_backward(
    dy: Array, x: Array, w: Array | None, mean: Array | None, rstd: Array, for_b: bool
) -> tuple[Array, Array | None, Array | None]:
    """dx, dw (None without w) and db (None unless asked for). mean: None where forward did not center."""
    xp, (rows, columns) = xp_of(x), x.shape
    dy, x, w = dense(dy), dense(x), None if w is None else dense(w)
    dw = None if w is None else xp.empty(columns, w.dtype)
    db = xp.empty(columns, x.dtype if w is None else w.dtype) if for_b else None
    wants, wide = w is not None or for_b, is_wide(x, w)
    strips = -(-columns // 32)
    packed, block = _plan_backward(x, dy, w)  # dx, new, is always aligned
    if block is None:
        dx, _, _ = sets_backward(dy, x, w, whole_rows(rows, columns), mean, rstd, 0.0, each=True)
        if not wants:
            return dx, None, None
        lines = max(min(-(-2 * processors_of(x) // strips), rows // 64), 1)
        share = -(-rows // lines)
        lines = -(-rows // share)
    else:
        dx = xp.empty(x.shape, x.dtype)
        # As many blocks as run at once, since each leaves a line of sums; without sums, one for each turn of its teams.
        at_once = processors_of(x) * (512 // (block[0] * block[1])) if wants else _MOST_BLOCKS
        lines = min(-(-rows // block[1]), at_once)
    sums = xp.empty((lines, 2, columns), rstd.dtype) if wants and lines > 1 else None
    if block is None:
        columnwise = dy, x, mean, rstd, dw, db, sums
        _TEXT.launch("row_norm_columns", (strips, lines), (32, 16), *columnwise, rows, columns, share, wide)
    else:
        given = dy, x, w, mean, rstd, dx, dw, db, sums
        settings = mean is not None, False, wide, wants, 0.0
        _TEXT.launch("row_norm_backward", (lines,), block, *given, rows, columns, packed, *settings)
    if sums is not None:
        _TEXT.launch("row_norm_total", (strips,), (32, 16), x, dw, db, sums, lines, columns, wide)
    return dx, dw, db


def is_kept(x: Array, columns: int) -> bool:
    """Whether a team can keep a row of x in registers, in both directions."""
    return _team(x, columns, 8) is not None


def lengths_forward(x: Array, eps: float) -> tuple[Array, Array]:
    """y = x / max(norm, eps), and the norm of each row, which is_kept."""
    xp, (rows, columns) = xp_of(x), x.shape
    x, block = dense(x), _team(x, columns) or (512, 1)
    y, norm = xp.empty(x.shape, x.dtype), xp.empty(rows, wide_dtype(x))
    grid = (min(-(-rows // block[1]), _MOST_BLOCKS),)
    settings = rows, columns, False, True, False, float(eps)
    _TEXT.launch("row_norm_forward", grid, block, x, None, None, y, norm, None, *settings)
    return y, norm


def lengths_backward(dy: Array, x: Array, norm: Array, eps: float) -> Array:
    """dx; norm as forward gave it."""
    dy, x, (rows, columns) = dense(dy), dense(x), x.shape
    dx = xp_of(x).empty(x.shape, x.dtype)
    packed, block = _plan_backward(x, dy)
    block = block or (512, 1)
    given = dy, x, None, norm, None, dx, None, None, None
    settings = rows, columns, packed, False, True, False, False, float(eps)
    _TEXT.launch("row_norm_backward", (min(-(-rows // block[1]), _MOST_BLOCKS),), block, *given, *settings)
    return dx
