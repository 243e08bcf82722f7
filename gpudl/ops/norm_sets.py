"""CUDA bodies for sets of elements that are normalized by their own mean and variance; see kernels/math/sets.cuh.

A set is a channel of all samples, for batch_norm, a group of channels of one sample, for group_norm and instance_norm,
or a row too long for the registers of a block, for layer_norm and rms_norm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, Shape, dense
from gpudl.ops.norm_cuda import is_wide, wide_dtype

_TEXT = CudaText(
    "math/numbers.cuh",
    "math/packs.cuh",
    "math/reduce.cuh",
    "math/norms.cuh",
    "math/sets.cuh",
    "cuda/set_norm.cu",
    "cuda/set_norm_backward.cu",
    kernels=("set_norm_forward", "set_norm_sums", "set_norm_gradients"),
)
_BLOCKS = 2048  # that are worth having: several for each multiprocessor of a large GPU
_CHUNK = 4096  # elements that are worth a block
_CACHED = 1 << 16  # bytes of a set that a block finds in the cache when it reads them again
_LARGEST = 1 << 31  # elements of a set, for which the kernels count in 32 bits


class Sets(NamedTuple):
    """How the sets lie in memory; see kernels/math/sets.cuh."""

    sets: int
    pieces: int
    length: int
    stride: int
    apart: int
    channels: int
    first: int
    step: int

    @property
    def size(self) -> int:
        """Elements of a set."""
        return self.pieces * self.length


def channels_of_batch(shape: Shape) -> Sets:
    """Each channel of all samples of (samples, channels, places)."""
    samples, channels, places = shape
    return Sets(channels, samples, places, channels * places, places, channels, 1, 0)


def groups_of_channels(shape: Shape, groups: int) -> Sets:
    """Each group of channels of each sample of (samples, channels, places)."""
    samples, channels, places = shape
    each = channels // groups
    return Sets(samples * groups, each, places, places, each * places, channels, each, 1)


def whole_rows(rows: int, columns: int) -> Sets:
    """Each row of a matrix."""
    return Sets(rows, 1, columns, columns, columns, 1, 0, 0)


class Plan(NamedTuple):
    """Into how many chunks of which share a set is cut, and the block."""

    chunks: int
    share: int
    block: Shape


def _plan(sets: Sets, itemsize: int, once: bool) -> Plan:
    """once: the elements are read once, so that nothing is had from leaving a set in one block."""
    count = sets.size
    if count <= 1024:
        lanes = 8 if count <= 64 else 16 if count <= 256 else 32
        return Plan(1, count, (lanes, 256 // lanes))
    cached = count * itemsize <= _CACHED and (sets.sets >= 256 or count <= 2 * _CHUNK)
    chunks = 1 if cached and not once else max(min(-(-_BLOCKS // sets.sets), count // _CHUNK), 1)
    share = min((-(-count // chunks) + 63) // 64 * 64, count)
    return Plan(-(-count // share), share, (256 if share <= 2 * _CHUNK else 512, 1))


def _grid(sets: Sets, plan: Plan, more: int = 0) -> Shape:
    return -(-sets.sets // plan.block[1]) + more, plan.chunks


def fit(sets: Sets) -> bool:
    """Whether the kernels can count the elements of a set."""
    return sets.size < _LARGEST


class Running(NamedTuple):
    """Statistics that follow those of the sets; tracked counts, its inverse is the share if momentum is None."""

    mean: Array
    var: Array
    tracked: Array | None
    momentum: float | None


def sets_forward(
    x: Array,
    w: Array | None,
    b: Array | None,
    sets: Sets,
    eps: float,
    *,
    given: tuple[Array, Array] | None = None,
    running: Running | None = None,
    centers: bool = True,
    each: bool = False,
) -> tuple[Any, ...]:
    """y, and mean and variance of each set, or those that are given; for rows (each) the mean, if centered, and rstd.

    Factors w, b belong to channels, or, where `each`, to the places of a set of one piece.
    """
    xp = xp_of(x)
    x, w, b = dense(x), None if w is None else dense(w), None if b is None else dense(b)
    y = xp.empty(x.shape, x.dtype)
    plan = _plan(sets, x.itemsize, given is not None)
    mean = var = parts = None
    if given is None:
        mean, var = xp.empty(sets.sets, wide_dtype(x)) if centers else None, xp.empty(sets.sets, wide_dtype(x))
    own = (None, None) if given is None else (dense(given[0]), dense(given[1]))
    follows: tuple[Any, ...] = (None, None, None) if running is None else running[:3]
    momentum = 0.0 if running is None else -1.0 if running.momentum is None else float(running.momentum)
    splits = given is None and (plan.chunks > 1 or momentum < 0)  # tracked is read when it has been counted up
    if splits:
        parts = xp.empty((sets.sets, plan.chunks, 2), wide_dtype(x))
    wide = is_wide(x, w, b), is_wide(x, *own, *follows[:2])
    for finds, applies in ((1, 0), (0, 1)) if splits else ((int(given is None), 1),):
        phase = finds, applies, centers, each, *wide, each, float(eps), momentum
        arrays = x, w, b, *own, y, mean, var, parts, *follows
        shape = *sets[:5], plan.share, *sets[5:]
        _TEXT.launch("set_norm_forward", _grid(sets, plan), plan.block, *arrays, *shape, *phase)
    return (y, mean, var) if given is None else (y, *given)


def sets_backward(
    dy: Array,
    x: Array,
    w: Array | None,
    sets: Sets,
    mean: Array | None,
    var: Array,
    eps: float,
    *,
    of_set: bool = True,
    each: bool = False,
    for_w: bool = False,
    for_b: bool = False,
) -> tuple[Any, ...]:
    """dx, dw, db; the latter where they are asked for. mean and var: as sets_forward gave them, of_set: from x."""
    xp = xp_of(x)
    dy, x, w = dense(dy), dense(x), None if w is None else dense(w)
    mean, var = None if mean is None else dense(mean), dense(var)
    dx = xp.empty(x.shape, x.dtype)
    kind = x.dtype if w is None else w.dtype
    dw, db = (xp.empty(sets.channels, kind) if wanted else None for wanted in (for_w, for_b))
    owns = sets.step == 0
    members = 1 if owns else sets.pieces
    summed = sets if owns else Sets(sets.sets * members, 1, sets.length, sets.length, sets.length, 1, 0, 0)
    plan = _plan(summed, x.itemsize, True)
    parts = xp.empty((summed.sets, plan.chunks, 3), wide_dtype(x))
    wide = is_wide(x, w), is_wide(x, mean, var)
    summing = dy, x, w, mean, var, None if of_set else dx, parts
    settings = *summed[:5], plan.share, members, each, *wide, float(eps)
    _TEXT.launch("set_norm_sums", _grid(summed, plan), plan.block, *summing, *settings)
    if of_set or dw is not None or db is not None:
        chunks = plan.chunks
        plan = _plan(sets, x.itemsize, True) if of_set else Plan(1, sets.size, (32, 8))
        warps = plan.block[0] * plan.block[1] // 32
        more = 0 if owns or (dw is None and db is None) else -(-sets.channels // warps)
        arrays = dy, x, w, mean, var, dx if of_set else None, dw, db, parts
        shape = *sets[:5], plan.share, *sets[5:], members, chunks, owns
        _TEXT.launch(
            "set_norm_gradients", _grid(sets, plan, more), plan.block, *arrays, *shape, each, *wide, each, float(eps)
        )
    return dx, dw, db
