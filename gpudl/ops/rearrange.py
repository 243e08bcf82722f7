"""Elements in another order or several times: flip, roll, rot90, repeat, tile, repeat_interleave."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import Primitive, check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.pad import rolled
from gpudl.ops import shape
from gpudl.ops.accumulate import runs_of, summed_rows
from gpudl.ops.cast import clone
from gpudl.ops.dims import expand
from gpudl.ops.operands import listed, one_dim

__all__ = ["flip", "fliplr", "flipud", "repeat_interleave", "roll", "rot90", "tile"]


class Flip(Primitive):
    __slots__ = ("dims",)
    widens = False
    dims: tuple[int, ...]

    def forward(ctx, x: Array, dims: tuple[int, ...]) -> Array:
        ctx.dims = dims
        return xp_of(x).flip(x, dims).copy()  # PyTorch has no negative strides, nor has what takes our arrays

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).flip(dy, ctx.dims)


class Roll(Primitive):
    __slots__ = ("dims", "shifts")
    widens = False
    shifts: tuple[int, ...]
    dims: tuple[int, ...]

    def forward(ctx, x: Array, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
        ctx.shifts, ctx.dims = shifts, dims
        return rolled(x, shifts, dims)

    def backward(ctx, dy: Array) -> Array:
        back = tuple(-shift for shift in ctx.shifts)
        return xp_of(dy).roll(dy, back, ctx.dims) if isinstance(dy, Tensor) else rolled(dy, back, ctx.dims)


class RepeatEach(Primitive):
    """The slices along a dimension that are named by runs: 0 several times, then 1 several times, ..."""

    __slots__ = ("dim", "length", "runs")
    widens = False
    runs: Array
    length: int
    dim: int

    def forward(ctx, x: Array, runs: Array, dim: int) -> Array:
        ctx.runs, ctx.length, ctx.dim = runs, x.shape[dim], dim
        return x.take(runs, axis=dim)

    def backward(ctx, dy: Array) -> Array:
        return (SumRuns.apply if isinstance(dy, Tensor) else _sum_runs)(dy, ctx.runs, ctx.length, ctx.dim)


class SumRuns(Primitive):
    """The sum of the slices of each run, `length` runs: the adjoint of repeating them."""

    __slots__ = ("dim", "runs")
    widens = False
    runs: Array
    dim: int

    def forward(ctx, x: Array, runs: Array, length: int, dim: int) -> Array:
        ctx.runs, ctx.dim = runs, dim
        return _sum_runs(x, runs, length, dim)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return RepeatEach.apply(dy, ctx.runs, ctx.dim)
        return dy.take(ctx.runs, axis=ctx.dim)


def _sum_runs(x: Array, runs: Array, length: int, dim: int) -> Array:
    xp = xp_of(x)
    return xp.moveaxis(summed_rows(length, runs, xp.moveaxis(x, dim, 0)), 0, dim)


def _dims(name: str, dims: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    given = (dims,) if isinstance(dims, int) else tuple(dims)
    found = tuple(one_dim(name, dim, ndim) for dim in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: dims {given} name a dimension twice")
    return found if ndim else ()


def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """The elements in reverse order along some dimensions. A copy.

    Args:
        args: dimensions, or one sequence of them.
        dims: the same by name.
    Raises: IndexError if one is out of range; ShapeError if one stands twice.
    Gradient: dy, flipped back.
    """
    return Flip.apply(input, _dims("flip", listed("flip", args, dims), input.ndim))  # type: ignore[no-any-return]


def fliplr(input: Tensor) -> Tensor:
    """flip along dimension 1.

    Raises: ShapeError for fewer than 2 dimensions.
    """
    if input.ndim < 2:
        raise ShapeError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """flip along dimension 0.

    Raises: ShapeError for a 0-d tensor.
    """
    if not input.ndim:
        raise ShapeError("flipud: expected at least 1 dimension")
    return flip(input, 0)


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Tensor:
    """The elements moved on along dimensions, those that leave at the end coming in at the start.

    Args:
        shifts: how far, for each of the dims.
        dims: the dimensions; none: the flattened tensor is rolled, and has its shape again.
    Raises: ShapeError if there are not as many shifts as dims; IndexError if a dim is out of range.
    Gradient: dy, rolled back.
    """
    steps = (shifts,) if isinstance(shifts, int) else tuple(map(operator.index, shifts))
    places = (dims,) if isinstance(dims, int) else tuple(dims)
    if not steps:
        raise ShapeError("roll: expected at least one shift")
    if len(steps) == 1 and not places:
        flat = shape.reshape(input, (input.array.size,))
        return shape.reshape(Roll.apply(flat, steps, (0,)), input.shape)
    if len(steps) != len(places):
        raise ShapeError(f"roll: {len(steps)} shifts for {len(places)} dims")
    if not input.ndim:
        raise IndexError("roll: a 0-d tensor has no dimension to roll along")
    return Roll.apply(input, steps, tuple(one_dim("roll", dim, input.ndim) for dim in places))  # type: ignore[no-any-return]


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Rotated by k quarter turns in a plane, from the first of its dimensions toward the second. A copy.

    Raises: ShapeError unless dims are two different ones; IndexError if one is out of range.
    """
    given = tuple(dims)
    if len(given) != 2 or input.ndim < 2:
        raise ShapeError(f"rot90: expected 2 dims of a tensor of 2 or more, got {given} of shape {input.shape}")
    if given[0] == given[1] or abs(given[0] - given[1]) == input.ndim:
        raise ShapeError(f"rot90: dims {given} name a dimension twice")
    first, second = _dims("rot90", given, input.ndim)
    turns = k % 4
    if turns == 0:
        return clone(input)
    if turns == 2:
        return flip(input, (first, second))
    return shape.transpose(flip(input, second if turns == 1 else first), first, second)


