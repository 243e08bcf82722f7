"""Rows in order: what sort, topk, kthvalue, the medians, quantiles and unique ask for.

The order is that of the numbers, -0.0 equal to 0.0 and nan beyond all, whatever its sign; equal elements keep theirs,
in the descending order too. It is decided the same on every device. On CUDA devices elements are sorted as integers,
by their bits, so that dtypes of one size share their kernels; see kernels/math/order.cuh.

    up to 4096 elements (2048 of 8 bytes)   a block sorts rows in shared memory, Batcher 1968
    the first few of more                   a block goes over a row once and keeps the best, or several over parts of it
    all of more                             radix sort of 8 bits after 8 bits, Knuth, TAOCP 3, 5.2.5
"""

from __future__ import annotations

import math
from typing import Any

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, dense, one_each
from gpudl.backend.dtypes import float32, int64
from gpudl.backend.kernel import kernel

EVERY = ("float32", "float64", "float16", "bfloat16", "bool", "uint8", "int8", "int16", "int32", "int64")
KTH, MEDIAN, NANMEDIAN = 0, 1, 2
"""Which element of a row: that of a rank, the lower median or else the first nan, the lower median of the numbers."""

_BITS = ("int32", "int16", "int64", "int8")
_ORDER = ("math/packs.cuh", "math/order.cuh")
_SORT = CudaText(*_ORDER, "cuda/order_sort.cu", kernels=("sort_rows<{T}>",), dtypes=_BITS)
_PICK = CudaText(*_ORDER, "cuda/order_pick.cu", kernels=("pick_rows<{T}>", "pick_left<{T}>"), dtypes=_BITS)
_RANK = CudaText(*_ORDER, "math/order_radix.cuh", "cuda/order_rank.cu", kernels=("rank_rows<{T}>",), dtypes=_BITS)
_RADIX = CudaText(
    *_ORDER,
    "math/order_radix.cuh",
    "cuda/order_radix.cu",
    kernels=("radix_count<{T}>", "radix_sum<{T}>", "radix_move<{T}>"),
    dtypes=_BITS,
)
_PUT = CudaText("math/packs.cuh", "cuda/order_put.cu", kernels=("put_along<{T}>",), dtypes=_BITS)

_INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000, "float64": 0x7FF0000000000000}
_SORT_THREADS, _THREADS = 512, 256
_BLOCKS = 528  # four for each multiprocessor of a large GPU
_SMALL_TILE = 2048  # items that a block sorts of short rows
_PART = 16384  # elements that are worth a block of their own
_MOST_ROWS = 65535  # of a grid's second dimension
_MOST_LENGTH = 1 << 32  # indices are kept in 32 bits


def _room(itemsize: int) -> int:
    """How many items a block sorts: what order.cuh calls ROOM, of 8 or 16 bytes each."""
    return 2048 if itemsize == 8 else 4096


@kernel
def sorted_forward(x: Array, k: int, descending: bool, with_values: bool) -> tuple[Array, Array | None]:
    """Where the first k elements of each row in order stand, and what they are. x: (..., length); 0 <= k <= length."""
    order = _first(x, k, descending)
    return order, xp_of(x).take_along_axis(x, order, axis=-1) if with_values else None


