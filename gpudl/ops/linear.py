"""Linear: y = x w^T + b, the product and the bias in one step."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.matmul import product
from gpudl.ops.operands import total

__all__ = ["linear"]


class Linear(Primitive):
    __slots__ = ("features",)
    features: tuple[int, int]

    def forward(ctx, x: Array, w: Array, b: Array | None) -> Array:
        ctx.save(x if ctx.edges[1] else None, w if ctx.edges[0] else None)
        ctx.features = w.shape
        y = product(x, w.T) if x.ndim > 2 else x @ w.T
        if b is not None:
            y += b
        return y

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w = ctx.saved
        for_x, for_w, for_b = ctx.edges
        rows = dy if dy.ndim == 2 else dy.reshape((math.prod(dy.shape[:-1]), ctx.features[0]))
        dx = (rows @ w).reshape((*dy.shape[:-1], ctx.features[1])) if for_x else None
        dw = rows.T @ (x if x.ndim == 2 else x.reshape((rows.shape[0], ctx.features[1]))) if for_w else None
        return dx, dw, total(rows, 0) if for_b else None


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight^T + bias.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features).
        bias: (out_features,), or None.
    Returns: (..., out_features).
    Raises: ShapeError if the features differ; RuntimeError if the dtypes differ or are bool; DeviceError if the
        devices differ.
    Gradient: dy @ weight; dy^T @ input and the sum of dy, both over all rows.
    """
    x, w = input.array, weight.array
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[1]:
        if w.ndim != 2:
            raise ShapeError(f"linear: expected a weight of (out_features, in_features), got {w.shape}")
        raise ShapeError(f"linear: expected (*, {w.shape[1]}), got {x.shape}")
    if bias is not None and bias.array.shape != w.shape[:1]:
        raise ShapeError(f"linear: expected a bias of shape {w.shape[:1]}, got {bias.shape}")
    if w.dtype != x.dtype:
        raise RuntimeError(f"linear: the input is {x.dtype} and the weight {w.dtype}; cast one with to()")
    if bias is not None and bias.array.dtype != x.dtype:
        raise RuntimeError(f"linear: the input is {x.dtype} and the bias {bias.dtype}; cast one with to()")
    if x.dtype.kind == "b":
        raise RuntimeError("linear: bools have no products; cast input and weight to a number first")
    return Linear.apply(input, weight, bias)  # type: ignore[no-any-return]
