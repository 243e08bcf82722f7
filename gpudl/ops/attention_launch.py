"""Attention on a CUDA device: which kernels of kernels/cuda/attention*.cu run, in tiles of which size, and on what.

They take queries, keys, values and masks through strides, so that views of one projection need not be copied. What they
return lies in memory as what it belongs to: the result as the queries, the gradients as their tensors.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import DType, float32, float64
from gpudl.ops.attention_checks import Settings

_ROWS = 16  # that a warp has
_FEW_BLOCKS = 264  # two for each multiprocessor of a large GPU


class _Tiles(NamedTuple):
    """The tiles of one kernel: how wide a head is or a slice of it, how long the other side, and warps of a block."""

    form: str
    width: int
    columns: int
    warps: int
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.form}<{{T}}, {{A}}, {self.width}, {self.columns}, {self.warps}{self.extra}>"


@functools.cache
def _text(file: str, kernels: tuple[str, ...], tensor: bool) -> CudaText:
    """One kernel, or two that always come together, for heads of one width; compiled when such heads come."""
    form = "tensor" if tensor else "plain"
    math_files = ("numbers", "packs", "reduce", "philox", "attention", f"attention_{form}")
    return CudaText(*(f"math/{name}.cuh" for name in math_files), f"cuda/{file}.cu", kernels=kernels)


def _tensor_width(wide: int) -> int:
    return next(each for each in (16, 32, 64, 96, 128, 256) if wide <= each)


def _forward_tiles(dtype: DType, wide: int) -> _Tiles:
    if dtype.itemsize == 2 and wide <= 256:
        width = _tensor_width(wide)
        if width == 256:
            return _Tiles("Tensor", width, 16, 2, ", 1")
        return _Tiles("Tensor", width, 64, 8 if width <= 64 else 4, ", 0")
    if dtype == float64:
        return _Tiles("Plain", 64, 32, 4)
    return _Tiles("Plain", 64, 64, 4) if wide <= 64 else _Tiles("Plain", 128, 32, 4)


def _query_tiles(dtype: DType, wide: int) -> _Tiles:
    if dtype.itemsize == 2 and wide <= 128:
        width = _tensor_width(wide)
        return _Tiles("Tensor", width, 32 if width <= 96 else 16, 4, ", 0")
    if dtype == float64:
        return _Tiles("Plain", 64, 16, 4)
    return _Tiles("Plain", 64 if wide <= 64 else 128, 32, 4)


def _key_tiles(dtype: DType, wide: int) -> _Tiles:
    if dtype.itemsize == 2 and wide <= 128:
        width = _tensor_width(wide)
        return _Tiles("Tensor", width, 32 if width <= 32 else 16, 4, ", 2" if width > 64 else ", 0")
    if dtype == float64:
        return _Tiles("Plain", 32, 16, 4)
    return _Tiles("Plain", 64, 32, 4)


def attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None, place: Array | None, settings: Settings
) -> tuple[Array, Array]:
    """y and lse, as scaled_dot_product_attention_forward."""
    xp, (queries, width) = xp_of(q), (q.shape[-2], v.shape[-1])
    q, k, v = (with_rows(each) for each in (q, k, v))
    y, lse = laid_like(q, width), xp.empty(q.shape[:-1], wide_dtype(q.dtype))
    tiles = _forward_tiles(q.dtype, max(q.shape[-1], width))
    name = f"attention_forward<{{T}}, {{A}}, {tiles}>"
    text = _text("attention", (name,), tiles.form == "Tensor")
    heads = math.prod(q.shape[:-2])
    warps = _warps(tiles, queries, heads)
    count = -(-queries // (_ROWS * warps))
    slices = _slices(tiles, width)
    text.launch(
        name, (heads * count * slices,), (32 * warps,), leading_row(q), *_addresses(k, v, y), lse,
        count, slices,
        *_arguments(q, k, v, y, mask, place, settings),
    )  # fmt: skip
    return y, lse


def attention_backward(
    dy: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    place: Array | None,
    settings: Settings,
    y: Array,
    lse: Array,
    for_mask: bool,
) -> tuple[Array, Array, Array, Array | None]:
    """dq, dk, dv and the mask's gradient or None, as scaled_dot_product_attention_backward."""
    xp, (queries, features), (keys, width) = xp_of(q), q.shape[-2:], v.shape[-2:]
    dy, q, k, v, y = (with_rows(each) for each in (dy, q, k, v, y))
    lse = dense(lse)
    dq, dk, dv = laid_like(q, features), laid_like(k, features), laid_like(v, width)
    delta = xp.empty(lse.shape, lse.dtype)
    shared = _arguments(q, k, v, y, mask, place, settings)
    wide, heads = max(features, width), math.prod(k.shape[:-2])
    group = q.shape[-3]

    tiles = _query_tiles(q.dtype, wide)
    name = f"attention_queries<{{T}}, {{A}}, {tiles}>"
    warps = _warps(tiles, queries, heads * group)
    count, slices = -(-queries // (_ROWS * warps)), _slices(tiles, features)
    _text("attention_queries", (name,), tiles.form == "Tensor").launch(
        name, (heads * group * count * slices,), (32 * warps,), leading_row(dy), *_addresses(q, k, v, y), lse,
        delta, dq.data.ptr, count, slices,
        *steps(dy, 2), *steps(dq, 2), *shared,
    )  # fmt: skip
    tiles = _key_tiles(q.dtype, wide)
    name = f"attention_keys<{{T}}, {{A}}, {tiles}>"
    warps = _warps(tiles, keys, heads)
    count, slices = -(-keys // (_ROWS * warps)), _slices(tiles, wide)
    _text("attention_keys", (name,), tiles.form == "Tensor").launch(
        name, (heads * count * slices,), (32 * warps,), leading_row(dy), *_addresses(q, k, v), lse, delta,
        *_addresses(dk, dv), count, slices,
        *steps(dy, 2), *steps(dk, 1), *steps(dv, 1), *shared,
    )  # fmt: skip
    if not for_mask or mask is None:
        return dq, dk, dv, None
    dmask = xp.empty(mask.shape, mask.dtype)
    tiles = _query_tiles(q.dtype, wide)
    name = f"attention_mask<{{T}}, {{A}}, {tiles}>"
    warps = _warps(tiles, queries, heads * group)
    rows, lengths = mask.shape[-2:]
    row_tiles = 1 if rows == 1 else -(-rows // (_ROWS * warps))
    key_tiles = 1 if lengths == 1 else -(-lengths // tiles.columns)
    counts = mask.shape[0], mask.shape[1] if mask.ndim == 5 else 1, mask.shape[-3]
    _text("attention_mask", (name,), tiles.form == "Tensor").launch(
        name, (math.prod(counts) * row_tiles * key_tiles,), (32 * warps,), leading_row(dy),
        *_addresses(q, k, v), lse, delta, dmask, heads,
        *counts, rows, lengths, row_tiles, key_tiles, *steps(dy, 2), *shared,
    )  # fmt: skip
    return dq, dk, dv, dmask


def _warps(tiles: _Tiles, rows: int, heads: int) -> int:
    """Of a block: no more than there are rows for, and few where blocks are few."""
    warps = tiles.warps
    if warps > 4 and heads * -(-rows // (_ROWS * warps)) < _FEW_BLOCKS:
        warps = 4
    while warps > 1 and _ROWS * warps >= 2 * rows:
        warps //= 2
    return warps


def _slices(tiles: _Tiles, width: int) -> int:
    """How many blocks share the columns of a result, each of which makes all scores."""
    return max(-(-width // tiles.width), 1)


def wide_dtype(dtype: DType) -> DType:
    return dtype if dtype == float64 else float32


def with_rows(x: Array) -> Array:
    """x with rows without gaps, itself if it has them."""
    return x if x.strides[-1] == x.itemsize or x.shape[-1] <= 1 else xp_of(x).ascontiguousarray(x)


def laid_like(x: Array, width: int) -> Array:
    """An array of x's shape but for the last dimension, whose other dimensions lie in memory in the order of x's."""
    xp, shape = xp_of(x), (*x.shape[:-1], width)
    order = sorted(range(x.ndim - 1), key=lambda dim: -x.strides[dim])
    if x.flags.c_contiguous or order == sorted(order):
        return xp.empty(shape, x.dtype)
    back = sorted(range(x.ndim - 1), key=order.__getitem__)
    return xp.empty([shape[dim] for dim in (*order, -1)], x.dtype).transpose((*back, x.ndim - 1))


def leading_row(x: Array) -> Array:
    """A view of x's first row, at x's address: what a kernel that knows x's strides is given as its first argument."""
    return x[(0,) * (x.ndim - 1)]


def _addresses(*arrays: Array) -> list[int]:
    """Of arrays that a kernel reads or writes through strides."""
    return [x.data.ptr for x in arrays]


def steps(x: Array, inner: int) -> tuple[int, ...]:
    """The strides in elements of samples, heads of keys and `inner` more dimensions; 0 where there is one of them."""
    own = [0 if length == 1 else stride // x.itemsize for length, stride in zip(x.shape, x.strides)]
    return (*own[:1], *([0] if x.ndim == inner + 2 else []), *own[1:-1])


def _arguments(
    q: Array, k: Array, v: Array, y: Array, mask: Array | None, place: Array | None, settings: Settings
) -> tuple[Any, ...]:
    """ATTENTION_PARAMETERS of kernels/math/attention.cuh."""
    mask_steps: tuple[int, ...] = (0,) * 5
    kind = 0
    if mask is not None:
        kind = 1 if mask.dtype.kind == "b" else 2 if mask.dtype == q.dtype else 3
        mask_steps = (*steps(mask, 2), 0 if mask.shape[-1] == 1 else mask.strides[-1] // mask.itemsize)
    stream = settings.stream
    words: tuple[int, ...] = (0,) * 5
    threshold = -1
    if stream is not None:
        threshold = round(settings.p * 2**32)
        words = tuple(word - (word >> 63 << 64) for word in (*stream.index, *stream.key))  # as signed numbers
    heads = q.shape[1] if q.ndim == 5 else 1
    return (
        None if mask is None else mask.data.ptr, None if place is None else dense(place), kind, heads,
        *q.shape[-3:-1], k.shape[-2], q.shape[-1], v.shape[-1], settings.causal, float(settings.scale),
        float(settings.factor()), threshold, *words, *steps(q, 2), *steps(k, 1), *steps(v, 1), *steps(y, 2),
        *mask_steps,
    )  # fmt: skip
