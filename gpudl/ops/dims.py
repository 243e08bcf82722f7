"""More views: dimensions split, moved, put in front and repeated; several tensors broadcast to one shape."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.errors import ShapeError
from gpudl.ops import shape
from gpudl.ops.operands import listed, one_dim, sum_to_shape
from gpudl.ops.shape import writable

__all__ = [
    "adjoint", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors", "broadcast_to",
    "moveaxis", "movedim", "numel", "ravel", "unflatten",
]  # fmt: skip


class Expand(Primitive):
    __slots__ = ("shape",)
    is_view = True
    shape: tuple[int, ...]

    def forward(ctx, x: Array, shape: tuple[int, ...]) -> Array:
        ctx.shape = x.shape
        return writable(xp_of(x).broadcast_to(x, shape), x)

    def backward(ctx, dy: Array) -> Array:
        return sum_to_shape(dy, ctx.shape)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(input.array.size)


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension, in C order: a view if they lie so, else a copy."""
    return shape.reshape(input, (-1,) if input.array.size else (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several. A view.

    Args:
        dim: the dimension.
        sizes: lengths whose product is the dimension's; one may be -1, for what is left.
    Raises: IndexError if dim is out of range; ShapeError if the product differs or there are no sizes.
    """
    if not isinstance(sizes, Sequence):
        raise TypeError(f"unflatten: sizes must be a tuple or list of ints, got {type(sizes).__name__}")
    lengths = list(map(operator.index, sizes))
    if not lengths:
        raise ShapeError("unflatten: there must be at least one length")
    place = one_dim("unflatten", dim, input.ndim)
    if not input.ndim:
        raise ShapeError("unflatten: a 0-d tensor has no dimension")
    have = input.shape[place]
    known = math.prod(length for length in lengths if length != -1)
    if lengths.count(-1) == 1 and known and have % known == 0:
        lengths[lengths.index(-1)] = have // known
    if min(lengths) < 0 or math.prod(lengths) != have:
        raise ShapeError(f"unflatten: {tuple(sizes)} does not multiply to {have}, the length of dimension {dim}")
    return shape.reshape(input, (*input.shape[:place], *lengths, *input.shape[place + 1 :]))


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Dimensions moved to other places, the rest in their order. A view.

    Args:
        source, destination: one dimension or as many in both.
    Raises: IndexError if a dim is out of range; ShapeError if the numbers differ or one stands twice.
    """
    ndim = input.ndim
    sources = (source,) if isinstance(source, int) else tuple(source)
    places = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(sources) != len(places):
        raise ShapeError(f"movedim: {len(sources)} dimensions cannot move to {len(places)} places")
    sources = tuple(one_dim("movedim", dim, ndim) for dim in sources)
    places = tuple(one_dim("movedim", dim, ndim) for dim in places)
    if len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise ShapeError(f"movedim: {source} to {destination} names a dimension twice")
    rest = iter([dim for dim in range(ndim) if dim not in sources])
    moved = dict(zip(places, sources))
    return shape.permute(input, tuple(moved[dim] if dim in moved else next(rest) for dim in range(ndim)))


moveaxis = movedim


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged; without complex numbers the same as mT. A view.

    Raises: ShapeError for fewer than 2 dimensions.
    """
    if input.ndim == 1:
        raise ShapeError(f"adjoint: expected matrices, got shape {input.shape}")
    return shape.transpose(input, -2, -1) if input.ndim else shape.reshape(input, ())


def atleast_1d(*tensors: Any) -> Any:
    """A view with at least 1 dimension; of several tensors, or one sequence of them, a tuple of views."""
    return _each(tensors, lambda x: x if x.ndim else shape.reshape(x, (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """A view with at least 2 dimensions, new ones in front; of several tensors a tuple of views."""
    return _each(tensors, lambda x: x if x.ndim > 1 else shape.reshape(x, (1, x.array.size)))


def atleast_3d(*tensors: Any) -> Any:
    """A view with at least 3 dimensions: (n,) as (1, n, 1), (n, m) as (n, m, 1); of several a tuple of them."""

    def raised(x: Tensor) -> Tensor:
        return shape.unsqueeze(atleast_2d(x), -1) if x.ndim < 3 else x

    return _each(tensors, raised)


def _each(tensors: tuple[Any, ...], function: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    return tuple(map(function, tensors[0] if len(tensors) == 1 else tensors))


def expand(input: Tensor, *args: Any, size: Any = None) -> Tensor:
    """Dimensions of length 1 repeated, and new ones put in front, without copying. A view.

    Args:
        args: the lengths wanted, or one sequence of them; -1 keeps a length.
        size: the same by name.
    Raises: ShapeError if a dimension is neither of length 1 nor of the length wanted.
    Gradient: dy summed over what was repeated.
    """
    wanted = list(map(operator.index, listed("expand", args, size)))
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise ShapeError(f"expand: {tuple(wanted)} has fewer dimensions than {input.shape}")
    for place, have in enumerate(input.shape, lead):
        if wanted[place] == -1:
            wanted[place] = have
    if any(length < 0 for length in wanted):
        raise ShapeError(f"expand: {tuple(wanted)}: -1 keeps a length, and a new dimension has none to keep")
    return Expand.apply(input, tuple(wanted))  # type: ignore[no-any-return]


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """As expand."""
    return expand(input, size)


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """The shape to which all of these broadcast; an int n stands for (n,).

    Raises: ShapeError if they do not.
    """
    given = [(s,) if isinstance(s, int) else tuple(map(operator.index, s)) for s in shapes]
    result = [1] * max(map(len, given), default=0)
    for lengths in given:
        for place, length in enumerate(lengths, len(result) - len(lengths)):
            if length < 0:
                raise ShapeError(f"broadcast_shapes: a shape has no negative lengths, got {lengths}")
            if length != 1:
                if result[place] not in (1, length):
                    raise ShapeError(f"broadcast_shapes: {', '.join(map(str, given))} do not broadcast together")
                result[place] = length
    return tuple(result)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to one shape. Views; the gradient is summed over what was repeated.

    Raises: ShapeError if the shapes do not broadcast.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    wanted = broadcast_shapes(*(each.shape for each in given))
    return tuple(expand(each, wanted) for each in given)
