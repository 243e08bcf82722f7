"""Products with something added, and products of all elements with all: addmm and its kin, outer, kron, cross."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import OneRounding, ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.arithmetic import add, mul
from gpudl.ops.gemm import product, product_
from gpudl.ops.matmul import matmul, need_dims, product_gradients
from gpudl.ops.operands import Number, one_dim, result_type, sum_to_shape

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "cross", "ger", "kron", "outer"]


class AddProduct(ReadsHalf):
    """beta * b + alpha * (x @ y); b broadcasts to the product, and is not read where beta is 0."""

    __slots__ = ("factors", "shapes")
    factors: tuple[float, float]
    shapes: tuple[tuple[int, ...], ...]

    def forward(ctx, b: Array, x: Array, y: Array, beta: float, alpha: float) -> Array:
        _, for_x, for_y, *_ = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        ctx.factors, ctx.shapes = (beta, alpha), (b.shape, x.shape, y.shape)
        # An outer product is one multiplication each, for which elementwise code is faster.
        if x.shape[-1] == 1 and y.ndim > 1:
            z = x * y if alpha == 1 else x * y * alpha
        else:
            z = product(x, y) if alpha == 1 else product_(x, y, None, alpha, 0.0)
        if beta != 0:
            z += b if beta == 1 else b * beta
        return z

    def backward(ctx, dz: Array) -> tuple[Any, ...]:
        x, y = ctx.saved
        beta, alpha = ctx.factors
        b_shape, x_shape, y_shape = ctx.shapes
        db = None
        if ctx.edges[0]:
            db = sum_to_shape(dz, b_shape)
            db = db if beta == 1 else db * beta
        if x is None and y is None:
            return db, None, None
        return db, *product_gradients(dz if alpha == 1 else dz * alpha, x, y, (x_shape, y_shape))


class Outer(OneRounding):
    """x[i] y[j]."""

    __slots__ = ()

    def forward(ctx, x: Array, y: Array) -> Array:
        for_x, for_y = ctx.edges
        ctx.save(x if for_y else None, y if for_x else None)
        return x.reshape((len(x), 1)) * y

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        return None if y is None else product(dz, y), None if x is None else product(x, dz)


class Cross(Primitive):
    """The cross product along `dim`, where both have length 3; the others broadcast."""

    __slots__ = ("dim", "shapes")
    dim: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def forward(ctx, x: Array, y: Array, dim: int) -> Array:
        ctx.save(x, y)
        ctx.dim, ctx.shapes = dim, (x.shape, y.shape)
        return _cross(x, y, dim)

    def backward(ctx, dz: Array) -> tuple[Any, Any]:
        x, y = ctx.saved
        x_shape, y_shape = ctx.shapes
        dx = sum_to_shape(_cross(y, dz, ctx.dim), x_shape) if ctx.edges[0] else None
        dy = sum_to_shape(_cross(dz, x, ctx.dim), y_shape) if ctx.edges[1] else None
        return dx, dy


def _cross(x: Array, y: Array, dim: int) -> Array:
    """dim counts from the end, so that it is the same in both."""
    if isinstance(x, Tensor):
        return Cross.apply(x, y, dim)
    x, y = x.swapaxes(0, dim), y.swapaxes(0, dim)
    z = xp_of(x).stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
    return z.swapaxes(0, dim)


def _add_product(name: str, input: Tensor, x: Tensor, y: Tensor, beta: Number, alpha: Number, ndim: int) -> Tensor:
    dtype = x.dtype
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, got {type(input).__name__}")
    if y.dtype != dtype or input.dtype != dtype:
        raise RuntimeError(f"{name}: the dtypes differ: {input.dtype}, {dtype} and {y.dtype}; cast with to()")
    if dtype.kind == "b":
        raise RuntimeError(f"{name}: bools have no products; cast the tensors to a number first")
    if x.shape[-1] != y.shape[ndim - 2] or x.shape[:-2] != y.shape[: ndim - 2]:
        raise ShapeError(
            f"{name}: shapes {x.shape} and {y.shape} do not fit together: the last length of the first must be the "
            f"{'last but one' if y.ndim > 1 else 'length'} of the second, and the batches must be equal"
        )
    shape = (*x.shape[:-1], *y.shape[ndim - 1 :])
    if input.ndim > len(shape) or any(
        have not in (1, want) for have, want in zip(input.shape[::-1], shape[::-1], strict=False)
    ):
        raise ShapeError(f"{name}: the input's shape {input.shape} does not broadcast to that of the product, {shape}")
    if dtype.kind not in "fV":
        _need_whole(name, beta, alpha)
        z = matmul(x, y)
        z = z if alpha == 1 else mul(z, alpha)
        return z if beta == 0 else add(z, input if beta == 1 else mul(input, beta))
    return AddProduct.apply(input, x, y, beta, alpha)  # type: ignore[no-any-return]


def _need_whole(name: str, beta: Number, alpha: Number) -> None:
    if isinstance(beta, float) or isinstance(alpha, float):
        raise RuntimeError(f"{name}: the tensors are integers, so beta and alpha must be too; cast the tensors first")


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2).

    Args:
        input: a shape that broadcasts to (rows, columns); not read where beta is 0.
        mat1, mat2: (rows, inner), (inner, columns). One dtype.
        beta, alpha: numbers, whole ones where the tensors are integers.
    Raises: ShapeError if the shapes do not fit; RuntimeError if the dtypes differ or are bool.
    Gradient: beta * dz; alpha * dz @ mat2^T; alpha * mat1^T @ dz.
    """
    need_dims("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
    return _add_product("addmm", input, mat1, mat2, beta, alpha, 2)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec); mat (rows, inner), vec (inner,), input to (rows,). Otherwise as addmm."""
    need_dims("addmv", mat=(mat, 2), vec=(vec, 1))
    return _add_product("addmv", input, mat, vec, beta, alpha, 2)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), matrix by matrix.

    Args:
        input: a shape that broadcasts to (batch, rows, columns).
        batch1, batch2: (batch, rows, inner), (batch, inner, columns).
        beta, alpha: as in addmm, and so are the errors.
    """
    need_dims("baddbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    return _add_product("baddbmm", input, batch1, batch2, beta, alpha, 3)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * the sum over the batch of batch1 @ batch2.

    Args:
        input: a shape that broadcasts to (rows, columns).
        batch1, batch2: (batch, rows, inner), (batch, inner, columns).
        beta, alpha: as in addmm, and so are the errors.
    """
    need_dims("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    (batch, rows, inner), (others, depth, columns) = batch1.shape, batch2.shape
    if (batch, inner) != (others, depth):
        raise ShapeError(f"addbmm: shapes {batch1.shape} and {batch2.shape} do not fit together, reshape one")
    # The sum over the batch is a part of the sum over the inner dimension of one product.
    x = batch1.permute(1, 0, 2).reshape(rows, batch * inner)
    return _add_product("addbmm", input, x, batch2.reshape(batch * inner, columns), beta, alpha, 2)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2), promoted to one dtype.

    Args:
        input: a shape that broadcasts to (rows, columns); not read where beta is 0.
        vec1, vec2: (rows,), (columns,).
        beta, alpha: numbers, whole ones where the tensors are integers, True or False where they are bools.
    Raises: ShapeError if the shapes do not fit; RuntimeError for a fraction beside integers.
    """
    need_dims("addr", vec1=(vec1, 1), vec2=(vec2, 1))
    dtype = result_type(input, vec1, vec2)
    input, column, row = input.to(dtype), vec1.to(dtype).reshape(-1, 1), vec2.to(dtype).reshape(1, -1)
    if dtype.kind != "b":
        return _add_product("addr", input, column, row, beta, alpha, 2)
    if isinstance(beta, float) or isinstance(alpha, float):
        raise RuntimeError("addr: the tensors are bools, so beta and alpha must be too")
    z = column & row & bool(alpha)
    input = input.expand(z.shape)
    return z | input if beta else z


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products input[i] * vec2[j], (rows, columns), of vectors (rows,) and (columns,); promoted to one dtype.

    Raises: ShapeError unless both are 1-d.
    Gradient: dz @ vec2; input @ dz.
    """
    need_dims("outer", input=(input, 1), vec2=(vec2, 1))
    dtype = result_type(input, vec2)
    return Outer.apply(input.to(dtype), vec2.to(dtype))  # type: ignore[no-any-return]


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of input times all of other, block by block.

    Args:
        input, other: any shapes; the one with fewer dimensions gets leading ones of length 1. Promoted to one dtype.
    Returns: each length the product of the two.
    """
    ndim = max(input.ndim, other.ndim)
    x_shape, y_shape = ((1,) * (ndim - each.ndim) + each.shape for each in (input, other))
    x = input.reshape(tuple(n for length in x_shape for n in (length, 1)))
    y = other.reshape(tuple(n for length in y_shape for n in (1, length)))
    return mul(x, y).reshape(tuple(a * b for a, b in zip(x_shape, y_shape)))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of 3 numbers along `dim`, default the first dimension of length 3.

    Args:
        input, other: as many dimensions each, of length 3 along `dim`; the others broadcast. One dtype.
    Raises: ShapeError if the shapes do not fit; IndexError if the dim is out of range; RuntimeError if the dtypes
        differ or are bool.
    Gradient: cross(other, dz); cross(dz, input).
    """
    if dim is None:
        dim = next((i for i, length in enumerate(input.shape) if length == 3), None)
        if dim is None:
            raise ShapeError(f"cross: no dimension of {input.shape} has length 3")
    return cross_along("cross", input, other, dim)


def cross_along(name: str, input: Tensor, other: Tensor, dim: int) -> Tensor:
    """The cross product along `dim`."""
    if input.ndim != other.ndim:
        raise ShapeError(f"{name}: expected as many dimensions in both, got shapes {input.shape} and {other.shape}")
    place = one_dim(name, dim, input.ndim)
    if not input.ndim:
        raise IndexError(f"{name}: a 0-d tensor has no dimension {dim}")
    if input.shape[place] != 3 or other.shape[place] != 3:
        raise ShapeError(f"{name}: expected length 3 along dim {dim}, got shapes {input.shape} and {other.shape}")
    if input.dtype != other.dtype or input.dtype.kind == "b":
        raise RuntimeError(f"{name}: the dtypes are {input.dtype} and {other.dtype}; cast both to one number dtype")
    return Cross.apply(input, other, place - input.ndim)  # type: ignore[no-any-return]


ger = outer
