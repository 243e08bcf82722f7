"""Linear: y = x w^T + b, the product and the bias in one step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpudl.autograd.slots import home_of
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend import cublaslt
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import dense
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.ops.columns import bias_text, down_columns
from gpudl.ops.gemm import product, product_
from gpudl.ops.operands import total

__all__ = ["linear"]

_ndarray = np.ndarray

_ADD = "bias_act_forward<{T}, {A}, Identity>"
_TEXT = bias_text(_ADD)


@kernel
def add_bias_(y: Array, b: Array) -> None:
    """y += b, in the memory of y (..., columns). b: (columns,)."""
    y += b


@add_bias_.cuda("float32", "float64", "float16", "bfloat16")
def add_bias_cuda_(y: Array, b: Array) -> None:
    if not y.flags.c_contiguous:
        y += b
        return
    columns = len(b)
    _TEXT.launch(_ADD, *down_columns(y, columns), y, dense(b), y, y.size // columns if columns else 0, columns)


@kernel
def biased_product_(y: Array, x: Array, w: Array, b: Array) -> None:
    """y = x w^T + b. x: (..., in_features), w: (out_features, in_features), b: (out_features,)."""
    product_(x, w.T, y, 1.0, 0.0)
    add_bias_(y, b)


@biased_product_.cuda("float32", "float64", "float16", "bfloat16")
def biased_product_cuda_(y: Array, x: Array, w: Array, b: Array) -> None:
    if cublaslt.product_and_bias(x, w.T, b, y) is None:
        biased_product_.reference(y, x, w, b)


@kernel
def weight_and_bias_gradients_(rows: Array, x: Array, dw: Array | None, db: Array | None) -> tuple[Array, Array]:
    """rows^T x and the sum of the rows, written to dw and db where these are given. rows, x: (count, features)."""
    total_of_rows = total(rows, 0)
    if db is not None:
        db[...] = total_of_rows
    return product(rows.T, x) if dw is None else product_(rows.T, x, dw, 1.0, 0.0), total_of_rows if db is None else db


@weight_and_bias_gradients_.cuda("float32", "float64", "float16", "bfloat16")
def weight_and_bias_gradients_cuda_(rows: Array, x: Array, dw: Array | None, db: Array | None) -> tuple[Array, Array]:
    sums = xp_of(rows).empty(rows.shape[1], rows.dtype) if db is None else db
    made = cublaslt.product_and_sums(rows.T, x, sums, dw)
    return weight_and_bias_gradients_.reference(rows, x, dw, db) if made is None else (made, sums)


class Linear(ReadsHalf):
    __slots__ = ("features",)
    features: tuple[int, int]

    def forward(ctx, x: Array, w: Array, b: Array | None) -> Array:
        ctx.save(x if ctx.edges[1] else None, w if ctx.edges[0] else None)
        ctx.features = w.shape
        if b is None or type(x) is _ndarray:  # on the host a step more costs more than it saves
            y = product(x, w.T)
            if b is not None:
                y += b
            return y
        y = xp_of(x).empty((*x.shape[:-1], len(b)), x.dtype)
        biased_product_(y, x, w, b)
        return y

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        x, w = ctx.saved
        for_x, for_w, for_b = ctx.edges
        rows = dy if dy.ndim == 2 else dy.reshape((math.prod(dy.shape[:-1]), ctx.features[0]))
        dx = product(rows, w).reshape((*dy.shape[:-1], ctx.features[1])) if for_x else None
        if not for_w:
            return dx, None, total(rows, 0) if for_b else None
        x = x if x.ndim == 2 else x.reshape((rows.shape[0], ctx.features[1]))
        if isinstance(dy, Tensor):
            return dx, product(rows.T, x), total(rows, 0) if for_b else None
        dw = home_of(for_w, ctx.features, rows.dtype)
        if type(rows) is _ndarray:
            return dx, np.matmul(rows.T, x, dw), total(rows, 0) if for_b else None
        if for_b:
            return dx, *weight_and_bias_gradients_(rows, x, dw, home_of(for_b, ctx.features[:1], rows.dtype))
        return dx, product_(rows.T, x, dw, 1.0, 0.0), None


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