@sorted_forward.cuda(*EVERY)
def sorted_forward_cuda(x: Array, k: int, descending: bool, with_values: bool) -> tuple[Array, Array | None]:
    x, xp, length = dense(x), xp_of(x), x.shape[-1]
    if length >= _MOST_LENGTH:
        return sorted_forward.reference(x, k, descending, with_values)  # type: ignore[no-any-return]
    room = _room(x.itemsize)
    in_block = length <= room and (length <= room // 4 or length <= 4 * k)
    in_full = not in_block and k > room // 2
    shape = (*x.shape[:-1], length if in_full else k)
    order, values = xp.empty(shape, int64), xp.empty(shape, x.dtype) if with_values else None
    if order.size:
        bits, told = _bits_of(x, descending)
        given = bits, None if values is None else values.view(bits.dtype), order
        if in_block:
            _sort(*given, length, k, -1, 0, told)
        elif in_full:
            _radix(xp, *given, length, told)
        else:
            _pick(xp, *given, length, k, told)
    if in_full and k < length:
        return dense(order[..., :k]), None if values is None else dense(values[..., :k])
    return order, values


@kernel
def ranked_forward(x: Array, rank: int, how: int) -> tuple[Array, Array]:
    """Where one element of each row stands, and what it is, both (..., 1): see KTH, which alone has a rank, from 0."""
    xp = xp_of(x)
    line, count = _widened(x), x.shape[-1]
    lost = line != line
    place = rank if how == KTH else (count - 1) // 2
    if how == NANMEDIAN and x.dtype.kind in "fV":
        place = xp.maximum((count - lost.sum(axis=-1, keepdims=True) - 1) // 2, 0)
        values = xp.take_along_axis(xp.sort(line, axis=-1), place, -1)
    else:
        values = xp.partition(line, place, axis=-1)[..., place : place + 1]
    beyond = values != values
    equal = (line == values) | (lost & beyond)
    before = place - ((line < values) | (beyond & ~lost)).sum(axis=-1, keepdims=True)
    indices = (equal.cumsum(axis=-1) > before).argmax(axis=-1, keepdims=True)
    if how == MEDIAN:
        found = lost.any(axis=-1, keepdims=True)
        indices = xp.where(found, lost.argmax(axis=-1, keepdims=True), indices)
    return indices, xp.take_along_axis(x, indices, -1)


@ranked_forward.cuda(*EVERY)
def ranked_forward_cuda(x: Array, rank: int, how: int) -> tuple[Array, Array]:
    x, xp, length = dense(x), xp_of(x), x.shape[-1]
    if length >= _MOST_LENGTH:
        return ranked_forward.reference(x, rank, how)  # type: ignore[no-any-return]
    shape = (*x.shape[:-1], 1)
    values, indices = xp.empty(shape, x.dtype), xp.empty(shape, int64)
    rows = indices.size
    bits, told = _bits_of(x, False)
    if not rows:
        return indices, values
    if length <= _room(x.itemsize):
        _sort(bits, values.view(bits.dtype), indices, length, 1, how, rank, told)
    elif rows < _BLOCKS // 8 and length > 4 * _PART:  # so few blocks would take longer than a sort
        order = stable_order(x)
        place = rank if how == KTH else (length - 1) // 2
        indices = order[..., place : place + 1]
        if how != KTH and x.dtype.kind in "fV":
            numbers = (x == x).sum(axis=-1, keepdims=True)
            last = numbers if how == MEDIAN else xp.maximum((numbers - 1) // 2, 0)
            indices = xp.where(numbers < length, xp.take_along_axis(order, xp.minimum(last, length - 1), -1), indices)
        return dense(indices), xp.take_along_axis(x, indices, -1)
    else:
        given = bits, values.view(bits.dtype), indices
        grid = (min(rows, 1 << 20),)
        _RANK.launch("rank_rows<{T}>", grid, (_THREADS,), *given, rows, length, how, rank, *told)
    return indices, values


@kernel
def put_along_(y: Array, x: Array, indices: Array, dim: int) -> None:
    """y[.., indices[.., k, ..], ..] = x[.., k, ..], for indices of x's shape that differ along dim. y: contiguous."""
    xp_of(y).put_along_axis(y, indices, x, axis=dim)


@put_along_.cuda(*EVERY)
def put_along_cuda(y: Array, x: Array, indices: Array, dim: int) -> None:
    if not y.flags.c_contiguous:
        put_along_.reference(y, x, indices, dim)
        return
    count, line, inner = x.size, x.shape[dim], 1
    for length in x.shape[dim + 1 :]:
        inner *= length
    if not count:
        return
    kind = f"int{8 * y.itemsize}"
    grid, block = one_each(count)
    numbers = count, line, inner, y.shape[dim]
    _PUT.launch("put_along<{T}>", grid, block, dense(x).view(kind), y.view(kind), dense(indices), *numbers)


def stable_order(x: Array, descending: bool = False) -> Array:
    """The indices that sort along the last dimension; equal elements keep their order, nan is beyond all numbers."""
    return sorted_forward(x, x.shape[-1], descending, False)[0]


def _widened(x: Array) -> Array:
    return x.astype(float32) if x.dtype.char in "eE" else x


def _first(x: Array, k: int, descending: bool) -> Array:
    """The indices of the first k elements of each row in order."""
    xp = xp_of(x)
    line, count = _widened(x), x.shape[-1]
    keys = _keys(line) if count < 2**31 else None
    if keys is not None:
        # A number and its position as one integer: sorting those is ten times faster than a stable argsort.
        keys = ~keys if descending else keys
        bits = max(count.bit_length(), 1)
        keys <<= bits
        keys |= xp.arange(count)
        if 0 < k < count:
            keys = xp.ascontiguousarray(xp.partition(keys, k - 1, axis=-1)[..., :k])
        keys.sort(axis=-1)
        keys &= (1 << bits) - 1
        return keys[..., :k]
    if 0 < k < count:
        chosen = _chosen(line, k, descending)
        return xp.take_along_axis(chosen, _first(xp.take_along_axis(line, chosen, -1), k, descending), -1)
    if descending:
        return xp.ascontiguousarray(
            (count - 1 - xp.argsort(line[..., ::-1], axis=-1, kind="stable")[..., ::-1])[..., :k]
        )
    return xp.argsort(line, axis=-1, kind="stable")[..., :k]


def _chosen(x: Array, k: int, descending: bool) -> Array:
    """The indices, ascending, of the first k elements of each row in order; 0 < k < length."""
    xp = xp_of(x)
    at = x.shape[-1] - k if descending else k - 1
    last = xp.partition(x, at, axis=-1)[..., at : at + 1]
    shape = (*x.shape[:-1], k)
    lost, beyond = x != x, last != last
    chosen = (x >= last) | lost if descending else (x <= last) | beyond
    if xp.count_nonzero(chosen) > math.prod(shape):  # of the elements equal to the last only the first
        equal = (x == last) | (lost & beyond)
        before = chosen & ~equal
        chosen = before | (equal & (equal.cumsum(axis=-1) <= k - before.sum(axis=-1, keepdims=True)))
    return xp.nonzero(chosen)[-1].reshape(shape)


def _keys(x: Array) -> Array | None:
    """int64 numbers of at most 32 bits in the order of the elements; None where their dtype has too many bits.

    They are in C order: CuPy sorts nothing else in place.
    """
    kind = x.dtype.kind
    if kind in "biu" and x.dtype.itemsize <= 4:
        return x.astype("int64", order="C")
    if kind != "f" or x.dtype.itemsize != 4:
        return None
    bits = (x + x.dtype.type(0)).view("int32")  # 0.0 for -0.0, which is its equal
    high = 0x7FFFFFFF
    ordered = bits ^ ((bits >> 31) & high)
    xp = xp_of(x)
    ordered = xp.where(x != x, xp.asarray(high, "int32"), ordered)
    return ordered.astype("int64", order="C")


def _bits_of(x: Array, descending: bool) -> tuple[Array, tuple[int, int]]:
    """x as integers of its size, and what key_of of order.cuh is told of its dtype."""
    flip = 1 << (8 * x.itemsize - 1) if x.dtype.kind == "i" else 0
    if descending:
        flip ^= (1 << 8 * x.itemsize) - 1
    flip -= (flip >> 63) << 64  # as a long long
    return x.view(f"int{8 * x.itemsize}"), (_INFINITY.get(x.dtype.name, 0), flip)


def _sort(
    x: Array, values: Array | None, order: Array, length: int, k: int, how: int, rank: int, told: tuple[int, int]
) -> None:
    rows, log = x.size // length, (length - 1).bit_length()
    of_block = max(min(_SMALL_TILE >> log, -(-rows // _BLOCKS)), 1)
    numbers = rows, length, log, of_block, k, how, rank, *told
    _SORT.launch("sort_rows<{T}>", (-(-rows // of_block),), (_SORT_THREADS,), x, values, order, *numbers)


def _pick(xp: Any, x: Array, values: Array | None, order: Array, length: int, k: int, told: tuple[int, int]) -> None:
    rows, room = x.size // length, _room(x.itemsize)
    most = min(max(2 * k, 512), room - room // 4)
    parts = max(min(_BLOCKS // rows, length // max(_PART, 8 * k)), 1)
    of_part = -(-length // parts)
    parts, left = -(-length // of_part), None
    if parts > 1:
        left = xp.empty(rows * parts * k * (2 if x.itemsize == 8 else 1), int64)
    numbers = length, of_part, k, most
    _PICK.launch("pick_rows<{T}>", (rows, parts), (_THREADS,), x, values, order, left, *numbers, *told)
    if left is not None:
        numbers = length, parts, k, most
        _PICK.launch("pick_left<{T}>", (rows,), (_THREADS,), x, values, order, left, *numbers)


def _radix(xp: Any, x: Array, values: Array | None, order: Array, length: int, told: tuple[int, int]) -> None:
    rows, passes = x.size // length, x.itemsize
    tiles = -(-length // (_room(x.itemsize)))
    counts, totals = xp.empty(rows * 256 * tiles, "uint32"), xp.empty(rows * 256, "uint32")
    grid, block = (tiles, min(rows, _MOST_ROWS)), (_THREADS,)
    keys = indices = None
    key = f"uint{8 * passes}"
    free = [(xp.empty(x.size, key), xp.empty(x.size, "uint32")) for _ in range(min(passes - 1, 2))]
    for number in range(passes):
        numbers = rows, length, 8 * number, *told
        _RADIX.launch("radix_count<{T}>", grid, block, x, keys, counts, *numbers)
        _RADIX.launch("radix_sum<{T}>", (rows * 256,), block, x, counts, totals, tiles)
        to = (None, None, values, order) if number == passes - 1 else (*free[number % 2], None, None)
        _RADIX.launch("radix_move<{T}>", grid, block, x, keys, indices, counts, totals, *to, *numbers)
        keys, indices = to[:2]
