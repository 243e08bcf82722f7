"""Diagonals and triangles: of a matrix, or of every matrix in the last two dimensions."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import MOST_BLOCKS, PACK_BYTES, THREADS, CudaText, dense
from gpudl.backend.device import CPU, require, transfer
from gpudl.backend.device import device as resolve
from gpudl.backend.dtypes import dtype_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.kernel import kernel
from gpudl.backend.strided_copy import BYTES, EVERY, memory_of
from gpudl.ops import shape
from gpudl.ops.cast import clone
from gpudl.ops.operands import narrowed, one_dim

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "tril", "tril_indices", "triu", "triu_indices"]


_SIZES = ((1, 16), (2, 8), (4, 4), (8, 2), (1, 1), (2, 1), (4, 1), (8, 1))  # bytes of an element, elements of a thread
_TEXT = CudaText(
    "math/packs.cuh",
    "cuda/diagonal_triangle.cu",
    kernels=tuple(f"cut_triangle<{size}, {width}>" for size, width in _SIZES),
    dtypes=BYTES,
)


@kernel
def triangle_forward(x: Array, lower: bool, diagonal: int) -> Array:
    """x (..., rows, columns) with zeros above a diagonal (lower) or below it."""
    xp = xp_of(x)
    return narrowed((xp.tril if lower else xp.triu)(x, diagonal), x.dtype)  # CuPy gives float32 for bfloat16


@triangle_forward.cuda(*EVERY)
def triangle_forward_cuda(x: Array, lower: bool, diagonal: int) -> Array:
    x = dense(x)
    y = xp_of(x).empty(x.shape, x.dtype)
    if not y.size:
        return y
    rows, columns = x.shape[-2:]
    lanes = PACK_BYTES // x.itemsize
    if columns % lanes or (x.data.ptr | y.data.ptr) % PACK_BYTES:
        lanes = 1
    packs, count = columns // lanes, x.size // columns
    across = min(1 << (packs - 1).bit_length(), THREADS)
    grid = (min(-(-count // (THREADS // across)), MOST_BLOCKS), min(-(-packs // across), 65535))
    name = f"cut_triangle<{x.itemsize}, {lanes}>"
    numbers = count, rows, columns, diagonal, lower
    _TEXT.launch(name, grid, (across, THREADS // across), memory_of(y), memory_of(x), *numbers)
    return y


class Diagonal(Primitive):
    __slots__ = ("shape", "where")
    is_view = True
    shape: tuple[int, ...]
    where: tuple[int, int, int]

    def forward(ctx, x: Array, offset: int, dim1: int, dim2: int) -> Array:
        ctx.shape, ctx.where = x.shape, (offset, dim1, dim2)
        return shape.writable(x.diagonal(offset, dim1, dim2), x)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return EmbedDiagonal.apply(dy, ctx.shape, *ctx.where)
        return _embedded(dy, ctx.shape, *ctx.where)


class EmbedDiagonal(Primitive):
    """Zeros of a shape with x as a diagonal: the adjoint of reading it."""

    __slots__ = ("where",)
    widens = False
    where: tuple[int, int, int]

    def forward(ctx, x: Array, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Array:
        ctx.where = offset, dim1, dim2
        return _embedded(x, shape, offset, dim1, dim2)

    def backward(ctx, dy: Array) -> Array:
        return dy.diagonal(*ctx.where)


class Triangle(Primitive):
    """x with zeros above (lower) or below a diagonal."""

    __slots__ = ("diagonal", "lower")
    widens = False
    lower: bool
    diagonal: int

    def forward(ctx, x: Array, lower: bool, diagonal: int) -> Array:
        ctx.lower, ctx.diagonal = lower, diagonal
        return triangle_forward(x, lower, diagonal)

    def backward(ctx, dy: Array) -> Array:
        return triangle_forward(dy, ctx.lower, ctx.diagonal)


def _embedded(x: Array, lengths: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Array:
    y = xp_of(x).zeros(lengths, x.dtype)
    shape.writable(y.diagonal(offset, dim1, dim2), y)[...] = x
    return y


def _plane(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    first, second = one_dim(name, dim1, ndim), one_dim(name, dim2, ndim)
    if first == second or ndim < 2:
        raise ShapeError(f"{name}: dim1 and dim2 must be two dimensions, both are {first} of {ndim}")
    return first, second


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal over two dimensions, which become one, the last. A view.

    Args:
        offset: which diagonal: above the main one if positive, below if negative.
    Raises: IndexError if a dim is out of range; ShapeError if both are the same.
    Gradient: dy on that diagonal, zeros elsewhere.
    """
    return Diagonal.apply(input, offset, *_plane("diagonal", dim1, dim2, input.ndim))  # type: ignore[no-any-return]


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of the input on a diagonal over two new ones.

    Args:
        offset: which diagonal, as in diagonal.
        dim1, dim2: where in the result the two dimensions are.
    Raises: IndexError if a dim is out of range; ShapeError if both are the same or the input is 0-d.
    Gradient: that diagonal of dy.
    """
    if not input.ndim:
        raise IndexError("diag_embed: a 0-d tensor has no last dimension")
    first, second = _plane("diag_embed", dim1, dim2, input.ndim + 1)
    lengths = list(input.shape[:-1])
    for place in sorted((first, second)):
        lengths.insert(place, input.shape[-1] + abs(offset))
    return EmbedDiagonal.apply(input, tuple(lengths), offset, first, second)  # type: ignore[no-any-return]


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix of zeros; of a matrix a copy of its diagonal.

    Raises: ShapeError unless the input is 1-d or 2-d.
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise ShapeError(f"diag: expected a vector or a matrix, got shape {input.shape}; use diagonal or diag_embed")
    return clone(Diagonal.apply(input, diagonal, 0, 1))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements, in order, as the diagonal of a matrix of zeros."""
    return diag_embed(shape.reshape(input, (input.array.size,)), offset)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangles of matrices: zeros above a diagonal.

    Args:
        input: (..., rows, columns).
        diagonal: the last diagonal that is kept; 0 is the main one, positive ones are above.
    Raises: ShapeError for fewer than 2 dimensions.
    Gradient: tril of dy.
    Kernel: kernels/cuda/diagonal_triangle.cu.
    """
    return _triangle("tril", input, True, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangles of matrices: zeros below a diagonal.

    Args:
        input: (..., rows, columns).
        diagonal: the first diagonal that is kept; 0 is the main one, positive ones are above.
    Raises: ShapeError for fewer than 2 dimensions.
    Gradient: triu of dy.
    Kernel: kernels/cuda/diagonal_triangle.cu.
    """
    return _triangle("triu", input, False, diagonal)


