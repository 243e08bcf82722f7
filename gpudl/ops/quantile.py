"""What stands where in the sorted order: median, mode and quantiles. Gradients go to the elements chosen."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive, check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of, to_host
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.order import MEDIAN, NANMEDIAN, ranked_forward, stable_order
from gpudl.ops.along import TakeAlong
from gpudl.ops.elementwise import masked_fill
from gpudl.ops.extreme import Extreme, ValuesAndIndices
from gpudl.ops.operands import aliased, one_dim
from gpudl.ops.sort import chosen

__all__ = ["median", "mode", "nanmedian", "nanquantile", "quantile"]


def _mode(x: Array) -> tuple[Array, Array]:
    """The last place of the smallest of the most frequent elements of each row, and the element."""
    xp = xp_of(x)
    order = stable_order(x)
    line = xp.take_along_axis(x, order, -1)
    positions = xp.arange(x.shape[-1])
    starts = xp.ones(line.shape, bool)
    starts[..., 1:] = line[..., 1:] != line[..., :-1]
    first = backend_of(x).running("maximum", xp.where(starts, positions, 0), x.ndim - 1)
    run = positions - first  # how many equal elements stand before each
    last = run.argmax(axis=-1, keepdims=True)
    indices = xp.take_along_axis(order, last, -1)
    return indices, xp.take_along_axis(x, indices, -1)


def _along(name: str, input: Tensor, choose: Any, dim: int, keepdim: bool) -> ValuesAndIndices:
    place = one_dim(name, dim, input.ndim)
    if input.ndim and input.shape[place] == 0:
        raise IndexError(f"{name}: dimension {place} of shape {input.shape} is empty; it has no {name}")
    return ValuesAndIndices(*chosen(input, choose, place, keepdim))


class MedianOfAll(Extreme):
    """The median of all elements; equal ones share the gradient, as those of an extreme."""

    __slots__ = ()

    def forward(ctx, x: Array, how: int) -> Array:  # type: ignore[override]
        ctx.shape, ctx.dims, ctx.equal = x.shape, tuple(range(x.ndim)), None
        y = ranked_forward(x.reshape(-1), 0, how)[1].reshape(())
        ctx.save(x, y)
        return y


def _middle(name: str, input: Tensor, how: int, dim: int | None, keepdim: bool) -> Any:
    if dim is not None:
        one_dim(name, dim, input.ndim)
    if input.dtype.kind == "b":
        raise RuntimeError(f"{name}: bools have no order; cast the input to a number first")
    if dim is not None:
        return _along(name, input, lambda x: ranked_forward(x, 0, how), dim, keepdim)
    if not input.array.size:
        if input.dtype.kind in "fV":
            return input.sum() / 0
        raise ShapeError(f"{name}: shape {input.shape} has no elements, and {input.dtype} no nan to say so")
    return MedianOfAll.apply(input, how)


def median(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None, keepdims: bool = False
) -> Any:
    """The median, of two in the middle the lower: of all elements; or along `dim` (values, indices). nan for a nan.

    Args:
        dim: the dimension to reduce, default all, which gives one Tensor.
        keepdim: keep it at length 1.
    Raises: IndexError if the dim is out of range or empty; RuntimeError for bools.
    Gradient: to the element chosen by the index; among all elements shared evenly by equals.
    Kernel: kernels/cuda/order_rank.cu, or order_sort.cu for rows that fit into a block.
    """
    return _middle("median", input, MEDIAN, aliased("median", dim, axis), keepdim or keepdims)


def nanmedian(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None, keepdims: bool = False
) -> Any:
    """The median of what is not nan; nan if all is. As median."""
    return _middle("nanmedian", input, NANMEDIAN, aliased("nanmedian", dim, axis), keepdim or keepdims)


def mode(
    input: Tensor, dim: int = -1, keepdim: bool = False, *, axis: int | None = None, keepdims: bool = False
) -> ValuesAndIndices:
    """The most frequent element along `dim`, of several the smallest, and its last place: (values, indices).

    Raises: IndexError if the dim is out of range or empty.
    Gradient: to the element chosen by the index.
    """
    return _along("mode", input, _mode, dim if axis is None else axis, keepdim or keepdims)


class Blend(Primitive):
    """low + weight (high - low), from the nearer end."""

    __slots__ = ()

    def forward(ctx, low: Array, high: Array, weight: Array) -> Array:
        ctx.save(low, high, weight)
        gap = high - low
        return xp_of(low).where(weight < 0.5, low + weight * gap, high - gap * (1 - weight))

    def backward(ctx, dy: Array) -> tuple[Array, Array, Array]:
        low, high, weight = ctx.saved
        return dy * (1 - weight), dy * weight, dy * (high - low)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    levels = _checked_levels(name, input, q, interpolation)
    x = input.reshape(-1) if dim is None or not input.ndim else input
    place = 0 if dim is None else one_dim(name, dim, input.ndim)
    others = tuple(i for i in range(x.ndim) if i != place)
    lines = x.permute((*others, place))
    ranks = _ranks(lines, levels.reshape(-1), skip_nan)
    if interpolation not in ("linear", "midpoint"):
        ranks = wrap(getattr(xp_of(ranks.array), _ROUNDING[interpolation])(ranks.array), None)
    found = _at_ranks(lines, ranks, interpolation)
    count = (levels.shape[0],) if levels.ndim else ()
    kept = [1] * input.ndim if dim is None else [1 if i == place else n for i, n in enumerate(input.shape)]
    reduced = tuple(kept) if keepdim else lines.shape[:-1]
    return found.permute((found.ndim - 1, *range(found.ndim - 1))).reshape((*count, *reduced))


_ROUNDING = {"lower": "floor", "higher": "ceil", "nearest": "rint"}


def _checked_levels(name: str, input: Tensor, q: Any, interpolation: str) -> Tensor:
    """q as a Tensor beside the input.

    Raises: RuntimeError for what is out of range or has another dtype; ShapeError for too many dimensions.
    """
    if input.dtype not in (float32, float64):
        raise RuntimeError(f"{name}: the input must be float32 or float64, got {input.dtype}; cast it first")
    if not input.array.size:
        raise ShapeError(f"{name}: shape {input.shape} has no elements")
    if interpolation not in ("linear", "midpoint", *_ROUNDING):
        raise RuntimeError(
            f"{name}: interpolation must be linear, lower, higher, midpoint or nearest, got {interpolation!r}"
        )
    levels = q if isinstance(q, Tensor) else input.new_full((), q)
    if levels.ndim > 1:
        raise ShapeError(f"{name}: q must be a number, 0-d or 1-d, got shape {levels.shape}")
    if levels.dtype != input.dtype:
        raise RuntimeError(f"{name}: q is {levels.dtype} and the input {input.dtype}; cast q to that")
    check_devices(name, (input, levels))
    given = to_host(levels.array)
    if not ((given >= 0) & (given <= 1)).all():
        raise RuntimeError(f"{name}: q must be in [0, 1], got {given.tolist()}")
    return levels


def _ranks(lines: Tensor, q: Tensor, skip_nan: bool) -> Tensor:
    """The places in sorted lines, (..., q's length), fractions included; nan is sorted to the end."""
    x = lines.array
    xp = xp_of(x)
    lost = x != x
    last = lines.shape[-1] - 1
    if skip_nan:
        return q * wrap(xp.maximum(last - lost.sum(axis=-1, keepdims=True), 0).astype(x.dtype), None)
    return masked_fill(
        (q * last).expand((*lines.shape[:-1], *q.shape)), wrap(lost.any(axis=-1, keepdims=True), None), last
    )


def _at_ranks(lines: Tensor, ranks: Tensor, interpolation: str) -> Tensor:
    """What stands at these places of the sorted lines, or between two of them."""
    x = lines.array
    xp = xp_of(x)
    order = stable_order(x)

    def at(places: Array) -> Tensor:
        picked = xp.take_along_axis(order, xp.broadcast_to(places, (*x.shape[:-1], places.shape[-1])), -1)
        return TakeAlong.apply(lines, picked, x.ndim - 1)  # type: ignore[no-any-return]

    below = ranks.array.astype(int64)
    if interpolation not in ("linear", "midpoint"):
        return at(below)
    weight = ranks - wrap(below, None) if interpolation == "linear" else wrap(xp.full_like(ranks.array, 0.5), None)
    return Blend.apply(at(below), at(xp.ceil(ranks.array).astype(int64)), weight.expand(at(below).shape))  # type: ignore[no-any-return]


def quantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The values below which the shares `q` of the elements lie; nan where there is a nan.

    Args:
        input: float32 or float64.
        q: in [0, 1]; a number, or a 0-d or 1-d Tensor of the input's dtype.
        dim: the dimension to reduce, default all.
        keepdim: keep it at length 1.
        interpolation: "linear" | "lower" | "higher" | "midpoint" | "nearest": what to give between two elements.
    Returns: the input's shape without dim, behind a dimension of q's length if q is 1-d.
    Raises: RuntimeError for arguments out of range and other dtypes; IndexError if the dim is out of range.
    Gradient: to the elements chosen, by their weights; to q, the slope between them.
    """
    along = aliased("quantile", dim, axis)
    return _quantile("quantile", input, q, along, keepdim or keepdims, interpolation, False)


def nanquantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    axis: int | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The quantiles of what is not nan; nan if all is. As quantile."""
    along = aliased("nanquantile", dim, axis)
    return _quantile("nanquantile", input, q, along, keepdim or keepdims, interpolation, True)
