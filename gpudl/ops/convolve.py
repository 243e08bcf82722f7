"""The GPU's convolution: which way a shape goes, and how the launches of tiles are laid out.

A convolution is a product of its weights with a matrix that has a row for each channel and tap and a column for each
window of each image. The kernels of kernels/cuda/convolution.cu and convolution_weights.cu find the elements of that
matrix in the input while they multiply (implicit GEMM: Chetlur et al. 2014, arXiv:1410.0759). Large products go to
cuBLAS, convolve_columns.py; groups of few channels have a way of their own, convolve_direct.py. All add up in float32,
or float64, in an order that depends on the shapes alone.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import DType, float64
from gpudl.ops.convolve_columns import (
    by_columns,
    columns_weights,
    convolve_columns,
    convolve_columns_back,
    is_pointwise,
)
from gpudl.ops.convolve_direct import convolve_thin, is_thin, thin_weights
from gpudl.ops.convolve_parts import HEAD, add_slices, of_phase, packed, phases, slices_like, slices_of
from gpudl.ops.windows import Windows

_FORMS = ("Broad", "Flat")
_HEAD = (*HEAD, "math/tiles.cuh")
_TEXT = CudaText(
    *_HEAD, "cuda/convolution.cu", kernels=tuple(f"convolve<{{T}}, {{A}}, {form}<{{A}}>>" for form in _FORMS)
)
_WEIGHTS = CudaText(
    *_HEAD,
    "cuda/convolution_weights.cu",
    kernels=tuple(f"convolve_weights<{{T}}, {{A}}, {form}<{{A}}>>" for form in _FORMS),
)

_MOST = 2**31  # kernels count pixels, and the elements of an image and of the weights, in 32 bits
_MOST_BLOCKS = 65535  # in the second and third dimension of a grid
_STAGES = 16  # of a slice at least


class _Form(NamedTuple):
    """A shape of tiles; see kernels/math/tiles.cuh."""

    name: str
    rows: int
    columns: int
    threads: int
    depth: int = 8


@functools.lru_cache(maxsize=1024)
def fits(images: int, channels: int, results: int, windows: Windows, groups: int) -> bool:
    """Whether kernels can count all that there is; else the reference has to do."""
    size, out, taps = (math.prod(each) for each in (windows.size, windows.out, windows.kernel))
    small = max(*windows.kernel, *windows.stride, *windows.padding) < 1 << 16 and max(windows.dilation) < 1 << 15
    weights = channels * results // groups * taps
    lines = images * max(channels * size // windows.size[-1], results * out // windows.out[-1])
    counted = max(images * max(size, out), channels * size, results * out, weights, lines)
    blocks = max(groups * phases(windows), channels * taps // 16 + results // 16 + 2)
    return len(windows.size) <= 3 and small and counted < _MOST and weights > 0 and blocks <= _MOST_BLOCKS


def convolve(x: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """y (n, o, *out) for x (n, c, *size), w (o, c / groups, *kernel) and b (o,), or None for 0."""
    if by_columns(x.dtype, x.shape[0], w.shape[0] // groups, w.shape[1], windows, groups):
        return convolve_columns(x, w, b, windows, groups)
    y = xp_of(x).empty((x.shape[0], w.shape[0], *windows.out), x.dtype)
    (convolve_thin if is_thin(w, groups) else _in_tiles)(x, w, b, y, windows, groups, False)
    return y


def convolve_back(dy: Array, w: Array, b: Array | None, windows: Windows, groups: int) -> Array:
    """dx (n, c, *size) for dy (n, o, *out), w (o, c / groups, *kernel) and b (c,), or None for 0."""
    if by_columns(dy.dtype, dy.shape[0], w.shape[0] // groups, w.shape[1], windows, groups):
        return convolve_columns_back(dy, w, b, windows, groups)
    dx = xp_of(dy).empty((dy.shape[0], w.shape[1] * groups, *windows.size), dy.dtype)
    (convolve_thin if is_thin(w, groups) else _in_tiles)(dy, w, b, dx, windows, groups, True)
    return dx


def convolve_weights(dy: Array, x: Array, windows: Windows, groups: int) -> Array:
    """dw (o, c / groups, *kernel) for dy (n, o, *out) and x (n, c, *size)."""
    images, rows, inner = dy.shape[0], dy.shape[1] // groups, x.shape[1] // groups
    # Without tensor cores, laying out one tap's columns is no gain over reading them where they are.
    if by_columns(dy.dtype, images, rows, inner, windows, groups) and (
        dy.dtype.itemsize == 2 or not is_pointwise(windows)
    ):
        return columns_weights(dy, x, windows, groups)
    dw = xp_of(dy).empty((dy.shape[1], inner, *windows.kernel), dy.dtype)
    if is_thin(dw, groups):
        return thin_weights(dy, x, windows, groups)
    form = _form(dy.dtype, rows)
    tiles = -(-rows // form.rows) * -(-inner * math.prod(windows.kernel) // form.columns)
    stages = -(-images * math.prod(windows.out) // form.depth)
    of_slice, count = slices_of(stages, _STAGES, tiles * groups, dw.size)
    slices = slices_like(dy, count, dw.size)
    _WEIGHTS.launch(
        f"convolve_weights<{{T}}, {{A}}, {form.name}<{{A}}>>",
        (tiles, count, groups),
        (form.threads,),
        *(dense(dy), dense(x), dw, slices, images, groups, rows, inner, of_slice, *packed(windows)),
    )
    add_slices(dw, slices)
    return dw


def _in_tiles(x: Array, w: Array, b: Array | None, y: Array, windows: Windows, groups: int, back: bool) -> None:
    """Fill y with the convolution of x, or where `back`, with the gradient by its input that dy=x gives, plus b."""
    rows, inner = w.shape[0] // groups, w.shape[1]
    if back:
        rows, inner = inner, rows
    pixels = x.shape[0] * math.prod(of_phase(windows) if back else windows.out)
    form = _form(x.dtype, rows)
    _TEXT.launch(
        f"convolve<{{T}}, {{A}}, {form.name}<{{A}}>>",
        (-(-rows // form.rows) * -(-pixels // form.columns), groups * (phases(windows) if back else 1)),
        (form.threads,),
        *(dense(x), dense(w), None if b is None else dense(b), y),
        *(x.shape[0], groups, rows, inner, back, *packed(windows)),
    )


def _form(dtype: DType, rows: int) -> _Form:
    """The shape of tiles for a product with so many rows."""
    if rows <= 16:
        return _Form("Flat", 16, 256, 256)
    return _Form("Broad", 64, 64 if dtype == float64 else 128, 128)
