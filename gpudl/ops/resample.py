"""Resampling along one dimension: each output is a weighted sum of a few inputs, its taps.

A table says which and with what weights. The gradient is the same operation with the table turned round: the taps of
an input are the outputs that it went into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import device_of, transfer
from gpudl.backend.dtypes import DType


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


class Resample(Primitive):
    """y[..., i, ...] = sum over t of weight[i, t] * x[..., index[i, t], ...] along `dim`."""

    __slots__ = ("dim", "table")
    dim: int
    table: Table

    def forward(ctx, x: Array, dim: int, table: Table) -> Array:
        ctx.dim, ctx.table = dim, table
        return _resample(x, dim, table)

    def backward(ctx, dy: Array) -> Array:
        table = ctx.table.turned()
        return Resample.apply(dy, ctx.dim, table) if isinstance(dy, Tensor) else _resample(dy, ctx.dim, table)


def _resample(x: Array, dim: int, table: Table) -> Array:
    xp, place = xp_of(x), device_of(x)
    shape = (-1, *(1,) * (x.ndim - 1 - dim))
    y = None
    for tap in range(table.inputs.shape[1]):
        inputs = table.inputs[:, tap]
        part = xp.take(x, transfer(np.maximum(inputs, 0), place), axis=dim)
        if table.weight is None:
            return part
        part *= transfer(table.weight[:, tap].astype(x.dtype), place).reshape(shape)
        if (inputs < 0).any():  # not left to a weight of 0, which would make nan of an infinite input
            part[(slice(None),) * dim + (transfer(np.flatnonzero(inputs < 0), place),)] = 0
        if y is None:
            y = part
        else:
            y += part
    return y


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
