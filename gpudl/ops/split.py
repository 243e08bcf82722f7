"""Parts of a tensor, as views: split, chunk, unbind, select, narrow and their kin."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.primitive import Primitive, link_view
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.errors import ShapeError
from gpudl.backend.join import joined
from gpudl.ops.index import GetItem
from gpudl.ops.operands import one_dim
from gpudl.ops.shape import cat

__all__ = [
    "chunk", "dsplit", "hsplit", "narrow", "select", "split", "split_with_sizes", "tensor_split", "unbind",
    "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "vsplit",
]  # fmt: skip


def part(input: Tensor, dim: int, index: Any) -> Tensor:
    """A basic index into one dimension, counted from the front. A view."""
    return GetItem.apply(input, (*(slice(None),) * dim, index, Ellipsis))  # type: ignore[no-any-return]


class Split(Primitive):
    """The parts of lengths along a dimension that they make up, as views; without that dimension where `single`."""

    __slots__ = ("dim", "lengths", "single")
    widens = False
    fills = False
    dim: int
    lengths: tuple[int, ...]
    single: bool

    def forward(ctx, x: Array, dim: int, lengths: tuple[int, ...], single: bool) -> tuple[Array, ...]:
        ctx.dim, ctx.lengths, ctx.single = dim, lengths, single
        return tuple(x[index] for index in _indices(dim, lengths, single))

    def backward(ctx, *dys: Array | None) -> Array:
        """One array for the gradients of all parts, where each alone would be one of the input's size."""
        dim = ctx.dim
        apart = (*(slice(None),) * dim, None if ctx.single else slice(None))
        given = [None if dy is None else dy[apart] for dy in dys]
        some = next(dy for dy in dys if dy is not None)
        if not isinstance(some, Tensor):
            return joined(dim, ctx.lengths, given)
        blank = zip(given, ctx._likes)
        return cat([some.new_zeros(shape)[apart] if dy is None else dy for dy, (shape, _) in blank], dim)


def _indices(dim: int, lengths: tuple[int, ...], single: bool) -> list[Any]:
    """The indices of parts of these lengths that follow each other."""
    before, ends = (slice(None),) * dim, list(itertools.accumulate(lengths))
    starts = zip(ends, lengths)
    return [(*before, end - 1 if single else slice(end - length, end), Ellipsis) for end, length in starts]


def parted(input: Tensor, dim: int, lengths: tuple[int, ...], single: bool = False) -> tuple[Tensor, ...]:
    """The views of Split, each of them a view as by part, so that changes of one are seen in the others."""
    indices = _indices(dim, lengths, single)
    if len(indices) < 2 or not (mode.enabled and input.requires_grad):
        return tuple(GetItem.apply(input, index) for index in indices)
    outputs: tuple[Tensor, ...] = Split.apply(input, dim, lengths, single)
    for output, index in zip(outputs, indices):
        link_view(GetItem, (input, index), output)
    return outputs


