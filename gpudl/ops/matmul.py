"""Matrix products: matmul, and mm, bmm, mv, dot, vdot, which are it for operands of one number of dimensions."""

from __future__ import annotations

import math
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.ops.gemm import integer_product, product
from gpudl.ops.operands import sum_to_shape

__all__ = ["bmm", "dot", "matmul", "mm", "mv", "vdot"]


class Matmul(ReadsHalf):
    __slots__ = ("shapes",)
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def forward(ctx, x: Array, y: Array) -> Array:
        for_x, for_y = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.shapes = x.shape, y.shape
        return product(x, y)

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        x, y = ctx.saved
        for_x, for_y = ctx.edges
        x_shape, y_shape = ctx.shapes
        if len(x_shape) == len(y_shape) == 2:
            return product(dz, y.T) if for_x else None, product(x.T, dz) if for_y else None
        return product_gradients(dz, x, y, ctx.shapes)


class MatmulIntegers(Primitive):
    """The product of integers, which has no gradient."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, y: Array) -> Array:
        return integer_product(x, y)


def product_gradients(
    dz: Array, x: Array | None, y: Array | None, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[Any, Any]:
    """dx and dy of z = x @ y.

    Args:
        dz: the gradient of the product.
        x: None where no dy is wanted.
        y: None where no dx is wanted.
        shapes: of x and y.
    """
    x_shape, y_shape = shapes
    inner = x_shape[-1]
    if len(x_shape) == 1 and len(y_shape) == 1:
        return None if y is None else dz * y, None if x is None else dz * x
    if len(y_shape) <= 2 and len(x_shape) >= 2:  # one matrix or vector on the right: all rows of x are alike
        count = math.prod(x_shape[:-1])
        if len(y_shape) == 1:
            dx = None if y is None else dz.reshape((*dz.shape, 1)) * y
            dy = None if x is None else product(dz.reshape(count), x.reshape((count, inner)))
            return dx, dy
        rows = dz.reshape((count, y_shape[1]))
        dx = None if y is None else product(rows, y.T).reshape(x_shape)
        dy = None if x is None else product(x.reshape((count, inner)).T, rows)
        return dx, dy
    if len(x_shape) == 1:  # a vector on the left
        column = dz.reshape((*dz.shape, 1))
        dx = None if y is None else sum_to_shape(product(y, column).reshape(y_shape[:-1]), x_shape)
        dy = None if x is None else x.reshape((inner, 1)) * dz.reshape((*dz.shape[:-1], 1, dz.shape[-1]))
        return dx, dy
    dx = None if y is None else sum_to_shape(product(dz, y.swapaxes(-1, -2)), x_shape)
    dy = None if x is None else sum_to_shape(product(x.swapaxes(-1, -2), dz), y_shape)
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
    kind = x.dtype.kind
    if kind == "b":
        raise RuntimeError("matmul: bools have no products; cast both operands to a number first")
    try:
        return (Matmul if kind in "fV" else MatmulIntegers).apply_pair(input, other)
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


def need_dims(name: str, **wanted: tuple[Tensor, int]) -> None:
    """Raise ShapeError unless each tensor has as many dimensions as is said with it: need_dims("mv", vec=(vec, 1))."""
    for argument, (tensor, ndim) in wanted.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: {argument} must be a Tensor, got {type(tensor).__name__}")
        if tensor.array.ndim != ndim:
            raise ShapeError(f"{name}: {argument} must be {ndim}-d, got shape {tensor.shape}")


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (rows, inner) and (inner, columns).

    Raises: ShapeError unless both are 2-d and fit together; RuntimeError if the dtypes differ or are bool.
    """
    need_dims("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (batch, rows, inner) and (batch, inner, columns).

    Raises: ShapeError unless both are 3-d, of one batch, and fit together; RuntimeError if the dtypes differ or are
        bool.
    """
    need_dims("bmm", input=(input, 3), mat2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: the batches differ, shapes {input.shape} and {mat2.shape}; matmul broadcasts them")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (rows, inner) and a vector (inner,).

    Raises: ShapeError unless they are 2-d and 1-d and fit together; RuntimeError if the dtypes differ or are bool.
    """
    need_dims("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements, 0-d.

    Raises: ShapeError unless both are 1-d and of one length; RuntimeError if the dtypes differ or are bool.
    """
    need_dims("dot", input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """As dot; they differ for complex numbers only."""
    need_dims("vdot", input=(input, 1), other=(other, 1))
    return matmul(input, other)
