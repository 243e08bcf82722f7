"""Matrix products."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import sum_to_shape

__all__ = ["matmul"]


class Matmul(Primitive):
    __slots__ = ("shapes",)
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def forward(ctx, x: Array, y: Array) -> Array:
        for_x, for_y = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.shapes = x.shape, y.shape
        return x @ y

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        x_shape, y_shape = ctx.shapes
        if len(x_shape) == len(y_shape) == 2:
            return dz @ y.T if for_x else None, x.T @ dz if for_y else None
        # A vector is a matrix of one row on the left, of one column on the right, and the product lacks that dimension.
        rows = (1, *x_shape) if len(x_shape) == 1 else x_shape
        columns = (*y_shape, 1) if len(y_shape) == 1 else y_shape
        lead = dz.shape[: dz.ndim - (len(x_shape) > 1) - (len(y_shape) > 1)]
        dz = dz.reshape((*lead, rows[-2], columns[-1]))
        dx = dy = None
        if for_x:
            dx = sum_to_shape(dz @ y.reshape(columns).swapaxes(-1, -2), rows).reshape(x_shape)
        if for_y:
            dy = sum_to_shape(x.reshape(rows).swapaxes(-1, -2) @ dz, columns).reshape(y_shape)
        return dx, dy


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, as in NumPy and PyTorch.

    Args:
        input, other: (..., rows, inner) and (..., inner, columns), leading dimensions broadcast; or (inner,) on
            either side, a vector whose dimension the result lacks. One dtype.
    Returns: (..., rows, columns).
    Raises: ShapeError if the inner lengths differ, or an operand is 0-d; RuntimeError if the dtypes differ or are bool.
    Gradient: dz @ other^T, input^T @ dz, summed over broadcast dimensions.
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise TypeError("matmul: both operands must be Tensors")
    x, y = input.array, other.array
    if x.dtype is not y.dtype and x.dtype != y.dtype:
        raise RuntimeError(f"matmul: the dtypes differ, {x.dtype} and {y.dtype}; cast one with to()")
    if x.dtype.kind == "b":
        raise RuntimeError("matmul: bools have no products; cast both operands to a number first")
    try:
        return Matmul.apply_pair(input, other)
    except ShapeError:
        if x.ndim == 0 or y.ndim == 0:
            raise ShapeError(f"matmul: shapes {x.shape} and {y.shape}: a 0-d tensor is no matrix; use *") from None
        raise ShapeError(
            f"matmul: shapes {x.shape} and {y.shape}: the last length of the first, {x.shape[-1]}, must equal "
            f"{'the last but one' if y.ndim > 1 else 'that'} of the second, and the lengths before must broadcast"
        ) from None


def rmatmul(input: Tensor, other: Tensor) -> Tensor:
    """other @ input."""
    return matmul(other, input)
