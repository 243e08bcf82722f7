"""Reading and writing by index: ints, slices, None, Ellipsis, integer and bool tensors, mixed as in NumPy.

Basic indices (no tensors) give views. Unlike NumPy, and as in PyTorch, a slice has a positive step.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gpudl.autograd.grad_mode import mode
from gpudl.autograd.inplace import assign, rebind, require_writable
from gpudl.autograd.primitive import Primitive, check_devices
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import brought
from gpudl.backend.dtypes import category
from gpudl.backend.errors import ShapeError
from gpudl.ops.accumulate import check_on_device
from gpudl.ops.index_arrays import embedded, put_once, read_at
from gpudl.ops.operands import Number, operand, sum_to_shape


class GetItem(Primitive):
    """x[index] for a basic index, a view."""

    __slots__ = ("index", "shape")
    is_view = True
    index: Any
    shape: tuple[int, ...]

    def forward(ctx, x: Array, index: Any) -> Array:
        ctx.index, ctx.shape = index, x.shape
        return x[index]

    def backward(ctx, dy: Array) -> Array:
        return Embed.apply(dy, ctx.index, ctx.shape) if isinstance(dy, Tensor) else embedded(dy, ctx.index, ctx.shape)


class Take(Primitive):
    """x[index] with tensors among the index: a copy, and in backward elements named twice add up."""

    __slots__ = ("index", "shape")
    widens = False
    index: Any
    shape: tuple[int, ...]

    def forward(ctx, x: Array, index: Any) -> Array:
        ctx.index, ctx.shape = index, x.shape
        return read_at(x, index)

    backward = GetItem.backward


class Embed(Primitive):
    """Zeros of `shape` with x added at the index: the adjoint of reading there."""

    __slots__ = ("index",)
    widens = False
    index: Any

    def forward(ctx, x: Array, index: Any, shape: tuple[int, ...]) -> Array:
        ctx.index = index
        return embedded(x, index, shape)

    def backward(ctx, dy: Array) -> Array:
        return dy[ctx.index]


class Put(Primitive):
    """x with the elements at an index of tensors replaced by a value that broadcasts to them."""

    __slots__ = ("index", "value_shape")
    widens = False
    index: Any
    value_shape: tuple[int, ...]

    def forward(ctx, x: Array, value: Array, index: Any) -> Array:
        ctx.index, ctx.value_shape = index, value.shape
        return put_once(x, value, index)

    def backward(ctx, dy: Array) -> tuple[Any, ...]:
        inside = dy[ctx.index]
        keep = xp_of(inside).zeros_like(inside)
        dx = dy.clone() if isinstance(dy, Tensor) else dy.copy()
        dx[ctx.index] = keep
        return dx, sum_to_shape(inside, ctx.value_shape) if ctx.edges[1] else None


def _is_basic(index: tuple[Any, ...]) -> bool:
    return not any(hasattr(part, "dtype") for part in index)


def _normalized(tensor: Tensor, index: Any) -> tuple[Any, ...]:
    """The index as a tuple with arrays for its tensors, checked.

    Raises: IndexError and TypeError as PyTorch; ValueError for a step that is not positive.
    """
    parts = index if isinstance(index, tuple) else (index,)
    check_devices("index", (tensor, *parts))
    found: list[Any] = []
    for part in parts:
        if isinstance(part, (list, np.ndarray)):
            part = np.asarray(part)
            part = wrap(brought(part if part.size else part.astype(np.int64), tensor.device), None)
        elif type(part) is type(tensor.array):
            part = wrap(part, None)
        if isinstance(part, Tensor):
            array = part.array
            if array.dtype.kind not in "biu":
                raise IndexError(f"index: tensors used as an index must be integer or bool, got {array.dtype}")
            if array.ndim == 0 and array.dtype.kind in "iu":
                found.append(int(array))
            else:
                # A graph may keep it, and nobody checks whether the user changes it before backward.
                found.append(array.copy() if mode.enabled else array)
        elif isinstance(part, slice):
            steps = [None if each is None else operator.index(each) for each in (part.start, part.stop, part.step)]
            if steps[2] is not None and steps[2] <= 0:
                raise ValueError(f"index: the step of a slice must be positive, got {steps[2]}; use flip")
            found.append(slice(*steps))
        elif part is None or part is Ellipsis or isinstance(part, bool):
            found.append(brought(np.asarray(part), tensor.device) if isinstance(part, bool) else part)
        elif hasattr(part, "__index__"):
            found.append(part.__index__())
        else:
            raise (IndexError if isinstance(part, float) else TypeError)(
                f"index: expected ints, slices, None, Ellipsis and integer or bool tensors, got {type(part).__name__}"
            )
    if not any(part is Ellipsis for part in found):
        found.append(Ellipsis)  # with it NumPy gives a 0-d view where it would give a scalar
    if any(hasattr(part, "dtype") for part in found):
        _check_arrays(tensor, found)
    return tuple(found)


def _is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"


def _check_arrays(tensor: Tensor, parts: list[Any]) -> None:
    """Raise IndexError for a mask of another shape, which NumPy lets pass where it chooses nothing.

    And in debug mode for numbers out of range, which CUDA devices let pass.
    """
    widths = [part.ndim if _is_mask(part) else part is not None for part in parts]
    dots = next(i for i, part in enumerate(parts) if part is Ellipsis)
    dim = 0
    for i, (part, width) in enumerate(zip(parts, widths)):
        if i == dots:
            dim = tensor.ndim - sum(widths[dots + 1 :])
            continue
        if width and _is_mask(part) and part.shape != tensor.shape[dim : dim + width]:
            raise IndexError(f"index: a mask of shape {part.shape} for a tensor of shape {tensor.shape}, at dim {dim}")
        if hasattr(part, "dtype") and not _is_mask(part) and dim < tensor.ndim:
            length = tensor.shape[dim]
            check_on_device(part, -length, length, f"index into {tensor.shape}", dim)
        dim += width


def _apart(parts: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The index as one without arrays, and one of arrays into what that gives.

    PyTorch takes ints out first. NumPy would treat them as arrays: beside an array, with a slice between them, they
    would move the array's dimensions to the front.
    """
    first: list[Any] = []
    second: list[Any] = []
    for part in parts:
        if hasattr(part, "dtype"):
            first += [slice(None)] * (part.ndim if part.dtype.kind == "b" else 1)
            second.append(part)
        else:
            first.append(part)
            if not isinstance(part, int):
                second.append(part if part is Ellipsis else slice(None))
    return tuple(first), tuple(second)


