"""Reductions on a CUDA device: dimensions of any pattern as rows or columns for the kernels of kernels/cuda/reduce.cu.

    sums = Fold("Added<{T}, {A}, Itself, Itself>", "math/sums.cuh")
    y = sums(x, dims, keepdim, x.dtype)

Neighboring dimensions that are all reduced, or all kept, are one. What is then left to do is one of

    rows      kept, reduced, kept, reduced     any of them may be missing
    columns   kept, reduced, kept

or is brought into that form by a copy. The order of the additions depends on the shape alone, so that results are the
same in every run. Where the outputs are too few to occupy a GPU, several blocks share one, and a second kernel joins
what they left.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import FLOATS, MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, Shape, dense
from gpudl.backend.dtypes import DType

BLOCKS = 1024  # about as many as run at once on a large GPU
_WARP_ROW = 1024  # elements that a warp goes over at most
SHARE = 8192  # elements of a row that are worth a block of their own, and with it a second kernel
TALL = 16  # rows that a thread of columns has then at least
_MANY = 1 << 16  # threads that occupy a GPU
STATE_BYTES = 32  # the largest state


class Plan(NamedTuple):
    """How a reduction is launched.

    Attributes:
        in_rows: by reduce_rows, not reduce_columns.
        outputs, parts: how many results there are, and of how many states each is joined in the end.
        grid, block: the launch.
        settings: the kernel's further arguments.
    """

    in_rows: bool
    outputs: int
    parts: int
    grid: Shape
    block: Shape
    settings: tuple[int, ...]


class Fold:
    """A reduction on CUDA devices: one Op of kernels/cuda/reduce.cu, and its Slope where that gives the gradient.

    Args:
        op: the Op, with {T} and {A} for the types of elements and of the arithmetic.
        files: the texts below kernels/ that it is made of, besides those that all are.
        slope: the Slope.
    """

    def __init__(self, op: str, *files: str, slope: str = ""):
        self.rows, self.columns = f"reduce_rows<{{T}}, {{A}}, {op}>", f"reduce_columns<{{T}}, {{A}}, {op}>"
        self.left = f"reduce_left<{{T}}, {{A}}, {op}>"
        shared = ("math/numbers.cuh", "math/packs.cuh", "math/reduce.cuh", "math/sums.cuh")
        texts = *shared, *files, "cuda/reduce.cu"
        self.text = CudaText(*texts, kernels=(self.rows, self.columns, self.left))
        self.slope_rows, self.slope_columns = (f"slope_{how}<{{T}}, {{A}}, {slope}>" for how in ("rows", "columns"))
        self.slopes = CudaText(*texts, kernels=(self.slope_rows, self.slope_columns), dtypes=FLOATS if slope else ())

    def __call__(
        self,
        x: Array,
        dims: Any,
        keepdim: bool,
        dtype: DType,
        more: DType | None = None,
        planes: int = 1,
        p: float = 0,
        q: float = 0,
    ) -> Any:
        """The reduction of an array, whatever its memory order.

        Args:
            x: of a dtype that the Op has.
            dims: int, tuple, or None for all.
            dtype: of the result.
            more, planes: dtype of what Op gives beside it, and how much; (planes, *shape) for more than one.
            p, q: the numbers that Op is given.
        Returns: an array, or two.
        """
        axes = axes_of(dims, x.ndim)
        shape = tuple([1 if i in axes else length for i, length in enumerate(x.shape)])
        final = shape if keepdim else tuple([length for i, length in enumerate(x.shape) if i not in axes])
        x, axes, order, plan = _planned(x, axes)
        xp, outputs, parts = xp_of(x), plan.outputs, plan.parts
        # In its own shape where it can be: of a view whoever keeps a gradient would make a copy.
        y = xp.empty(final if order is None else outputs, dtype)
        beside = None if more is None else xp.empty(planes * outputs, more)
        left = xp.empty(parts * outputs * STATE_BYTES, np.uint8) if parts > 1 else None
        given, numbers = (x, y, beside, left, outputs), (float(p), float(q))
        name = self.rows if plan.in_rows else self.columns
        self.text.launch(name, plan.grid, plan.block, *given, *plan.settings, *numbers)
        if left is not None:
            lanes = min(_power_of_two(parts), 32)
            grid, block = (-(-outputs * lanes // THREADS),), (lanes, THREADS // lanes)
            self.text.launch(self.left, grid, block, *given, parts, *numbers)
        if order is not None:
            y = _shaped(y, shape, order).reshape(final)
        if beside is None:
            return y
        if planes == 1:
            return y, _shaped(beside, shape, order).reshape(final)
        beside = _shaped(beside, (planes, *shape), None if order is None else (0, *[dim + 1 for dim in order]))
        return y, beside.reshape((planes, *final))

    def slope(
        self,
        dy: Array,
        x: Array,
        dims: Any,
        first: Array,
        second: Array | None,
        p: float = 0,
        q: float = 0,
        blank: bool = False,
    ) -> Array:
        """The gradient of x, of x's dtype and memory order, in one pass.

        Args:
            dy: in x's dtype, shaped as the result with or without the dimensions.
            first, second: what Slope takes of each output: of that shape, perhaps with planes in front.
            p, q: the numbers that it is given.
            blank: x is new, Slope does not read it, and it is to be the gradient.
        """
        axes = axes_of(dims, x.ndim)
        shape = tuple([1 if i in axes else length for i, length in enumerate(x.shape)])
        x, axes, order, plan = _planned(x, axes)
        outputs = plan.outputs
        beside = tuple(None if each is None else _turned(each, shape, outputs, order) for each in (dy, first, second))
        dx = x if blank else xp_of(x).empty(x.shape, x.dtype)
        grid, block, settings = _slope_plan(plan, x.itemsize)
        name = self.slope_rows if plan.in_rows else self.slope_columns
        self.slopes.launch(name, grid, block, x, *beside, dx, outputs, *settings, float(p), float(q))
        return dx if order is None else dx.transpose(_inverse(order))


def _planned(x: Array, axes: Shape) -> tuple[Array, Shape, Shape | None, Plan]:
    """An array in C order with its dimensions in another order (None: the same), those reduced, and what is to do."""
    order: Shape | None = None
    if not x.flags.c_contiguous:  # the memory is often in order, if the dimensions are not
        strides = x.strides
        order = tuple(sorted(range(x.ndim), key=lambda i: -strides[i]))
        x, axes = dense(x.transpose(order)), tuple([i for i, dim in enumerate(order) if dim in axes])
    plan = plan_of(x.shape, axes, x.itemsize, x.data.ptr % PACK_BYTES == 0)
    if plan is None:  # more groups of dimensions than the kernels know
        then = tuple([i for i in range(x.ndim) if i not in axes]) + axes
        order = then if order is None else tuple([order[i] for i in then])
        x, axes = dense(x.transpose(then)), tuple(range(x.ndim - len(axes), x.ndim))
        plan = plan_of(x.shape, axes, x.itemsize, True)
        assert plan is not None
    return x, axes, order, plan


def _inverse(order: Shape) -> Shape:
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def _shaped(y: Array, shape: Shape, order: Shape | None) -> Array:
    """Results that lie in the order of what was read, in C order."""
    if order is None:
        return y
    return dense(y.reshape([shape[dim] for dim in order]).transpose(_inverse(order)))


def _turned(y: Array, shape: Shape, outputs: int, order: Shape | None) -> Array:
    """What belongs to the outputs, in the order of what is read; perhaps with planes in front."""
    if order is None:
        return dense(y)
    planes = y.size // max(outputs, 1)
    return dense(y.reshape((planes, *shape)).transpose((0, *[dim + 1 for dim in order])))


def axes_of(dims: Any, ndim: int) -> Shape:
    """Dimensions, all for None, counted from the front in ascending order."""
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int):
        return (dims % ndim,) if ndim else ()
    return tuple(sorted([dim % ndim for dim in dims]))


@lru_cache(4096)
def plan_of(shape: Shape, axes: Shape, itemsize: int, aligned: bool) -> Plan | None:
    """How to reduce an array in C order over dimensions in ascending order; None where a copy must come first."""
    lengths: list[int] = []
    pattern = ""
    for i, length in enumerate(shape):
        if length == 1:
            continue
        letter = "R" if i in axes else "K"
        if pattern.endswith(letter):
            lengths[-1] *= length
        else:
            pattern += letter
            lengths.append(length)
    if "R" not in pattern:
        return _columns(1, 1, math.prod(lengths), itemsize, aligned)
    if pattern[0] == "R":
        lengths, pattern = [1, *lengths], "K" + pattern
    if pattern == "KRK":
        outer, length, inner = lengths
        return _columns(outer, length, inner, itemsize, aligned)
    if pattern == "KR":
        return _rows(lengths[0], 1, 1, lengths[1], itemsize)
    if pattern != "KRKR":
        return None
    front, segments, between, length = lengths
    return _rows(front, segments, between, length, itemsize)


def _rows(front: int, segments: int, between: int, length: int, itemsize: int) -> Plan:
    outputs, packs = front * between, -(-length * itemsize // PACK_BYTES)
    if segments * length <= _WARP_ROW and (segments < 8 or outputs * min(_power_of_two(packs), 32) >= _MANY):
        lanes = min(_power_of_two(packs), 32)
        grid: Shape = (-(-outputs * lanes // THREADS), 1)
        return Plan(True, outputs, 1, grid, (lanes, THREADS // lanes), (segments, between, length, 0, segments, length))
    lanes = THREADS if segments == 1 else min(_power_of_two(packs), THREADS)
    parts = min(max(BLOCKS // max(outputs, 1), 1), max(segments * length // SHARE, 1))
    of_segments = -(-segments // min(parts, segments))
    lines = -(-segments // of_segments)
    of_length = -(-length // max(parts // lines, 1) // 128) * 128
    return Plan(
        True,
        outputs,
        lines * -(-length // of_length),
        (outputs, lines * -(-length // of_length)),
        (lanes, THREADS // lanes),
        (segments, between, length, 1, of_segments, of_length),
    )


def _columns(outer: int, length: int, inner: int, itemsize: int, aligned: bool) -> Plan:
    outputs, width = outer * inner, min(PACK_BYTES // itemsize, 8)
    packed = aligned and inner % width == 0
    packs = outputs // width if packed else outputs
    across = THREADS if length <= TALL or packs >= _MANY else min(_power_of_two(packs), 32)
    blocks, down = -(-packs // across), THREADS // across
    parts = max(min(BLOCKS // max(blocks, 1), length // (down * TALL)), 1)
    of_part = -(-length // parts)
    parts = -(-length // max(of_part, 1)) or 1
    return Plan(False, outputs, parts, (blocks, parts), (across, down), (length, inner, of_part, packed))


@lru_cache(4096)
def _slope_plan(plan: Plan, itemsize: int) -> tuple[Shape, Shape, tuple[int, ...]]:
    """The launch of the gradient of what is reduced by a plan."""
    if plan.in_rows:
        segments, between, length = plan.settings[:3]
        lines, packs = plan.outputs * segments, -(-length * itemsize // PACK_BYTES)
        lanes = min(_power_of_two(packs), THREADS if packs > THREADS else 32)
        rows = THREADS // lanes
        of_part = max(-(-length // MOST_BLOCKS), 16 * PACK_BYTES * THREADS // itemsize) if lanes == THREADS else length
        grid: Shape = (min(-(-lines // rows), 1 << 20), max(-(-length // max(of_part, 1)), 1))
        return grid, (lanes, rows), (lines, segments, between, length, of_part)
    length, inner, _, packed = plan.settings
    of_part = max(4 * plan.block[1], -(-length * plan.grid[0] // (2 * MOST_BLOCKS)))
    return (plan.grid[0], -(-length // of_part)), plan.block, (length, inner, of_part, packed)


def _power_of_two(count: int) -> int:
    """The smallest power of two that is not below a count."""
    return 1 << max(count - 1, 0).bit_length()


TOTAL = Fold("Added<{T}, {A}, Itself, DividedBy>")
"""Sums, divided by q."""
