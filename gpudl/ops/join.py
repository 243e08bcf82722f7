"""Joining under NumPy's older names, and into grids, products and block matrices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops import dims, shape
from gpudl.ops.index import getitem
from gpudl.ops.operands import result_type

__all__ = [
    "block_diag", "cartesian_prod", "column_stack", "combinations", "dstack", "hstack", "meshgrid", "row_stack",
    "vstack",
]  # fmt: skip


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side: joined along dimension 1, or 0 where they are 1-d.

    Raises: as cat.
    """
    parts = dims.atleast_1d(shape.joined("hstack", tensors))
    return shape.cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors one below the other: made 2-d and joined along dimension 0.

    Raises: as cat.
    """
    return shape.cat(dims.atleast_2d(shape.joined("vstack", tensors)), 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors behind each other: made 3-d and joined along dimension 2.

    Raises: as cat.
    """
    return shape.cat(dims.atleast_3d(shape.joined("dstack", tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """hstack with 0-d and 1-d tensors as columns.

    Raises: as cat.
    """
    columns = [shape.reshape(x, (x.array.size, 1)) if x.ndim < 2 else x for x in shape.joined("column_stack", tensors)]
    return shape.cat(columns, 1)


class BlockDiag(Primitive):
    """Matrices on the diagonal of a matrix of zeros."""

    __slots__ = ("shapes",)
    widens = False
    shapes: list[tuple[int, int]]

    def forward(ctx, *xs: Array) -> Array:
        ctx.shapes = [x.shape for x in xs]
        y = xp_of(xs[0]).zeros((sum(rows for rows, _ in ctx.shapes), sum(cols for _, cols in ctx.shapes)), xs[0].dtype)
        for place, x in zip(ctx.places(), xs):
            y[place] = x
        return y

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        return tuple(dy[place] if edge else None for place, edge in zip(ctx.places(), ctx.edges))

    def places(ctx) -> list[tuple[slice, slice]]:
        """Where each matrix lies."""
        row = column = 0
        found = []
        for rows, columns in ctx.shapes:
            found.append((slice(row, row + rows), slice(column, column + columns)))
            row, column = row + rows, column + columns
        return found


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix of zeros with the tensors as blocks along its diagonal, promoted to one dtype.

    Args:
        tensors: at most 2-d; a number counts as (1, 1), a vector as one row.
    Raises: ShapeError for more than 2 dimensions.
    Gradient: the blocks of dy.
    """
    parts = shape.joined("block_diag", tensors)
    for part in parts:
        if part.ndim > 2:
            raise ShapeError(f"block_diag: expected at most 2 dimensions, got shape {part.shape}")
    dtype = result_type(*(part.dtype for part in parts))
    return BlockDiag.apply(*(dims.atleast_2d(part).to(dtype) for part in parts))  # type: ignore[no-any-return]


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinate grids: one tensor for each given one, repeated along all other dimensions. Views.

    Args:
        tensors: 0-d or 1-d, of one dtype; or one sequence of them.
        indexing: "ij": dimension i of the results runs along tensor i. "xy": the first two are exchanged.
    Raises: ShapeError for more dimensions; RuntimeError for dtypes that differ or another indexing.
    Gradient: dy summed over the repetitions.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    parts = shape.joined("meshgrid", given)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    for part in parts:
        if part.ndim > 1:
            raise ShapeError(f"meshgrid: expected 0-d or 1-d tensors, got shape {part.shape}")
        if part.dtype != parts[0].dtype:
            raise RuntimeError(f"meshgrid: the dtypes differ, {parts[0].dtype} and {part.dtype}; cast one with to()")
    swapped = indexing == "xy" and len(parts) > 1
    if swapped:
        parts[:2] = parts[1::-1]
    lengths = tuple(part.array.size for part in parts)
    grids = []
    for place, part in enumerate(parts):
        alone = tuple(length if i == place else 1 for i, length in enumerate(lengths))
        grids.append(dims.expand(shape.reshape(part, alone), lengths))
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of an element of each tensor, the last one changing fastest.

    Args:
        tensors: 1-d, of one dtype.
    Returns: (combinations, tensors); of one tensor itself.
    Raises: ShapeError for tensors that are not 1-d; RuntimeError for dtypes that differ.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    parts = shape.joined("cartesian_prod", given)
    for part in parts:
        if part.ndim != 1:
            raise ShapeError(f"cartesian_prod: expected 1-d tensors, got shape {part.shape}")
    if len(parts) == 1:
        return parts[0]
    return shape.stack([dims.ravel(grid) for grid in meshgrid(*parts)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """The combinations of r elements, in the order of itertools.combinations.

    Args:
        input: 1-d.
        r: how many elements, >= 0.
        with_replacement: let an element be taken more than once.
    Returns: (combinations, r); an empty 1-d tensor for r = 0.
    Raises: ShapeError for an input that is not 1-d; RuntimeError for a negative r.
    """
    if input.ndim != 1:
        raise ShapeError(f"combinations: expected a 1-d tensor, got shape {input.shape}")
    if r < 0:
        raise RuntimeError(f"combinations: r must not be negative, got {r}")
    if r == 0:
        return input.new_zeros(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.fromiter(itertools.chain.from_iterable(choose(range(input.shape[0]), r)), np.int64)
    return getitem(input, wrap(xp_of(input.array).asarray(places.reshape(-1, r)), None))
