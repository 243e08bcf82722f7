"""The largest and smallest elements, over dimensions or along one, and where they are.

`axis` and `keepdims`, NumPy's names, are accepted for `dim` and `keepdim`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import ReadsHalf
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import int64
from gpudl.backend.errors import ShapeError
from gpudl.backend.folds import Fold
from gpudl.backend.kernel import kernel
from gpudl.ops.along import put_along
from gpudl.ops.arithmetic import maximum, minimum
from gpudl.ops.operands import Dim, aliased, dims_of, one_dim
from gpudl.ops.reduce import Reduction

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]


_FLOATS = "float32", "float64", "float16", "bfloat16"
_EVERY = *_FLOATS, "bool", "uint8", "int8", "int16", "int32", "int64"
_EXTREME, _PLACE = (
    {
        largest: Fold(f"{op}, {str(largest).lower()}{rest}>", "math/extreme.cuh", slope=f"{slope}<{{T}}, {{A}}>")
        for largest in (True, False)
    }
    for op, rest, slope in (("Extreme<{T}, {A}", ", Itself", "ExtremeSlope"), ("Place<{T}, {A}", "", "PlaceSlope"))
)


@kernel
def extreme_forward(
    x: Array, dims: tuple[int, ...], keepdim: bool, largest: bool, with_count: bool
) -> tuple[Array, Array | None]:
    """The largest or smallest elements, and how many each are equal to it, if asked for and known by the way."""
    return (x.max if largest else x.min)(axis=dims, keepdims=keepdim), None


@extreme_forward.cuda(*_EVERY)
def extreme_forward_cuda(
    x: Array, dims: tuple[int, ...], keepdim: bool, largest: bool, with_count: bool
) -> tuple[Array, Array | None]:
    if with_count:
        return _EXTREME[largest](x, dims, keepdim, x.dtype, int64)  # type: ignore[no-any-return]
    return _EXTREME[largest](x, dims, keepdim, x.dtype), None


@kernel
def extreme_backward(dy: Array, x: Array, y: Array, count: Array | None, dims: tuple[int, ...]) -> Array:
    """dx = dy / count for the elements that are y, 0 for others; None for an unknown count. dims: at length 1."""
    # The extreme of values with a nan among them is nan, which x == y would miss.
    hit = ((x == y) | ((x != x) & (y != y))).astype(dy.dtype)
    return hit * (dy / hit.sum(axis=dims, keepdims=True))


@extreme_backward.cuda(*_FLOATS)
def extreme_backward_cuda(dy: Array, x: Array, y: Array, count: Array | None, dims: tuple[int, ...]) -> Array:
    if count is None:
        return extreme_backward.reference(dy, x, y, count, dims)
    return _EXTREME[True].slope(dy, x, dims, y, count)


@kernel
def place_forward(x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    """The index of the largest or smallest element along dim, which stays at length 1, and the element."""
    xp = xp_of(x)
    indices = (xp.argmax if largest else xp.argmin)(x, axis=dim, keepdims=True)
    return indices, xp.take_along_axis(x, indices, dim)


@place_forward.cuda(*_EVERY)
def place_forward_cuda(x: Array, dim: int, largest: bool) -> tuple[Array, Array]:
    return _PLACE[largest](x, dim, True, int64, x.dtype)  # type: ignore[no-any-return]


@kernel
def position_forward(x: Array, dim: int | None, keepdim: bool, largest: bool) -> Array:
    """The index of the largest or smallest element along dim, or of all in C order."""
    return (xp_of(x).argmax if largest else xp_of(x).argmin)(x, axis=dim, keepdims=keepdim)


@position_forward.cuda(*_EVERY)
def position_forward_cuda(x: Array, dim: int | None, keepdim: bool, largest: bool) -> Array:
    if dim is not None:
        return _PLACE[largest](x, dim, keepdim, int64)
    return _PLACE[largest](x.reshape(-1), 0, False, int64).reshape((1,) * x.ndim if keepdim else ())


@kernel
def place_backward(dy: Array, indices: Array, dim: int, length: int) -> Array:
    """dx: zeros, `length` along dim, with dy where the indices, of its shape, are."""
    return put_along(dy, indices, dim, length)


@place_backward.cuda(*_FLOATS)
def place_backward_cuda(dy: Array, indices: Array, dim: int, length: int) -> Array:
    dx = xp_of(dy).empty((*dy.shape[:dim], length, *dy.shape[dim + 1 :]), dy.dtype)
    return _PLACE[True].slope(dy, dx, dim, indices, None, blank=True)


class Extreme(Reduction):
    """amax or amin: equal elements share the gradient."""

    __slots__ = ("equal",)
    equal: Array | None

    def forward(ctx, x: Array, dims: tuple[int, ...], keepdim: bool, largest: bool) -> Array:
        ctx.shape, ctx.dims = x.shape, dims
        y, ctx.equal = extreme_forward(x, dims, keepdim, largest, mode.enabled and ctx.edges[0] is not None)
        ctx.save(x, y)
        return y

    def backward(ctx, dy: Array) -> Array:
        x, y = ctx.saved
        return extreme_backward(ctx.spread(dy), x, ctx.spread(y), ctx.equal, ctx.dims)


class Position(ReadsHalf):
    """The index of the largest or smallest element, the first among equals."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, x: Array, dim: int | None, keepdim: bool, largest: bool) -> Array:
        return position_forward(x, dim, keepdim, largest)


class ExtremeAlong(ReadsHalf):
    """The extreme values along one dimension, and where they are; the first counts among equals."""

    __slots__ = ("dim", "indices", "length", "scalar")
    dim: int
    indices: Array
    length: int
    scalar: bool

    def forward(ctx, x: Array, dim: int, keepdim: bool, largest: bool) -> tuple[Array, Array]:
        ctx.scalar = x.ndim == 0
        line = x.reshape(1) if ctx.scalar else x
        ctx.dim, ctx.length = dim, line.shape[dim]
        indices, values = place_forward(line, dim, largest)
        ctx.indices = indices.copy()  # the result, a view of them, is the user's to change
        if keepdim and not ctx.scalar:
            return values, indices
        return values.squeeze(dim), indices.squeeze(dim)

    def backward(ctx, dy: Array, _: Array) -> Array:
        dx = place_backward(dy.reshape(ctx.indices.shape), ctx.indices, ctx.dim, ctx.length)
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
    return Position.apply(input, place, keepdim, name == "argmax")  # type: ignore[no-any-return]


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
