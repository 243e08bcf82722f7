"""The GPU's convolution by cuBLAS: windows are laid out as columns of a matrix, some images at a time.

For large products, above all of half floats, whose tensor cores only cuBLAS reaches. Convolutions of one tap need no
columns. Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from gpudl.backend import cublas, precision
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import DType, float32
from gpudl.ops.convolve_parts import HEAD, accumulator, of_phase, packed, phases
from gpudl.ops.operands import narrowed
from gpudl.ops.windows import Windows

_TEXT = CudaText(*HEAD, "cuda/convolution_columns.cu", kernels=("lay_columns", "gather_columns"))

_BYTES = 1 << 26  # of columns at a time: about what a large second cache holds
_ROWS = 16  # of the columns that a block writes
_FEW_GROUPS = 8  # each is a call of cuBLAS
_LEAST = 32  # rows, columns and length of a product that is worth a call
_TALL = 256  # rows from which writing columns is little beside a product without tensor cores
_MUCH = 1 << 27  # multiplications from which half floats gain
_SOME = 1 << 22  # the same, where nothing has to be laid out


def by_columns(dtype: DType, images: int, rows: int, inner: int, windows: Windows, groups: int) -> bool:
    """Whether cuBLAS is the faster way for a product of `rows` channels of results with `inner` ones a group."""
    pixels, taps = math.prod(windows.out), math.prod(windows.kernel)
    products = images * pixels * rows * inner * taps * groups
    if groups > _FEW_GROUPS or min(rows, inner * taps, pixels) < _LEAST:
        return False
    if is_pointwise(windows):
        return products >= _SOME
    fast = dtype.itemsize == 2 or (dtype == float32 and precision.get_float32_matmul_precision() != "highest")
    fits = inner * taps * groups * pixels * max(dtype.itemsize, 4) <= _BYTES
    return fits and products >= _MUCH and (fast or min(rows, inner) >= _TALL)


def is_pointwise(windows: Windows) -> bool:
    """Whether windows are the elements themselves."""
    return windows.size == windows.out and max(windows.kernel) == max(windows.stride) == 1


def convolve_columns(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """y (n, o, *out) for x (n, c, *size), w (o, c / groups, *kernel) and b (o,), or None for 0."""
    xp, pixels, w = xp_of(x), math.prod(windows.out), dense(w)
    x, b = dense(x), None if b is None else dense(b)
    y = xp.empty((x.shape[0], w.shape[0], *windows.out), x.dtype)
    depth, beta = w.size // w.shape[0], 0.0 if b is None else 1.0
    weights = w.reshape((groups, 1, w.shape[0] // groups, depth))
    for part in _parts(x, len(x), depth * groups * pixels * x.itemsize, windows):
        count = len(y[part])
        results = y[part].reshape((count, groups, -1, pixels)).swapaxes(0, 1)
        if is_pointwise(windows):
            columns = x[part].reshape((count, groups, depth, pixels)).swapaxes(0, 1)
            if b is not None:
                _lay(x[part], None, b, y[part], None, None, windows)
        else:
            laid = xp.empty((groups * depth, count * pixels), x.dtype)
            _lay(x[part], laid, b, y[part], None, None, windows)
            columns = laid.reshape((groups, depth, count, pixels)).swapaxes(1, 2)
        cublas.gemm(weights, columns, results, 1.0, beta)
    return y


def convolve_columns_back(dy: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """dx (n, c, *size) for dy (n, o, *out), w (o, c / groups, *kernel) and b (c,), or None for 0."""
    xp, pixels, channels = xp_of(dy), math.prod(windows.out), w.shape[1] * groups
    dy, b = dense(dy), None if b is None else dense(b)
    dx = xp.empty((dy.shape[0], channels, *windows.size), dy.dtype)
    depth = w.size // w.shape[0]
    weights = dense(w).reshape((groups, 1, w.shape[0] // groups, depth)).swapaxes(2, 3)
    wide = accumulator(dy.dtype)  # so that what several windows have for an element is rounded once
    for part in _parts(dy, len(dy), depth * groups * pixels * wide.itemsize, windows):
        count = len(dx[part])
        seen = dy[part].reshape((count, groups, -1, pixels)).swapaxes(0, 1)
        if is_pointwise(windows):
            if b is not None:
                _lay(dx[part], None, b, dx[part], None, None, windows)
            results = dx[part].reshape((count, groups, depth, pixels)).swapaxes(0, 1)
            cublas.gemm(weights, seen, results, 1.0, 0.0 if b is None else 1.0)
            continue
        columns = xp.empty((groups, depth, count, pixels), wide)
        cublas.gemm(weights, seen, columns.swapaxes(1, 2), 1.0, 0.0)
        blocks = -(-count * channels * math.prod(of_phase(windows)) // 256)
        _TEXT.launch(
            "gather_columns",
            (blocks, phases(windows)),
            (256,),
            *(dx[part], columns, b, count, channels, *packed(windows)),
        )
    return dx


def columns_weights(dy: Array, x: Array, windows: Windows, groups: int) -> Array:
    """dw (o, c / groups, *kernel) for dy (n, o, *out) and x (n, c, *size)."""
    xp, pixels, dy, x = xp_of(dy), math.prod(windows.out), dense(dy), dense(x)
    depth = x.shape[1] // groups * math.prod(windows.kernel)
    parts = list(_parts(x, len(x), depth * groups * pixels * x.itemsize, windows))
    # Products of several parts are added up, and rounded once.
    shape = dy.shape[1], x.shape[1] // groups, *windows.kernel
    dw = xp.empty(shape, dy.dtype if len(parts) == 1 else accumulator(dy.dtype))
    sums = dw.reshape((groups, -1, depth))
    for number, part in enumerate(parts):
        count = len(dy[part])
        columns = xp.empty((groups, depth, count * pixels), x.dtype)
        turned = xp.empty((groups, dy.shape[1] // groups, count * pixels), dy.dtype)
        _lay(x[part], columns, None, None, dy[part], turned, windows)
        cublas.gemm(turned, columns.swapaxes(1, 2), sums, 1.0, 1.0 if number else 0.0)
    return narrowed(dw, dy.dtype)


def _parts(x: Array, images: int, bytes_of_image: int, windows: Windows) -> Iterator[slice]:
    """Images whose columns are within the bound, at least one at a time."""
    count = images if is_pointwise(windows) else max(_BYTES // bytes_of_image, 1)
    for start in range(0, images, count):
        yield slice(start, min(start + count, images))


def _lay(
    x: Array,
    columns: Array | None,
    b: Array | None,
    y: Array | None,
    dy: Array | None,
    turned: Array | None,
    windows: Windows,
) -> None:
    """Write columns of x; and fill y with b, or lay the channels of dy side by side in `turned`."""
    across = -(-len(x) * math.prod(windows.out) * x.itemsize // (256 * 16))
    down = 0 if columns is None else -(-x.shape[1] * math.prod(windows.kernel) // _ROWS)
    filled = y if b is not None else dy
    others = 0 if filled is None else filled.shape[1]
    _TEXT.launch(
        "lay_columns",
        (across, down + -(-others // _ROWS)),
        (256,),
        *(x, columns, b, None if b is None else y, dy, turned, len(x), x.shape[1], others, down, *packed(windows)),
    )