def getitem(input: Tensor, index: Any) -> Tensor:
    """input[index]: a view for ints, slices, None and Ellipsis; a copy where a tensor is among them.

    Raises: IndexError if an index is out of range or there are too many; ValueError for a step that is not positive.
    Gradient: dy at the index, 0 elsewhere; summed where an index tensor names an element more than once.
    """
    parts = _normalized(input, index)
    if not _is_basic(parts) and any(isinstance(part, int) for part in parts):
        basic, parts = _apart(parts)
        input = getitem(input, basic)
    try:
        return (GetItem if _is_basic(parts) else Take).apply(input, parts)  # type: ignore[no-any-return]
    except (IndexError, ShapeError) as error:
        raise IndexError(f"index: {error}, for a tensor of shape {input.shape}") from error


def setitem(input: Tensor, index: Any, value: Tensor | Number) -> None:
    """input[index] = value, in place; the value broadcasts and is cast to the input's dtype.

    Raises: as getitem; RuntimeError for a leaf that requires grad; ShapeError if the value does not fit.
    Gradient: to the value, the part of dy at the index; to what was there before, dy elsewhere.
    """
    given = operand("setitem", value)
    if not isinstance(given, Tensor):
        given = input.new_full((), given, dtype=input.dtype)
    parts = _normalized(input, index)
    require_writable(input, "setitem")
    if not _is_basic(parts) and any(isinstance(part, int) for part in parts):
        basic, parts = _apart(parts)
        return setitem(getitem(input, basic), parts, value)
    if _is_basic(parts):
        assign(getitem(input, parts), _without_lead(given, parts, input).to(input.dtype), "setitem")
        return
    if category(given.dtype) > category(input.dtype) and category(input.dtype) == 0:
        given = given != 0
    old = wrap(input.array, input._node, input._version)
    try:
        result = Put.apply(old, given.to(input.dtype), parts)
    except IndexError as error:
        raise IndexError(f"setitem: {error}, for a tensor of shape {input.shape}") from error
    rebind(input, result._node)


def _without_lead(value: Tensor, parts: tuple[Any, ...], target: Tensor) -> Tensor:
    """A value with leading dimensions of length 1 that the place does not have, without them."""
    ndim = getitem(target.detach(), parts).ndim
    while value.ndim > ndim and value.shape[0] == 1:
        value = value.reshape(value.shape[1:])
    if value.ndim > ndim:
        raise ShapeError(f"setitem: a value of shape {value.shape} does not fit into {ndim} dimensions")
    return value
