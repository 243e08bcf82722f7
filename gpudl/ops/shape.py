"""Shapes: views where NumPy has views, with PyTorch's names; joining; and broadcasting.

Every operation marked `is_view` returns memory that its input shares, so writing through one is seen by the other.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops.operands import one_dim, result_type, sum_to_shape

__all__ = [
    "broadcast_to", "cat", "concatenate", "flatten", "permute", "permute_dims", "reshape", "squeeze", "stack", "t",
    "transpose", "unsqueeze",
]  # fmt: skip


class Reshape(Primitive):
    __slots__ = ("shape",)
    is_view = True
    shape: tuple[int, ...]

    def forward(ctx, x: Array, shape: tuple[int, ...]) -> Array:
        ctx.shape = x.shape
        y = x.reshape(shape)
        return x[...] if y is x else y

    def backward(ctx, dy: Array) -> Array:
        return dy.reshape(ctx.shape)


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


class Expand(Primitive):
    __slots__ = ("shape",)
    is_view = True
    shape: tuple[int, ...]

    def forward(ctx, x: Array, shape: tuple[int, ...]) -> Array:
        ctx.shape = x.shape
        return xp_of(x).broadcast_to(x, shape)

    def backward(ctx, dy: Array) -> Array:
        return sum_to_shape(dy, ctx.shape)


class Cat(Primitive):
    __slots__ = ("dim", "lengths")
    dim: int
    lengths: tuple[int, ...]

    def forward(ctx, dim: int, *xs: Array) -> Array:
        ctx.dim = dim
        ctx.lengths = tuple(x.shape[dim] for x in xs)
        return xp_of(xs[0]).concatenate(xs, axis=dim)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        before = (slice(None),) * ctx.dim
        parts: list[Any] = [None]
        start = 0
        for length, edge in zip(ctx.lengths, ctx.edges[1:]):
            place = (*before, slice(start, start + length))
            parts.append(dy[place] if edge else None)
            start += length
        return tuple(parts)


def _lengths(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """reshape(2, 3) and reshape((2, 3)) mean the same."""
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        shape = tuple(shape[0])
    return tuple(map(operator.index, shape))


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements, in order, under another shape: a view if the memory allows it, else a copy.

    Args:
        shape: lengths, or one sequence of them; one may be -1, for what is left.
    Raises: ShapeError if the number of elements differs.
    Gradient: dy, reshaped.
    """
    return Reshape.apply(input, _lengths(shape))  # type: ignore[no-any-return]


def view(input: Tensor, *shape: Any) -> Tensor:
    """As reshape, but always a view.

    Raises: ShapeError also if the elements would have to be copied, as in a transposed tensor; use reshape there.
    """
    result = reshape(input, *shape)
    if result._base is None and result.array.size:
        raise ShapeError(f"view: {input.shape} with this memory order is no view of {_lengths(shape)}; use reshape")
    return result


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim as one; a 0-d tensor becomes 1-d.

    Raises: IndexError if a dim is out of range; ShapeError if start_dim comes after end_dim.
    """
    first, last = one_dim("flatten", start_dim, input.ndim), one_dim("flatten", end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in shape {input.shape}")
    count = 1
    for length in input.shape[first : last + 1]:
        count *= length
    return reshape(input, (*input.shape[:first], count, *input.shape[last + 1 :]))


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order, as a view.

    Args:
        dims: every dimension once, or one sequence of them.
    Raises: ShapeError unless each stands there once.
    """
    given = _lengths(dims)
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


def t(input: Tensor) -> Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are.

    Raises: ShapeError for more than 2 dimensions.
    """
    if input.ndim > 2:
        raise ShapeError(f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose(-2, -1)")
    return transpose(input, 0, -1)


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without the dimensions of length 1: all of them, or those of `dim` that have it. A view.

    Raises: IndexError if a dim is out of range.
    """
    if dim is None:
        dims = set(range(input.ndim))
    else:
        dims = {one_dim("squeeze", each, input.ndim) for each in ([dim] if isinstance(dim, int) else dim)}
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of length 1 put in at `dim`. A view.

    Raises: IndexError if the dim is out of range.
    """
    place = one_dim("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:place], 1, *input.shape[place:]))


def expand(input: Tensor, *shape: Any) -> Tensor:
    """Dimensions of length 1 repeated, and new ones put in front, without copying. A view.

    Args:
        shape: the lengths wanted, or one sequence of them; -1 keeps a length.
    Raises: ShapeError if a dimension is neither of length 1 nor of the length wanted.
    Gradient: dy summed over what was repeated.
    """
    wanted = list(_lengths(shape))
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise ShapeError(f"expand: {tuple(wanted)} has fewer dimensions than {input.shape}")
    for place, have in enumerate(input.shape, lead):
        if wanted[place] == -1:
            wanted[place] = have
    if any(length < 0 for length in wanted):
        raise ShapeError(f"expand: {tuple(wanted)}: -1 keeps a length, and a new dimension has none to keep")
    return Expand.apply(input, tuple(wanted))  # type: ignore[no-any-return]


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """As expand."""
    return expand(input, shape)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along `dim`, promoted to one dtype.

    Args:
        tensors: at least one; equal lengths except along `dim`. Those of shape (0,) fit all others.
    Raises: ShapeError for no tensors, 0-d tensors or lengths that differ.
    Gradient: the parts of dy.
    """
    parts = list(tensors)
    if not parts:
        raise ShapeError("cat: expected at least one tensor")
    if any(part.ndim == 0 for part in parts):
        raise ShapeError("cat: 0-d tensors cannot be joined; use stack")
    dtype = result_type(*(part.dtype for part in parts))
    shape = next((part.shape for part in parts if part.shape != (0,)), (0,))
    place = one_dim("cat", dim, len(shape))
    if len(shape) > 1:  # then parts of shape (0,) mean: nothing to add
        parts = [reshape(p, (*shape[:place], 0, *shape[place + 1 :])) if p.shape == (0,) else p for p in parts]
    return Cat.apply(place, *(part if part.dtype == dtype else part.to(dtype) for part in parts))  # type: ignore[no-any-return]


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors along a new dimension.

    Raises: ShapeError for no tensors or shapes that differ.
    """
    parts = list(tensors)
    if not parts:
        raise ShapeError("stack: expected at least one tensor")
    for part in parts:
        if part.shape != parts[0].shape:
            raise ShapeError(f"stack: the shapes differ, {parts[0].shape} and {part.shape}")
    return cat([unsqueeze(part, dim) for part in parts], one_dim("stack", dim, parts[0].ndim + 1))


concatenate = cat
