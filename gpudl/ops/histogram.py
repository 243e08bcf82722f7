"""Counting: how often each integer occurs, and how many elements, or how much weight, fall into each bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import float32, float64, int64
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import counts_at, sums_at
from gpudl.ops.operands import Number

__all__ = ["bincount", "histc", "histogram"]


class Bincount(Primitive):
    """How often 0, 1, ... occur, or the sum of the weights where they do."""

    __slots__ = ()
    differentiable = False
    widens = False

    def forward(ctx, x: Array, weights: Array | None, minlength: int) -> Array:
        count = max(minlength, int(x.max()) + 1)
        counts = counts_at(x, count) if weights is None else sums_at(weights, x, count)
        return counts.astype(float32) if weights is not None and weights.dtype == float32 else counts


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... max(input) occurs. Waits for the device: the result's length depends on the values.

    Args:
        input: (n,) integers, none negative.
        weights: (n,), what each element counts; 1 without.
        minlength: the least length of the result.
    Returns: int64 without weights, float32 for weights of float32, else float64.
    Raises: RuntimeError for negative elements, floating input, or shapes that do not fit.
    """
    if input.ndim != 1 or input.dtype.kind not in "iu":
        raise ShapeError(f"bincount: expected integers of one dimension, got {input.dtype} of shape {input.shape}")
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength must be at least 0, got {minlength}")
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(f"bincount: weights of shape {weights.shape} do not fit an input of shape {input.shape}")
    if input.array.size and int(input.array.min()) < 0:
        raise RuntimeError(f"bincount: the elements count bins, {int(input.array.min())} is negative")
    if not input.array.size:
        return input.new_full((minlength,), 0, dtype=int64)
    return Bincount.apply(input, weights, minlength)  # type: ignore[no-any-return]


class Histogram(NamedTuple):
    """What histogram returns."""

    hist: Tensor
    bin_edges: Tensor


class Binned(Primitive):
    """How many elements, or how much weight, lie in [edges[i], edges[i + 1]), the last bin closed."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, weight: Array | None, edges: Array, evenly: bool) -> Array:
        xp = xp_of(x)
        x, count = x.reshape(-1), len(edges) - 1
        if evenly:
            low, high = edges[0], edges[-1]
            inside = (x >= low) & (x <= high)
            place = xp.where(inside, (x - low) / (high - low) * count, 0).astype("int64")
            place = xp.minimum(place, count - 1)
        else:
            inside = (x >= edges[0]) & (x <= edges[-1])
            place = xp.clip(xp.searchsorted(edges, x, side="right") - 1, 0, count - 1)
        each = inside.astype(float64) if weight is None else xp.where(inside, weight.reshape(-1), 0)
        return sums_at(each, place, count).astype(x.dtype)


def _even_edges(name: str, input: Tensor, bins: int, ends: tuple[Any, Any] | None, margin: float) -> Tensor:
    """bins + 1 edges between the ends, those of the data if none are given; a margin on either side of equal ones."""
    if bins <= 0:
        raise RuntimeError(f"{name}: bins must be above 0, got {bins}")
    x = input.array
    if ends is None:
        ends = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    low, high = ends
    if low == high:
        low, high = low - margin, high + margin
    if not (float("-inf") < low < high < float("inf")):
        raise RuntimeError(f"{name}: the range [{low}, {high}] is not one of finite numbers in ascending order")
    xp = xp_of(x)
    return wrap(xp.linspace(low, high, bins + 1).astype(x.dtype), None)


def histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """How many elements lie in each of `bins` bins of one width from min to max; others, and nan, are not counted.

    Args:
        min, max: the range; the data's if both are equal.
    Returns: (bins,), the input's dtype.
    Raises: RuntimeError unless the input is floating point, the range is finite, min <= max, and bins > 0.
    """
    if input.dtype.kind not in "fV":
        raise RuntimeError(f"histc: the input is {input.dtype}; cast it to a floating dtype first")
    ends = None if min == max and input.array.size else (min, max)
    edges = _even_edges("histc", input, bins, ends, 1.0)
    return Binned.apply(input, None, edges, True)  # type: ignore[no-any-return]


def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """How many elements, or how much weight, lie in each bin: (hist, bin_edges). The last bin is closed.

    Args:
        input: float32 or float64.
        bins: how many, of one width; or their edges, 1-d, ascending, the input's dtype.
        range: (low, high) of the bins; the data's if not given.
        weight: the input's shape and dtype, what each element counts; 1 without.
        density: divide by the total and the widths, so that the integral is 1.
    Raises: RuntimeError for arguments that do not fit; ShapeError for shapes that do not.
    """
    if input.dtype not in (float32, float64):
        raise RuntimeError(f"histogram: the input must be float32 or float64, got {input.dtype}")
    if weight is not None and (weight.shape != input.shape or weight.dtype != input.dtype):
        raise ShapeError(f"histogram: weight must be {input.dtype} {input.shape}, got {weight.dtype} {weight.shape}")
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or not bins.shape[0] or bins.dtype != input.dtype:
            raise ShapeError(f"histogram: edges must be 1-d and {input.dtype}, got {bins.dtype} {bins.shape}")
        edges = bins.detach().clone()
    else:
        ends = None if range is None else (float(range[0]), float(range[1]))
        edges = _even_edges("histogram", input, bins, ends, 0.5)
    hist: Tensor = Binned.apply(input, weight, edges, not isinstance(bins, Tensor))
    if density:
        hist = hist / (hist.sum() * (edges[1:] - edges[:-1]))
    return Histogram(hist, edges)
