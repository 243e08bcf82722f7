"""Shapes: views where NumPy has views, with PyTorch's names; and joining.

Every operation marked `is_view` returns memory that its input shares, so writing through one is seen by the other.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import DType, dtype_of
from gpudl.backend.errors import ShapeError
from gpudl.backend.join import joined as joined_arrays
from gpudl.backend.strided_copy import reshaped
from gpudl.ops.operands import aliased, listed, one_dim, result_type

__all__ = [
    "cat", "concat", "concatenate", "flatten", "permute", "permute_dims", "reshape", "squeeze", "stack",
    "swapaxes", "swapdims", "t", "transpose", "unsqueeze",
]  # fmt: skip


class Reshape(Primitive):
    __slots__ = ("shape",)
    is_view = True
    shape: tuple[int, ...]

    def forward(ctx, x: Array, shape: tuple[int, ...]) -> Array:
        ctx.shape = x.shape
        y = reshaped(x, shape)
        return x[...] if y is x else y

    def backward(ctx, dy: Array) -> Array:
        return dy.reshape(ctx.shape) if isinstance(dy, Tensor) else reshaped(dy, ctx.shape)


class Permute(Primitive):
    __slots__ = ("order",)
    is_view = True
    order: tuple[int, ...]

    def forward(ctx, x: Array, order: tuple[int, ...]) -> Array:
        ctx.order = order
        return x.transpose(order)

    def backward(ctx, dy: Array) -> Array:
        back = [0] * len(ctx.order)
        for place, source in enumerate(ctx.order):
            back[source] = place
        return xp_of(dy).permute_dims(dy, tuple(back))


class Swap(Primitive):
    __slots__ = ("dims",)
    is_view = True
    dims: tuple[int, int]

    def forward(ctx, x: Array, dim0: int, dim1: int) -> Array:
        ctx.dims = dim0, dim1
        return x.swapaxes(dim0, dim1)

    def backward(ctx, dy: Array) -> Array:
        return dy.swapaxes(*ctx.dims)


class ViewAs(Primitive):
    """The same bytes under another dtype of the same size."""

    __slots__ = ()
    is_view = True
    differentiable = False

    def forward(ctx, x: Array, dtype: DType) -> Array:
        return x.view(dtype)


class Cat(Primitive):
    __slots__ = ("dim", "lengths")
    widens = False
    dim: int
    lengths: tuple[int, ...]

    def forward(ctx, dim: int, *xs: Array) -> Array:
        ctx.dim = dim
        ctx.lengths = tuple(x.shape[dim] for x in xs)
        return joined_arrays(dim, ctx.lengths, xs)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        before = (slice(None),) * ctx.dim
        parts: list[Any] = [None]
        start = 0
        for length, edge in zip(ctx.lengths, ctx.edges[1:]):
            place = (*before, slice(start, start + length))
            parts.append(dy[place] if edge else None)
            start += length
        return tuple(parts)


class Stack(Primitive):
    __slots__ = ("dim",)
    widens = False
    dim: int

    def forward(ctx, dim: int, *xs: Array) -> Array:
        ctx.dim = dim
        if type(xs[0]) is np.ndarray:
            return np.stack(xs, axis=dim)
        apart = (*(slice(None),) * dim, None)
        return joined_arrays(dim, (1,) * len(xs), [x[apart] for x in xs])

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        places = [((slice(None),) * ctx.dim + (i,)) for i in range(len(ctx.edges) - 1)]
        return (None, *(dy[place] if edge else None for place, edge in zip(places, ctx.edges[1:])))


def writable(view: Array, x: Array) -> Array:
    """A view that NumPy marked read-only, to be written as far as x may be; CuPy marks none."""
    if hasattr(view.flags, "writeable"):
        view.flags.writeable = x.flags.writeable
    return view


def _lengths(name: str, given: tuple[Any, ...], named: Any) -> tuple[int, ...]:
    return tuple(map(operator.index, listed(name, given, named)))


def reshape(input: Tensor, *args: Any, shape: Any = None) -> Tensor:
    """The same elements, in order, under another shape: a view if the memory allows it, else a copy.

    Args:
        args: lengths, or one sequence of them; one may be -1, for what is left.
        shape: the same by name.
    Raises: ShapeError if the number of elements differs.
    Gradient: dy, reshaped.
    """
    return Reshape.apply(input, _lengths("reshape", args, shape))  # type: ignore[no-any-return]


def view(input: Tensor, *args: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """As reshape, but always a view; or, given a dtype, the same bytes read as that dtype.

    Args:
        args: lengths, one sequence of them, or a dtype of the same itemsize.
        size, dtype: the same by name.
    Raises: ShapeError also if the elements would have to be copied, as in a transposed tensor, use reshape there;
        RuntimeError for a dtype of another itemsize.
    Gradient: dy, reshaped; none through a dtype.
    """
    if dtype is None and len(args) == 1 and not isinstance(args[0], (int, np.integer, Sequence, Tensor)):
        dtype = args[0]
    if dtype is not None:
        kind = dtype_of(dtype)
        if kind.itemsize != input.itemsize:
            raise RuntimeError(f"view: {input.dtype} can only be seen as a dtype of its {input.itemsize} bytes")
        return ViewAs.apply(input, kind)  # type: ignore[no-any-return]
    lengths = _lengths("view", args, size)
    result: Tensor = Reshape.apply(input, lengths)
    if result._base is None and result.array.size:
        raise ShapeError(f"view: {input.shape} with this memory order is no view of {lengths}; use reshape")
    return result


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim as one; a 0-d tensor becomes 1-d. The tensor itself where that is one already.

    Raises: IndexError if a dim is out of range; ShapeError if start_dim comes after end_dim.
    """
    first, last = one_dim("flatten", start_dim, input.ndim), one_dim("flatten", end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in shape {input.shape}")
    if first == last and input.ndim:
        return input
    count = 1
    for length in input.shape[first : last + 1]:
        count *= length
    return reshape(input, (*input.shape[:first], count, *input.shape[last + 1 :]))


def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order, as a view.

    Args:
        args: every dimension once, or one sequence of them.
        dims: the same by name.
    Raises: ShapeError unless each stands there once.
    """
    given = _lengths("permute", args, dims)
    order = tuple(one_dim("permute", dim, input.ndim) for dim in given) if len(given) == input.ndim else ()
    if len(given) != input.ndim or len(set(order)) != input.ndim:
        raise ShapeError(f"permute: dims {given} do not name each dimension of {input.shape} once")
    return Permute.apply(input, order)  # type: ignore[no-any-return]


permute_dims = permute


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged, as a view.

    Raises: IndexError if a dim is out of range.
    """
    ndim = input.array.ndim
    a, b = one_dim("transpose", dim0, ndim), one_dim("transpose", dim1, ndim)
    return Swap.apply(input, a, b) if ndim else Permute.apply(input, ())  # type: ignore[no-any-return]


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are.

    Raises: ShapeError for more than 2 dimensions.
    """
    if input.ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose(-2, -1)")
    return transpose(input, 0, -1)


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None, *, axis: Any = None) -> Tensor:
    """Without the dimensions of length 1: all of them, or those of `dim` that have it. A view.

    Raises: IndexError if a dim is out of range; ShapeError if one stands twice.
    """
    dim = aliased("squeeze", dim, axis)
    given = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    dims = {one_dim("squeeze", each, input.ndim) for each in given}
    if len(dims) < len(given):
        raise ShapeError(f"squeeze: dim {dim} names a dimension twice")
    if dim is None:
        dims = set(range(input.ndim))
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of length 1 put in at `dim`. A view.

    Raises: IndexError if the dim is out of range.
    """
    place = one_dim("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:place], 1, *input.shape[place:]))


def joined(name: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors to be joined, as a list.

    Raises: TypeError for what is no tensor; ShapeError if there are none.
    """
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: expected a list or tuple of Tensors, got one Tensor")
    parts = list(tensors)
    for number, part in enumerate(parts):
        if not isinstance(part, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(part).__name__} as number {number}")
    if not parts:
        raise ShapeError(f"{name}: expected at least one tensor")
    return parts


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along `dim`, promoted to one dtype.

    Args:
        tensors: at least one; equal lengths except along `dim`. Those of shape (0,) fit all others.
        dim, axis: along which they are joined; either name.
    Raises: ShapeError for no tensors, 0-d tensors or lengths that differ; TypeError for what is no tensor.
    Gradient: the parts of dy.
    """
    parts = joined("cat", tensors)
    dim = dim if axis is None else axis
    if any(part.ndim == 0 for part in parts):
        raise ShapeError("cat: 0-d tensors cannot be joined; use stack")
    shape = next((part.shape for part in parts if part.shape != (0,)), (0,))
    place = one_dim("cat", dim, len(shape))
    if len(shape) > 1:  # then parts of shape (0,) mean: nothing to add
        parts = [reshape(p, (*shape[:place], 0, *shape[place + 1 :])) if p.shape == (0,) else p for p in parts]
    return Cat.apply(place, *_alike(parts))  # type: ignore[no-any-return]


def _alike(parts: list[Tensor]) -> list[Tensor]:
    """The tensors, promoted to one dtype."""
    first = parts[0].array.dtype
    if all(part.array.dtype is first for part in parts):
        return parts
    dtype = result_type(*parts)
    return [part if part.dtype == dtype else part.to(dtype) for part in parts]


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors along a new dimension.

    Raises: ShapeError for no tensors or shapes that differ; TypeError for what is no tensor; IndexError if the dim is
        out of range.
    """
    parts = joined("stack", tensors)
    place = one_dim("stack", dim if axis is None else axis, parts[0].ndim + 1)
    for part in parts:
        if part.shape != parts[0].shape:
            raise ShapeError(f"stack: the shapes differ, {parts[0].shape} and {part.shape}")
    return Stack.apply(place, *_alike(parts))  # type: ignore[no-any-return]


concat = concatenate = cat
