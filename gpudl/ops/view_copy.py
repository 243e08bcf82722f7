"""Views turned into copies: x with one of its views replaced (..._scatter), and copies of views (..._copy)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gpudl.autograd.inplace import assign
from gpudl.autograd.tensor import Tensor
from gpudl.backend.errors import ShapeError
from gpudl.ops import diagonal as diagonals
from gpudl.ops import dims, shape, sliding, split
from gpudl.ops.cast import clone, contiguous
from gpudl.ops.operands import one_dim

__all__ = [
    "alias_copy", "detach_copy", "diagonal_copy", "diagonal_scatter", "expand_copy", "narrow_copy", "permute_copy",
    "select_copy", "select_scatter", "slice_copy", "slice_scatter", "split_copy", "split_with_sizes_copy",
    "squeeze_copy", "t_copy", "transpose_copy", "unbind_copy", "unfold_copy", "unsqueeze_copy", "view_copy",
]  # fmt: skip


def _slice(input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """input[start:end:step] along a dimension."""
    if not input.ndim:
        raise IndexError("slice: a 0-d tensor has nothing to slice")
    if step <= 0:
        raise ValueError(f"slice: step must be positive, got {step}; use flip")
    return split.part(input, one_dim("slice", dim, input.ndim), slice(start, end, step))


def _replaced(name: str, input: Tensor, view: Callable[[Tensor], Tensor], src: Tensor) -> Tensor:
    """A copy of the input with one of its views overwritten; autograd follows in-place changes of views."""
    copy = clone(input)
    hole = view(copy)
    if hole.shape != src.shape:
        raise ShapeError(f"{name}: src must have the shape {hole.shape} of what it replaces, got {src.shape}")
    assign(hole, src.to(copy.dtype), name)
    return copy


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of the input with select(dim, index) replaced.

    Raises: ShapeError if src has not that slice's shape; IndexError if dim or index is out of range.
    Gradient: dy outside the slice; to src, dy there.
    """
    return _replaced("select_scatter", input, lambda x: split.select(x, dim, index), src)


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of the input with [start:end:step] along a dimension replaced.

    Raises: ShapeError if src has not that part's shape; IndexError if dim is out of range; ValueError for step < 1.
    Gradient: dy outside that part; to src, dy there.
    """
    return _replaced("slice_scatter", input, lambda x: _slice(x, dim, start, end, step), src)


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of the input with diagonal(offset, dim1, dim2) replaced.

    Raises: ShapeError if src has not that diagonal's shape; IndexError if a dim is out of range.
    Gradient: dy off the diagonal; to src, dy there.
    """
    return _replaced("diagonal_scatter", input, lambda x: diagonals.diagonal(x, offset, dim1, dim2), src)


def _copied(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its views copied."""

    @functools.wraps(function)
    def copying(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return tuple(map(clone, result)) if isinstance(result, tuple) else clone(result)

    copying.__name__ = copying.__qualname__ = name
    copying.__module__ = __name__
    copying.__doc__ = (
        f"A copy of what {name.removesuffix('_copy')} gives as a view; arguments, errors, gradient as there."
    )
    return copying


def _alias(input: Tensor) -> Tensor:
    return input


def _detached(input: Tensor) -> Tensor:
    return input.detach()


def _viewed(input: Tensor, *args: Any, size: Any = None, dtype: Any = None) -> Tensor:
    return shape.view(contiguous(input), *args, size=size, dtype=dtype)


alias_copy = _copied("alias_copy", _alias)
detach_copy = _copied("detach_copy", _detached)
diagonal_copy = _copied("diagonal_copy", diagonals.diagonal)
expand_copy = _copied("expand_copy", dims.expand)
narrow_copy = _copied("narrow_copy", split.narrow)
permute_copy = _copied("permute_copy", shape.permute)
select_copy = _copied("select_copy", split.select)
slice_copy = _copied("slice_copy", _slice)
split_copy = _copied("split_copy", split.split)
split_with_sizes_copy = _copied("split_with_sizes_copy", split.split_with_sizes)
squeeze_copy = _copied("squeeze_copy", shape.squeeze)
t_copy = _copied("t_copy", shape.t)
transpose_copy = _copied("transpose_copy", shape.transpose)
unbind_copy = _copied("unbind_copy", split.unbind)
unfold_copy = _copied("unfold_copy", sliding.unfold)
unsqueeze_copy = _copied("unsqueeze_copy", shape.unsqueeze)
view_copy = _copied("view_copy", _viewed)
