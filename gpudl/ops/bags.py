"""The kernels of embedding_bag: rows of a table combined bag by bag in one launch, and the gradients of that.

    y[b] = sum over i in bag b of f[i] w[index[i]],    dw[n] = sum over i with index[i] = n of f[i] dy[bag of i]

with f[i] = 1 / size of the bag for the mean; for the maximum each element of y is one of w, whose place is kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.device import is_on_host
from gpudl.backend.dtypes import int64
from gpudl.backend.kernel import kernel
from gpudl.backend.scatter import combine_at
from gpudl.backend.take_rows import taken
from gpudl.ops.accumulate import counts_at, extreme_rows_, summed_rows
from gpudl.ops.embedding import Embedding, embedding_backward
from gpudl.ops.index import Embed
from gpudl.ops.operands import narrowed, total, widened

Gradients = tuple[Any, Any]

_TEXT = CudaText(
    *(f"math/{name}.cuh" for name in ("numbers", "packs", "reduce", "accumulate")),
    "cuda/bags.cu",
    kernels=("combine_bags<{T}, {A}, false>", "combine_bags<{T}, {A}, true>", "bag_rows"),
)
_LONG = 64  # numbers in a bag, on average, from which on a block has one bag at a time


class Bags(NamedTuple):
    """Which bag each number is in, without the padding (on a device with -1 in place of it), on bare arrays.

    Attributes:
        place: (k,) where the numbers stood in the input.
        index: (k,) the numbers themselves.
        bag: (k,) the number of the bag of each, not falling.
    """

    place: Array
    index: Array
    bag: Array


def bags_of(index: Array, offsets: Array | None, count: int, skipped: int) -> Bags:
    """index: (bags, length), or (numbers,) cut at `offsets`, (count,) or (count + 1,); skipped: -1 for none."""
    length = index.shape[-1]
    index = index.reshape(-1).astype("int64")
    xp = xp_of(index)
    place = xp.arange(index.size)
    if offsets is None:
        bag = place // max(length, 1)
    else:
        bag = xp.searchsorted(offsets.astype("int64"), place, side="right") - 1
    if skipped < 0 and (offsets is None or (count and len(offsets) == count)):
        return Bags(place, index, bag)
    kept = (bag >= 0) & (bag < count)
    if skipped >= 0:
        kept &= index != skipped
    if is_on_host(index):
        return Bags(place[kept], index[kept], bag[kept])
    # A device would wait to know how many are left: those that are not go to row and bag -1, which nobody adds to.
    return Bags(place, xp.where(kept, index, -1), xp.where(kept, bag, -1))


@kernel
def embedding_bag_forward(
    w: Array, factors: Array | None, index: Array, offsets: Array | None, count: int, mode: str, skipped: int
) -> tuple[Array, Array | None]:
    """(bags, features), and what backward needs: the sizes of the bags for "mean", for "max" places in w (-1: none)."""
    bags, features = bags_of(index, offsets, count, skipped), w.shape[1]
    if mode == "max":
        return _largest(w, bags, count)
    rows = widened(taken(w, bags.index))
    if factors is not None:
        rows = rows * widened(factors).reshape(-1)[bags.place][:, None]
    if offsets is None and skipped < 0:
        y = total(rows.reshape((*index.shape, features)), 1)
    else:
        y = summed_rows(count, bags.bag, rows)
    sizes = None
    if mode == "mean":
        sizes = counts_at(bags.bag, count)
        y = y / xp_of(w).maximum(sizes, 1)[:, None].astype(y.dtype)
    return narrowed(y, w.dtype), sizes


def _largest(w: Array, bags: Bags, count: int) -> tuple[Array, Array]:
    """For each bag and feature the largest element, that of the first row which has it, and its place in w."""
    xp = xp_of(w)
    features, numbers = w.shape[1], len(bags.index)
    if not numbers or not w.shape[0]:
        return xp.zeros((count, features), w.dtype), xp.full((count, features), -1)
    rows = widened(w[bags.index])
    best = xp.full((count, features), -xp.inf, rows.dtype)
    extreme_rows_(best, bags.bag, rows, True)
    hit = (rows == best[bags.bag]) | (rows != rows)
    first = xp.full((count, features), numbers)
    extreme_rows_(first, bags.bag, xp.where(hit, xp.arange(numbers)[:, None], numbers), False)
    empty = first == numbers
    at = bags.index[xp.where(empty, 0, first)] * features + xp.arange(features)
    return xp.where(empty, w.dtype.type(0), w.reshape(-1)[at]), xp.where(empty, -1, at)


@embedding_bag_forward.cuda("float32", "float64", "float16", "bfloat16")
def embedding_bag_forward_cuda(
    w: Array, factors: Array | None, index: Array, offsets: Array | None, count: int, mode: str, skipped: int
) -> tuple[Array, Array | None]:
    xp, (rows, features) = xp_of(w), w.shape
    y = xp.empty((count, features), w.dtype)
    kept = None if mode == "sum" else xp.empty((count, features) if mode == "max" else (count,), int64)
    across = _across(w)
    down = THREADS // across
    shares = index.size >= _LONG * count
    blocks = count if shares else -(-count // down)
    _TEXT.launch(
        f"combine_bags<{{T}}, {{A}}, {'true' if mode == 'max' else 'false'}>", (min(blocks, MOST_BLOCKS),),
        (across, down), y, kept, dense(w), None if factors is None else dense(factors), *_numbers(index, offsets),
        count, features, rows, skipped, shares,
    )  # fmt: skip
    return y, kept


@kernel
def embedding_bag_backward(
    dy: Any, w: Any, factors: Any, index: Any, offsets: Any, kept: Any, count: int, mode: str, skipped: int,
    by_frequency: bool, wants: tuple[bool, bool],
) -> Gradients:  # fmt: skip
    """dw (count, features) and dfactors, those that are wanted. w: unless there are factors, None."""
    recording = isinstance(dy, Tensor)
    features, xp = dy.shape[1], xp_of(dy)
    places = bags_of(_bare(index), _bare(offsets), dy.shape[0], skipped)
    if mode == "max":
        flat = kept.reshape((dy.shape[0] * features,))
        rows = xp.where(flat >= 0, dy.reshape((dy.shape[0] * features,)), dy.dtype.type(0))[:, None]
        return _scattered(rows, _bare(flat).clip(0), count * features).reshape((count, features)), None
    place, number, bag = (wrap(each, None) if recording else each for each in places)
    up = widened(dy)
    if mode == "mean":
        sizes = xp_of(places.bag).maximum(_bare(kept), 1)[:, None].astype(up.dtype)
        up = up / (wrap(sizes, None) if recording else sizes)
    rows = Embedding.apply(up, bag, -1, False) if recording else taken(up, bag)
    if not is_on_host(places.bag):
        rows = xp.where((bag >= 0)[:, None], rows, up.dtype.type(0))
    dfactors = None
    if factors is not None:
        numbers = math.prod(factors.shape)
        if wants[1]:
            found = Embedding.apply(w, number, -1, False) if recording else taken(w, number)
            sums = narrowed(total(rows * widened(found), (1,), True), factors.dtype)
            dfactors = _scattered(sums, places.place, numbers).reshape(factors.shape)
        rows = rows * widened(factors).reshape((numbers,))[place][:, None]
    dw = _scattered(narrowed(rows, dy.dtype), places.index, count, by_frequency) if wants[0] else None
    return dw, dfactors


@embedding_bag_backward.cuda("float32", "float64", "float16", "bfloat16")
def embedding_bag_backward_cuda(
    dy: Array, w: Array | None, factors: Array | None, index: Array, offsets: Array | None, kept: Any,
    count: int, mode: str, skipped: int, by_frequency: bool, wants: tuple[bool, bool],
) -> Gradients:  # fmt: skip
    xp, (bags, features) = xp_of(dy), dy.shape
    dw: Any = xp.zeros((count, features), dy.dtype) if wants[0] else None
    if mode == "max":
        combine_at("add", dw.reshape(-1), kept.reshape(-1), dy.reshape(-1), fresh=True)
        return dw, None
    rows = xp.empty((index.size, features), dy.dtype) if wants[0] else None
    dfactors = xp.empty(factors.shape, dy.dtype) if factors is not None and wants[1] else None
    across = _across(dy)
    down = THREADS // across
    grid = (min(-(-index.size // down), MOST_BLOCKS),)
    given = dense(dy), rows, dfactors, None if dfactors is None else dense(w)
    told = None if factors is None else dense(factors), kept
    _TEXT.launch(
        "bag_rows", grid, (across, down), *given, *told, *_numbers(index, offsets), bags, features, count, skipped
    )
    if rows is not None:
        flat = dense(index).reshape(-1)
        combine_at("add", dw, flat, rows, fresh=True, skipped=skipped, divides=by_frequency)
    return dw, dfactors


def _scattered(rows: Any, index: Array, count: int, by_frequency: bool = False) -> Any:
    """(count, columns): the rows summed by index, or their means; differentiable by way of Tensors."""
    if not isinstance(rows, Tensor):
        return embedding_backward(rows, index, count, -1, by_frequency)
    found: Tensor = Embed.apply(rows, (index,), (count, rows.shape[1]))
    if not by_frequency:
        return found
    return found / wrap(xp_of(index).maximum(counts_at(index, count), 1)[:, None].astype(rows.dtype), None)


def _across(x: Array) -> int:
    """How many threads side by side take the columns of (rows, columns): a power of two, a warp at most."""
    packs: int = -(-x.shape[1] * x.itemsize // PACK_BYTES)
    return min(1 << (max(packs, 1) - 1).bit_length(), 32)


def _numbers(index: Array, offsets: Array | None) -> tuple[Any, ...]:
    """index, its length and that of each row, and offsets, as the kernels take them."""
    given = dense(index), index.dtype == int64, index.size
    if offsets is None:
        return *given, index.shape[-1], None, False, 0
    return *given, 0, dense(offsets), offsets.dtype == int64, len(offsets)


def _bare(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


class EmbeddingBag(Primitive):
    """apply(w, factors, index, offsets, count, mode, skipped, by_frequency)."""

    __slots__ = ("settings",)
    widens = False
    settings: tuple[int, str, int, bool]

    def forward(
        ctx, w: Array, factors: Array | None, index: Array, offsets: Array | None, count: int, mode: str, skipped: int,
        by_frequency: bool,
    ) -> Array:  # fmt: skip
        y, kept = embedding_bag_forward(w, factors, index, offsets, count, mode, skipped)
        ctx.settings = w.shape[0], mode, skipped, by_frequency
        needs_rows = factors is not None and ctx.edges[1] is not None
        ctx.save(w if needs_rows else None, factors, index, offsets, kept)
        return y

    def backward(ctx, dy: Array) -> Gradients:
        wants = ctx.edges[0] is not None, ctx.edges[1] is not None
        return embedding_bag_backward(dy, *ctx.saved, *ctx.settings, wants)  # type: ignore[no-any-return]
