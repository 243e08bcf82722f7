"""Resampling along one dimension: each output is a weighted sum of a few inputs, its taps.

A table says which and with what weights. The gradient is the same operation with the table turned round: the taps of
an input are the outputs that it went into.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.constants import constant
from gpudl.backend.cuda_text import CudaText, dense
from gpudl.backend.dtypes import DType
from gpudl.backend.kernel import kernel
from gpudl.ops.pool_launch import PLANE, plane_grid


class Table(NamedTuple):
    """Taps on the host.

    Attributes:
        inputs: (outputs, taps) int64, which of them; -1 for none, where an output has fewer taps than another.
        weight: (outputs, taps) floating, or None for a single tap of weight 1.
        length: the number of inputs.
    """

    inputs: np.ndarray[Any, Any]
    weight: np.ndarray[Any, Any] | None
    length: int

    def turned(self) -> Table:
        """The table of the adjoint: the outputs become inputs."""
        outputs, taps = self.inputs.shape
        weight = np.ones((outputs, taps)) if self.weight is None else self.weight
        used = self.inputs.ravel() >= 0
        source = self.inputs.ravel()[used]
        order = np.argsort(source, kind="stable")
        source, target = source[order], np.repeat(np.arange(outputs), taps)[used][order]
        counts = np.bincount(source, minlength=self.length)
        starts = np.cumsum(counts) - counts
        rank = np.arange(len(source)) - starts[source]
        most = max(int(counts.max(initial=0)), 1)
        index = np.full((self.length, most), -1)
        turned = np.zeros((self.length, most), weight.dtype)
        index[source, rank], turned[source, rank] = target, weight.ravel()[used][order]
        return Table(index, turned, outputs)


Steps = tuple[tuple[int, Table], ...]
"""Dimensions of an array, and the table of each, in the order in which they are resampled."""

_TEXT = CudaText(
    "math/numbers.cuh", "math/planes.cuh", "cuda/resample.cu", kernels=("resample_planes", "resample_copies")
)


@kernel
def resample_forward(x: Array, steps: Steps) -> Array:
    """y[..., i, ...] = sum over t of weight[i, t] * x[..., index[i, t], ...], one dimension after another."""
    for dim, table in steps:
        x = _resample(x, dim, table)
    return x


@resample_forward.cuda("float32", "float64", "float16", "bfloat16")
def resample_forward_cuda(x: Array, steps: Steps) -> Array:
    tables = dict(steps)
    # The last three dimensions are resampled at once; those of them that are not, by a table that changes nothing.
    lengths = (1, 1, *x.shape)[-3:]
    three = [tables.get(x.ndim - 3 + i) or _unchanged(length) for i, length in enumerate(lengths)]
    sizes = tuple(len(each.inputs) for each in three)
    if min(tables) < x.ndim - 3 or max(math.prod(lengths), math.prod(sizes)) >= PLANE:
        return resample_forward.reference(x, steps)
    shape = tuple(len(tables[dim].inputs) if dim in tables else length for dim, length in enumerate(x.shape))
    y = xp_of(x).empty(shape, x.dtype)
    if not y.size:
        return y
    planes = x.size // math.prod(lengths)
    places = constant(np.concatenate([each.inputs.ravel() for each in three]).astype(np.int32), x)
    grid = plane_grid(planes, math.prod(sizes))
    given, settings = (dense(x), y, places), (planes, *lengths, *sizes)
    if all(each.weight is None for each in three):
        _TEXT.launch("resample_copies", *grid, *given, *settings)
        return y
    weights = [np.ones(each.inputs.size) if each.weight is None else each.weight.ravel() for each in three]
    factors = constant(np.concatenate(weights).astype(np.float64 if x.dtype == np.float64 else np.float32), x)
    taps = [each.inputs.shape[1] for each in three]
    _TEXT.launch("resample_planes", *grid, *given, factors, *settings, *taps)
    return y


def _resample(x: Array, dim: int, table: Table) -> Array:
    xp = xp_of(x)
    shape = (-1, *(1,) * (x.ndim - 1 - dim))
    y = None
    for tap in range(table.inputs.shape[1]):
        inputs = table.inputs[:, tap]
        part = xp.take(x, constant(np.maximum(inputs, 0), x), axis=dim)
        if table.weight is None:
            return part
        part *= constant(table.weight[:, tap].astype(x.dtype), x).reshape(shape)
        if (inputs < 0).any():  # not left to a weight of 0, which would make nan of an infinite input
            part[(slice(None),) * dim + (constant(np.flatnonzero(inputs < 0), x),)] = 0
        if y is None:
            y = part
        else:
            y += part
    return y


def _unchanged(length: int) -> Table:
    return Table(np.arange(length)[:, None], None, length)


class Resample(ReadsHalf):
    """Some dimensions resampled, one after another; on a GPU together, in one launch."""

    __slots__ = ("steps",)
    steps: Steps

    def forward(ctx, x: Array, steps: Steps) -> Array:
        ctx.steps = steps
        return resample_forward(x, steps)

    def backward(ctx, dy: Array) -> Array:
        steps = tuple((dim, table.turned()) for dim, table in reversed(ctx.steps))
        return (Resample.apply if isinstance(dy, Tensor) else resample_forward)(dy, steps)


def nearest(length: int, size: int, scale: float | None, exact: bool) -> Table:
    """One tap: the input whose cell holds the output's start (exact: its center).

    Source: the rule of PyTorch's upsample_nearest, computed in float32 as it does there.
    """
    step = _step(length, size, scale, False, np.dtype(np.float32))
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5 if exact else 0)) * step
    if not exact and size == length:
        at = np.arange(size, dtype=np.float32)
    elif not exact and size == 2 * length:
        at = np.arange(size, dtype=np.float32) // 2
    return Table(np.minimum(np.floor(at).astype(np.int64), length - 1)[:, None], None, length)


def linear(length: int, size: int, scale: float | None, align_corners: bool, dtype: DType) -> Table:
    """Two taps, the neighbors, weighted by nearness."""
    at = _positions(length, size, scale, align_corners, dtype)
    at = at if align_corners else np.maximum(at, dtype.type(0))
    low = np.minimum(at.astype(np.int64), length - 1)
    part = np.clip(at - low.astype(dtype), 0, 1).astype(dtype)
    index = np.stack([low, np.minimum(low + 1, length - 1)], 1)
    return Table(index, np.stack([1 - part, part], 1), length)


def cubic(length: int, size: int, scale: float | None, align_corners: bool, dtype: DType) -> Table:
    """Four taps, weighted by the cubic of Keys 1981 with a = -0.75."""
    at = _positions(length, size, scale, align_corners, dtype)
    low = np.floor(at).astype(np.int64)
    part = np.minimum(np.maximum(at - low.astype(dtype), 0), 1).astype(dtype)
    weights = [_keys(part + 1, -0.75), _keys(part, -0.75), _keys(1 - part, -0.75), _keys(2 - part, -0.75)]
    index = np.clip(low[:, None] + np.arange(-1, 3), 0, length - 1)
    return Table(index, np.stack(weights, 1).astype(dtype), length)


FILTERS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "bilinear": (1, lambda x: np.maximum(1 - x, 0)),
    "bicubic": (2, lambda x: _keys(x, -0.5)),
    "lanczos": (3, lambda x: np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}
"""Mode -> how far the filter reaches, and the filter, a function of the distance."""


def antialiased(length: int, size: int, scale: float | None, align_corners: bool, dtype: DType, mode: str) -> Table:
    """Weights of a filter of FILTERS, widened by the factor of downsampling and divided by their sum."""
    reach, filtered = FILTERS[mode]
    step = float(_step(length, size, scale, align_corners, dtype))
    wide = max(step, 1.0)
    support = reach * wide
    center = step * (np.arange(size) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    count = np.minimum((center + support + 0.5).astype(np.int64), length) - first
    offset = np.arange(max(int(count.max(initial=1)), 1))
    distance = abs((offset + first[:, None] - center[:, None] + 0.5) / wide)
    inside = offset < count[:, None]
    weight = np.where(inside, filtered(distance), 0)
    total = weight.sum(1, keepdims=True)
    weight = np.divide(weight, total, out=weight, where=total != 0)
    return Table(np.where(inside, offset + first[:, None], -1), weight.astype(dtype), length)


def area(length: int, size: int, dtype: DType) -> Table:
    """As many taps as each output's cell touches, weighted evenly."""
    first = np.arange(size) * length // size
    count = -(-(np.arange(1, size + 1) * length) // size) - first
    offset = np.arange(max(int(count.max(initial=1)), 1))
    inside = offset < count[:, None]
    weight = np.broadcast_to(1 / count[:, None], inside.shape).astype(dtype)
    return Table(np.where(inside, offset + first[:, None], -1), weight, length)


def _keys(x: Any, a: float) -> Any:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _step(length: int, size: int, scale: float | None, align_corners: bool, dtype: DType) -> Any:
    """How far apart in the input neighboring outputs lie."""
    kind = dtype.type
    if align_corners:
        return kind(length - 1) / kind(size - 1) if size > 1 else kind(0)
    if scale is not None and scale > 0:
        return kind(1.0 / scale)
    return kind(length) / kind(size)


def _positions(length: int, size: int, scale: float | None, align_corners: bool, dtype: DType) -> Any:
    """Where in the input the outputs' centers lie."""
    step, at = _step(length, size, scale, align_corners, dtype), np.arange(size, dtype=dtype)
    half = dtype.type(0.5)
    return at * step if align_corners else (at + half) * step - half