def place_of(name: str, input: Tensor, dim: int) -> int:
    """`dim` counted from the front, of a tensor that has dimensions.

    Raises: ShapeError for a 0-d tensor; IndexError if dim is out of range.
    """
    if not input.ndim:
        raise ShapeError(f"{name}: a 0-d tensor has no parts")
    return one_dim(name, dim, input.ndim)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension into parts of one length, the last one shorter, or of given lengths. Views.

    Args:
        split_size_or_sections: the length of the parts, or a sequence of their lengths.
    Raises: ShapeError for lengths that are negative or do not sum to the dimension's; IndexError for a bad dim.
    """
    if isinstance(split_size_or_sections, Sequence):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    size = operator.index(split_size_or_sections)
    place = place_of("split", tensor, dim)
    length = tensor.shape[place]
    if size < 0 or (size == 0 and length):
        raise ShapeError(f"split: a part of dimension {dim} of {tensor.shape} must have a positive length, got {size}")
    starts = range(0, max(length, 1), size or 1)
    return parted(tensor, place, tuple(min(size, length - start) for start in starts))


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension into parts of these lengths. Views.

    Raises: ShapeError for lengths that are negative or do not sum to the dimension's; IndexError for a bad dim.
    """
    place = place_of("split_with_sizes", input, dim)
    sizes = tuple(map(operator.index, split_sizes))
    if any(size < 0 for size in sizes) or sum(sizes) != input.shape[place]:
        raise ShapeError(f"split_with_sizes: {sizes} does not cut dimension {dim} of {input.shape} into parts")
    return parted(input, place, sizes)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension into at most `chunks` parts of one length, the last one shorter. Views.

    Raises: ShapeError unless chunks > 0; IndexError for a bad dim.
    """
    if chunks <= 0:
        raise ShapeError(f"chunk: the number of parts must be positive, got {chunks}")
    place = place_of("chunk", input, dim)
    length = input.shape[place]
    return split(input, -(-length // chunks), place) if length else split_with_sizes(input, [0] * chunks, place)


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, sections: Any = None, indices: Any = None
) -> tuple[Tensor, ...]:
    """The tensor cut along a dimension into a number of nearly equal parts, or before given indices. Views.

    Args:
        indices_or_sections: an int (or 0-d tensor): how many parts, the longer ones first. A sequence (or 1-d int64
            tensor): where to cut, as slices count.
        sections, indices: other names for it.
    Raises: ShapeError for a 0-d input or a number of parts that is not positive; IndexError for a bad dim.
    """
    place = place_of("tensor_split", input, dim)
    given: Any = next((each for each in (indices_or_sections, sections, indices) if each is not None), None)
    if isinstance(given, Tensor):
        if given.dtype != "int64" or given.ndim > 1:
            raise ShapeError(f"tensor_split: expected a 0-d or 1-d int64 tensor, got {given.dtype} {given.shape}")
        given = given.tolist()
    if isinstance(given, Sequence):
        cuts = list(map(operator.index, given))
        bounds = list(zip([0, *cuts], [*cuts, input.shape[place]]))
    else:
        count = operator.index(given)
        if count <= 0:
            raise ShapeError(f"tensor_split: the number of parts must be positive, got {count}")
        length, longer = divmod(input.shape[place], count)
        starts = [i * length + min(i, longer) for i in range(count + 1)]
        return parted(input, place, tuple(stop - start for start, stop in itertools.pairwise(starts)))
    return tuple(part(input, place, slice(*bound)) for bound in bounds)


def _split_along(name: str, input: Tensor, given: int | Sequence[int], dim: int) -> tuple[Tensor, ...]:
    """hsplit, vsplit and dsplit: a number of parts must divide the length."""
    if not isinstance(given, Sequence) and (given <= 0 or input.shape[dim] % given):
        raise ShapeError(f"{name}: {given} equal parts of dimension {dim} of {input.shape} cannot be made")
    return tensor_split(input, given, dim)


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along dimension 1, or 0 of a 1-d tensor, into equal parts or before indices.

    Raises: ShapeError for a 0-d tensor, or a number that does not divide the length.
    """
    if not input.ndim:
        raise ShapeError("hsplit: expected at least 1 dimension")
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along dimension 0, into equal parts or before indices.

    Raises: ShapeError for fewer than 2 dimensions, or a number that does not divide the length.
    """
    if input.ndim < 2:
        raise ShapeError(f"vsplit: expected at least 2 dimensions, got shape {input.shape}")
    return _split_along("vsplit", input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """tensor_split along dimension 2, into equal parts or before indices.

    Raises: ShapeError for fewer than 3 dimensions, or a number that does not divide the length.
    """
    if input.ndim < 3:
        raise ShapeError(f"dsplit: expected at least 3 dimensions, got shape {input.shape}")
    return _split_along("dsplit", input, indices_or_sections, 2)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along a dimension, which is gone in them. Views.

    Raises: ShapeError for a 0-d tensor; IndexError if dim is out of range.
    """
    if not input.ndim:
        raise IndexError("unbind: a 0-d tensor has no dimension to go along")
    place = one_dim("unbind", dim, input.ndim)
    return parted(input, place, (1,) * input.shape[place], single=True)


def select(input: Tensor, dim: int, index: int | Tensor) -> Tensor:
    """One slice along a dimension, which is gone in it. A view.

    Raises: IndexError for a 0-d tensor, or if dim or index is out of range.
    """
    if not input.ndim:
        raise IndexError("select: a 0-d tensor has nothing to select from")
    place = one_dim("select", dim, input.ndim)
    number = operator.index(index)
    if not -input.shape[place] <= number < input.shape[place]:
        raise IndexError(f"select: index {number} is out of range for dimension {dim} of {input.shape}")
    return part(input, place, number)


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """`length` elements from `start` on along a dimension. A view.

    Args:
        start: an int or a 0-d tensor of one; negative counts from the end.
    Raises: ShapeError for a 0-d tensor, a negative length or one that reaches past the end; IndexError if dim or
        start is out of range.
    """
    place = place_of("narrow", input, dim)
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError(f"narrow: start must be an int or a 0-d tensor of one, got {start.dtype} {start.shape}")
    first, have = operator.index(start), input.shape[place]
    if length < 0:
        raise ShapeError(f"narrow: length must not be negative, got {length}")
    if not -have <= first <= have:
        raise IndexError(f"narrow: start {first} is out of range for dimension {dim} of {input.shape}")
    first += have if first < 0 else 0
    if first + length > have:
        raise ShapeError(f"narrow: {first} + {length} reaches past the end of dimension {dim} of {input.shape}")
    return part(input, place, slice(first, first + length))


unsafe_chunk, unsafe_split, unsafe_split_with_sizes = chunk, split, split_with_sizes