def repeat(input: Tensor, *args: Any, repeats: Any = None) -> Tensor:
    """The tensor laid side by side with itself. A copy.

    Args:
        args: how often along each dimension, or one sequence of that; more than the tensor has dimensions put new
            ones in front.
        repeats: the same by name.
    Raises: ShapeError for fewer repeats than dimensions, or negative ones.
    Gradient: dy summed over the repetitions.
    """
    times = tuple(map(operator.index, listed("repeat", args, repeats)))
    lead = len(times) - input.ndim
    if lead < 0 or any(each < 0 for each in times):
        raise ShapeError(
            f"repeat: repeats {times} must not be negative, nor fewer than the dimensions of {input.shape}"
        )
    lengths = (*(1,) * lead, *input.shape)
    apart = shape.reshape(input, tuple(n for length in lengths for n in (1, length)))
    spread = expand(apart, tuple(n for pair in zip(times, lengths) for n in pair))
    return shape.reshape(clone(spread), tuple(each * length for each, length in zip(times, lengths)))


def tile(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """As Tensor.repeat, with 1 for the leading dimensions that are left out.

    Raises: ShapeError for negative numbers.
    """
    given = listed("tile", args, dims)
    return repeat(input, (*(1,) * (input.ndim - len(given)), *given))


def repeat_interleave(
    input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice along a dimension several times, one after the other.

    Args:
        input: the tensor; alone, the repeats: the result then is index i input[i] times.
        repeats: how often, >= 0: a number, or an integer tensor of one number for each slice (or for all).
        dim: None: the input is flattened first.
        output_size: the length that results, if known; checked.
    Raises: ShapeError if repeats do not fit; RuntimeError if they are negative, no integers, or do not sum to
        output_size; IndexError if dim is out of range; DeviceError across devices.
    Gradient: dy summed over each slice's repetitions; none for repeats.
    """
    if dim is not None and not input.ndim:
        raise IndexError(f"repeat_interleave: dim {dim} is out of range for a 0-d tensor; leave it out")
    if repeats is None:
        if input.ndim != 1:
            raise ShapeError(f"repeat_interleave: repeats must be 1-d, got shape {input.shape}")
        xp = xp_of(input.array)
        return repeat_interleave(wrap(xp.arange(input.array.size, dtype="int64"), None), input, output_size=output_size)
    x = shape.reshape(input, (input.array.size,)) if dim is None else input
    place = 0 if dim is None else one_dim("repeat_interleave", dim, input.ndim)
    length = x.shape[place]
    if isinstance(repeats, Tensor):
        check_devices("repeat_interleave", (input, repeats))
        if repeats.ndim > 1 or repeats.dtype not in ("int32", "int64"):
            raise RuntimeError(f"repeat_interleave: repeats must be 1-d int32 or int64, got {repeats.dtype}")
        if repeats.array.size not in (1, length):
            raise ShapeError(f"repeat_interleave: {repeats.array.size} repeats for {length} slices of {input.shape}")
        counts = xp_of(repeats.array).broadcast_to(repeats.array.reshape(-1), (length,)).copy()
        total, negative = int(counts.sum()), bool((counts < 0).any())
    else:
        total, negative = operator.index(repeats) * length, repeats < 0
    if negative:
        raise RuntimeError("repeat_interleave: repeats must not be negative")
    if output_size is not None and output_size != total:
        raise RuntimeError(f"repeat_interleave: the repeats sum to {total}, not to output_size {output_size}")
    if isinstance(repeats, Tensor):
        return RepeatEach.apply(x, runs_of(counts, total), place)  # type: ignore[no-any-return]
    lengths = (*x.shape[: place + 1], repeats, *x.shape[place + 1 :])
    spread = expand(shape.unsqueeze(x, place + 1), lengths)
    return shape.reshape(clone(spread), (*x.shape[:place], total, *x.shape[place + 1 :]))