def _triangle(name: str, input: Tensor, lower: bool, diagonal: int) -> Tensor:
    if input.ndim < 2:
        raise ShapeError(f"{name}: expected matrices, at least 2 dimensions, got shape {input.shape}")
    return Triangle.apply(input, lower, diagonal)  # type: ignore[no-any-return]


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = "int64", device: Any = None) -> Tensor:
    """Where the elements of tril(x, offset) are, for x of shape (row, col): row numbers above column numbers.

    Returns: (2, elements), row by row.
    Raises: ShapeError for negative lengths; RuntimeError for a dtype that is not int32 or int64.
    """
    return _indices("tril_indices", row, col, offset, True, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = "int64", device: Any = None) -> Tensor:
    """Where the elements of triu(x, offset) are, for x of shape (row, col): row numbers above column numbers.

    Returns: (2, elements), row by row.
    Raises: ShapeError for negative lengths; RuntimeError for a dtype that is not int32 or int64.
    """
    return _indices("triu_indices", row, col, offset, False, dtype, device)


def _indices(name: str, row: int, col: int, offset: int, lower: bool, dtype: Any, device: Any) -> Tensor:
    kind = dtype_of(dtype)
    if kind.kind not in "iu" or kind.itemsize < 4:
        raise RuntimeError(f"{name}: indices are int32 or int64, not {kind}")
    if row < 0 or col < 0:
        raise ShapeError(f"{name}: lengths must not be negative, got {row} and {col}")
    xp = require(CPU).namespace
    inside = xp.tri(row, col, offset if lower else offset - 1, dtype=bool)
    found = xp.stack(xp.nonzero(inside if lower else ~inside)).astype(kind)
    return wrap(transfer(found, CPU if device is None else resolve(device)), None)
