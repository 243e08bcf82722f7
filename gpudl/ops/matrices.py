"""What the operations of linear algebra share: checks, triangles, diagonals, and LAPACK's failures as LinAlgError."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import LinAlgError, ShapeError
from gpudl.ops.operands import one_dim


class Diagonal(Primitive):
    """The diagonal along two dimensions, as a view; it becomes the last dimension."""

    __slots__ = ("place", "shape")
    is_view = True
    place: tuple[int, int, int]
    shape: tuple[int, ...]

    def forward(ctx, x: Array, offset: int, dim1: int, dim2: int) -> Array:
        ctx.place, ctx.shape = (offset, dim1, dim2), x.shape
        return _diagonal(x, *ctx.place)

    def backward(ctx, dy: Array) -> Array:
        if isinstance(dy, Tensor):
            return OnDiagonal.apply(dy, *ctx.place, ctx.shape)
        return _on_diagonal(dy, *ctx.place, ctx.shape)


class OnDiagonal(Primitive):
    """Zeros with x on the diagonal: the adjoint of Diagonal."""

    __slots__ = ("place",)
    widens = False
    place: tuple[int, int, int]

    def forward(ctx, x: Array, offset: int, dim1: int, dim2: int, shape: tuple[int, ...]) -> Array:
        ctx.place = offset, dim1, dim2
        return _on_diagonal(x, *ctx.place, shape)

    def backward(ctx, dy: Array) -> Array:
        return Diagonal.apply(dy, *ctx.place) if isinstance(dy, Tensor) else _diagonal(dy, *ctx.place)


def _diagonal(x: Array, offset: int, dim1: int, dim2: int) -> Array:
    y = x.diagonal(offset, dim1, dim2)
    if type(y) is np.ndarray and x.flags.writeable:
        y.flags.writeable = True  # NumPy's diagonal is for reading only, unless asked
    return y


def _on_diagonal(x: Array, offset: int, dim1: int, dim2: int, shape: tuple[int, ...]) -> Array:
    y = xp_of(x).zeros(shape, x.dtype)
    _diagonal(y, offset, dim1, dim2)[...] = x
    return y


def diagonal_view(input: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """The diagonal along two dimensions, as a view; it becomes the last dimension.

    Raises: IndexError if a dim is out of range; ShapeError if they are one.
    """
    first, second = one_dim("diagonal", dim1, input.ndim), one_dim("diagonal", dim2, input.ndim)
    if first == second:
        raise ShapeError(f"diagonal: dim1 {dim1} and dim2 {dim2} are the same dimension of {input.shape}")
    return Diagonal.apply(input, offset, first, second)  # type: ignore[no-any-return]


def need_matrices(name: str, *tensors: Tensor, square: bool = False, half: bool = False) -> None:
    """Raise unless all are floating point matrices, or batches of them.

    Args:
        square: as many rows as columns.
        half: half floats are allowed; LAPACK has no routines for them.
    Raises: TypeError, ShapeError, and RuntimeError for other dtypes.
    """
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: expected a Tensor, got {type(x).__name__}")
        if x.array.ndim < 2:
            raise ShapeError(f"{name}: expected a matrix or a batch of them, got shape {x.shape}")
        need_floating(name, x, half)
        if square and x.shape[-1] != x.shape[-2]:
            raise ShapeError(f"{name}: expected square matrices, got shape {x.shape}")
        if x.dtype != tensors[0].dtype:
            raise RuntimeError(f"{name}: the dtypes differ, {tensors[0].dtype} and {x.dtype}; cast one with to()")


def need_floating(name: str, x: Tensor, half: bool = True) -> None:
    """Raise RuntimeError unless x is floating point; of float32 or float64 if not `half`."""
    if x.array.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {x.dtype}; cast it to a floating dtype first")
    if not half and x.array.dtype.char in "eE":
        raise RuntimeError(f"{name}: LAPACK has no routines for {x.dtype}; cast to float32 first")


def turned(x: Array) -> Array:
    """Matrices transposed: the last two dimensions exchanged."""
    return x.swapaxes(-1, -2)


def same_kind(x: Array, constant: Callable[[Any], Array]) -> Array:
    """constant(xp) where x is: an array, or a Tensor beside a Tensor."""
    if isinstance(x, Tensor):
        return wrap(constant(xp_of(x.array)), None)
    return constant(xp_of(x))


def identity(x: Array, count: int) -> Array:
    """The identity matrix of a size, in the dtype of x and where x is."""
    return same_kind(x, lambda xp: xp.eye(count, dtype=x.dtype))


def on_diagonal(x: Array) -> Array:
    """Matrices with x on their diagonal and 0 elsewhere."""
    shape = (*x.shape, x.shape[-1])
    if isinstance(x, Tensor):
        return OnDiagonal.apply(x, 0, x.ndim - 1, x.ndim, shape)
    return _on_diagonal(x, 0, x.ndim - 1, x.ndim, shape)


def triangle(x: Array, upper: bool, strict: bool = False) -> Array:
    """x with zeros outside one triangle; the diagonal is a part of it unless `strict`."""
    rows, columns = x.shape[-2:]
    skip = int(strict)

    def inside(xp: Any) -> Array:
        i, j = xp.arange(rows)[:, None], xp.arange(columns)
        return j - i >= skip if upper else i - j >= skip

    return xp_of(x).where(same_kind(x, inside), x, 0.0)


def lapack(name: str, why: str, function: Callable[..., Any], x: Array, *others: Array, probe: Any = None) -> Any:
    """function(x, *others), with its LinAlgError as ours: "name: why", and which matrix of the batch x it was.

    Args:
        probe: a function of one matrix that fails where `function` does; `function` itself if it needs nothing else.
    """
    try:
        return function(x, *others)
    except np.linalg.LinAlgError as error:
        for place, matrix in matrices_of(x):
            try:
                (probe or function)(matrix)
            except np.linalg.LinAlgError:
                where = f"matrix {', '.join(map(str, place))} of the batch" if place else "the matrix"
                raise LinAlgError(f"{name}: {where} {why}") from error
        raise LinAlgError(f"{name}: {error}") from error


def matrices_of(x: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """The index in the batch and the matrix, for every matrix of x."""
    for place in itertools.product(*map(range, x.shape[:-2])):
        yield place, x[place]
