"""The largest and smallest elements, over dimensions or along one, and where they are.

`axis` and `keepdims`, NumPy's names, are accepted for `dim` and `keepdim`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.along import put_along
from gpudl.ops.arithmetic import maximum, minimum
from gpudl.ops.operands import Dim, aliased, dims_of, one_dim
from gpudl.ops.reduce import Counting, Reduction

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]


class Extreme(Reduction):
    """amax or amin: equal elements share the gradient."""

    __slots__ = ()

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool, largest: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        y = (x.max if largest else x.min)(axis=dims, keepdims=keepdim)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        # The extreme of values with a nan among them is nan, which x == y would miss.
        y = ctx.spread(y)
        hit = ((x == y) | ((x != x) & (y != y))).astype(dy.dtype)
        return hit * (ctx.spread(dy) / hit.sum(axis=ctx.dims, keepdims=True))


class ExtremeAlong(Primitive):
    """The extreme values along one dimension, and where they are; the first counts among equals."""

    __slots__ = ("dim", "indices", "length", "scalar")
    dim: int
    indices: Array
    length: int
    scalar: bool

    def forward(ctx, x: Array, dim: int, keepdim: bool, largest: bool) -> tuple[Array, Array]:
        xp = xp_of(x)
        ctx.scalar = x.ndim == 0
        line = x.reshape(1) if ctx.scalar else x
        ctx.dim, ctx.length = dim, line.shape[dim]
        indices = xp.expand_dims((line.argmax if largest else line.argmin)(axis=dim), dim)
        values = xp.take_along_axis(line, indices, dim)
        ctx.indices = indices.copy()  # the result, a view of them, is the user's to change
        if keepdim and not ctx.scalar:
            return values, indices
        return values.squeeze(dim), indices.squeeze(dim)

    def backward(ctx, dy: Array, _: Array) -> Array:
        dx = put_along(dy.reshape(ctx.indices.shape), ctx.indices, ctx.dim, ctx.length)
        return dx.reshape(()) if ctx.scalar else dx


def _extreme(name: str, input: Tensor, dim: Dim, keepdim: bool, largest: bool) -> Tensor:
    dims = dims_of(name, dim, input.ndim)
    for each in dims:
        if input.shape[each] == 0:
            kind = ShapeError if dim is None or dim == () else IndexError
            raise kind(f"{name}: dimension {each} of shape {input.shape} is empty, it has no extreme value")
    return Extreme.apply(input, dims, keepdim, largest)  # type: ignore[no-any-return]


def amax(input: Tensor, dim: Dim = (), keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """The largest element; equal ones share the gradient evenly. nan if there is one.

    Args:
        dim: the dimension or dimensions to reduce, default all.
        keepdim: keep them at length 1.
    Raises: ShapeError if nothing is there to compare; IndexError if a dim is out of range, or empty.
    """
    return _extreme("amax", input, dim if axis is None else axis, keepdim or keepdims, True)


def amin(input: Tensor, dim: Dim = (), keepdim: bool = False, *, axis: Dim = None, keepdims: bool = False) -> Tensor:
    """The smallest element; equal ones share the gradient evenly. Arguments and errors as in amax."""
    return _extreme("amin", input, dim if axis is None else axis, keepdim or keepdims, False)


class ValuesAndIndices(NamedTuple):
    """What max and min along a dimension return."""

    values: Tensor
    indices: Tensor


def _along(name: str, input: Tensor, dim: int, keepdim: bool, largest: bool) -> ValuesAndIndices:
    place = one_dim(name, dim, input.ndim)
    if input.ndim and input.shape[place] == 0:
        raise IndexError(f"{name}: dimension {place} of shape {input.shape} is empty, it has no extreme value")
    return ValuesAndIndices(*ExtremeAlong.apply(input, place, keepdim, largest))


def _other_of(name: str, input: Any, dim: Any, other: Any) -> Any:
    """What to compare elementwise with: `other`, or a Tensor in the place of dim; None if there is neither."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}; clamp compares with numbers")
    if other is not None and dim is not None:
        raise TypeError(f"{name}: give a dim to go along or another tensor to compare with, not both")
    return dim if isinstance(dim, Tensor) else other


def max(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Any:
    """The largest element of all; or along `dim` (values, indices); or, given another Tensor, the elementwise maximum.

    Returns: a 0-d Tensor, a named tuple of Tensors (the index of the first among equals, int64), or a Tensor.
    Gradient: to the element chosen by the index; among all elements shared evenly by equals.
    Raises: as amax.
    """
    along: Any = aliased("max", dim, axis)
    compared = _other_of("max", input, along, other)
    if compared is not None:
        return maximum(input, compared)
    if along is None:
        return _extreme("max", input, None, False, True)
    return _along("max", input, along, keepdim or keepdims, True)


def min(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Any:
    """The smallest element of all; or along `dim` (values, indices); or the elementwise minimum. As max."""
    along: Any = aliased("min", dim, axis)
    compared = _other_of("min", input, along, other)
    if compared is not None:
        return minimum(input, compared)
    if along is None:
        return _extreme("min", input, None, False, False)
    return _along("min", input, along, keepdim or keepdims, False)


def _position(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if input.dtype == bool:
        raise RuntimeError(f"{name}: bools have no order; cast the input to a number first")
    place = None if dim is None else one_dim(name, dim, input.ndim)
    if 0 in (input.shape if place is None or not input.ndim else (input.shape[place],)):
        raise IndexError(f"{name}: shape {input.shape} has nothing to compare")
    if place is not None and not input.ndim:
        place = None
    return Counting.apply(input, name, place, keepdim)  # type: ignore[no-any-return]


def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None, keepdims: bool = False
) -> Tensor:
    """The index of the largest element, int64; of the flattened tensor if no dim is given; the first among equals.

    Raises: IndexError if the dim is out of range or has nothing to compare; RuntimeError for bools.
    """
    return _position("argmax", input, aliased("argmax", dim, axis), keepdim or keepdims)


def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None, keepdims: bool = False
) -> Tensor:
    """The index of the smallest element; as argmax."""
    return _position("argmin", input, aliased("argmin", dim, axis), keepdim or keepdims)


class MinAndMax(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False, axis: int | None = None, keepdims: bool = False
) -> MinAndMax:
    """The smallest and the largest element, of all or along `dim`, as a named tuple (min, max).

    Raises, gradient: as amax.
    """
    along: Any = aliased("aminmax", dim, axis)
    keep = keepdim or keepdims
    if along is not None:
        along = one_dim("aminmax", along, input.ndim)
    return MinAndMax(*(_extreme("aminmax", input, along, keep, largest) for largest in (False, True)))
