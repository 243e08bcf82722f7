"""What stands before the math: type promotion of operands, dim arguments, and undoing broadcasts in a backward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive, as_array
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import DType, category, float32, get_default_dtype, largest, number_dtype, promote_ranked
from gpudl.backend.errors import ShapeError

Number = bool | int | float
Dim = int | Sequence[int] | None
_NUMBERS = (bool, int, float)
_WIDEST = np.dtype(np.int64)


class Binary(Primitive):
    """Base of elementwise operations on two operands, Tensors of one dtype or a Tensor and a Python number.

    Attributes:
        shapes: the operands' shapes, or None when no gradient needs summing over broadcast dimensions.
    """

    __slots__ = ("shapes",)
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None

    def note_shapes(ctx, x: Any, y: Any) -> None:
        """Remember in forward what `fit` needs in backward."""
        x_shape, y_shape = getattr(x, "shape", None), getattr(y, "shape", None)
        # A number, which has no shape, broadcasts and wants no gradient.
        ctx.shapes = None if x_shape == y_shape or x_shape is None or y_shape is None else (x_shape, y_shape)

    def fit(ctx, dx: Any, dy: Any) -> tuple[Any, Any]:
        """The gradients summed to the shapes of the operands."""
        if ctx.shapes is None:
            return dx, dy
        x_shape, y_shape = ctx.shapes
        return (
            None if dx is None else sum_to_shape(dx, x_shape),
            None if dy is None else sum_to_shape(dy, y_shape),
        )


def broadcast(y: Array, shape: tuple[int, ...]) -> Array:
    """y repeated to a shape that it broadcasts to; only for reading."""
    if isinstance(y, Tensor):
        return y.broadcast_to(shape)
    y = as_array(y)  # NumPy's arithmetic gives numbers where its operands were 0-d
    return backend_of(y).broadcast(y, shape)


def sum_to_shape(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Undo a broadcast: sum over the dimensions that it added or stretched."""
    have = gradient.shape
    if have == shape:
        return gradient
    lead = len(have) - len(shape)
    axes = (*range(lead), *(i for i, length in enumerate(shape, lead) if length == 1 and have[i] != 1))
    if not lead:  # no view, of which whoever keeps it would make a copy
        return total(gradient, axes, True)
    return total(gradient, axes) if len(axes) == lead else total(gradient, axes).reshape(shape)


def widened(x: Array) -> Array:
    """Half floats as float32, in which they are summed: in their own precision a sum of 1s ends at 2048."""
    return x.astype(float32) if x.dtype.char in "eE" else x


def narrowed(y: Array, dtype: DType) -> Array:
    """A result of `widened` values as `dtype` again."""
    return y if y.dtype is dtype or y.dtype == dtype else y.astype(dtype)


def total(x: Array, axis: Any, keepdims: bool = False) -> Array:
    """The sum along axes, in the array's dtype; half floats are added up in float32."""
    if x.dtype.kind not in "fV":
        return x.sum(axis=axis, dtype=x.dtype, keepdims=keepdims)  # NumPy would sum small integers in int64
    if isinstance(x, Tensor):
        return x.sum(axis=axis, keepdims=keepdims)
    x = as_array(x)
    return backend_of(x).sum(x, axis, keepdims)


def binary(cls: type[Binary], x: Any, y: Any) -> Tensor:
    """Apply a two-operand primitive after PyTorch's type promotion."""
    if isinstance(x, Tensor) and isinstance(y, Tensor) and x.array.dtype is y.array.dtype:
        return cls.apply_pair(x, y)
    # A number beside a floating Tensor changes nothing, and is too frequent to go through promotion.
    if type(y) not in (float, int) or not isinstance(x, Tensor) or x.array.dtype.kind not in "fV":
        x, y = promoted(cls.name(), x, y)
    return cls.apply(x, y)  # type: ignore[no-any-return]


def promoted(name: str, x: Any, y: Any, floating: bool = False) -> tuple[Any, Any]:
    """Operands of one dtype: Tensors cast where they must be, Python numbers left bare beside a Tensor.

    Args:
        name: the operation, for messages.
        x, y: Tensors, Python or NumPy numbers; at least one Tensor.
        floating: turn integers and bools into the default floating dtype.
    Raises: TypeError for anything else.
    """
    x, y = operand(name, x), operand(name, y)
    dtype = result_type(x, y)
    if floating and category(dtype) < 2:
        dtype = get_default_dtype()
    return _cast(x, dtype), _cast(y, dtype)


def tensors(name: str, x: Any, y: Any, floating: bool = False) -> tuple[Tensor, Tensor]:
    """Two Tensors of one dtype, for operations that, in PyTorch, take no numbers.

    Raises: TypeError for numbers, and as `promoted`.
    """
    for value in (x, y):
        if not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(f"{name}: expected Tensors, got {type(value).__name__}; make one with gpudl.tensor")
    return promoted(name, x, y, floating)


def as_tensors(name: str, x: Any, y: Any, floating: bool = False) -> tuple[Tensor, Tensor]:
    """Two Tensors of one dtype; a number as a 0-d tensor beside the other.

    Raises: TypeError for two numbers, and as `promoted`.
    """
    x, y = promoted(name, x, y, floating)
    if not isinstance(x, Tensor):
        if not isinstance(y, Tensor):
            raise TypeError(f"{name}: expected a Tensor among the operands, got {x} and {y}")
        return y.new_full((), x, dtype=y.dtype), y
    return x, y if isinstance(y, Tensor) else x.new_full((), y, dtype=x.dtype)


def operand(name: str, value: Any) -> Any:
    """A Tensor or a Python number as it is; a NumPy scalar as a Python number; a NumPy array as a Tensor."""
    if isinstance(value, np.generic):  # asked first: np.float64 is a float, and would make float64 of its neighbor
        return value.item()
    if isinstance(value, (Tensor, *_NUMBERS)):
        return value
    if isinstance(value, np.ndarray):
        return wrap(value, None)
    raise TypeError(f"{name}: expected a Tensor or a number, got {type(value).__name__}")


def result_type(*operands: Any) -> DType:
    """The dtype of an operation on these Tensors, dtypes and Python numbers, by PyTorch's rules."""
    ranks: tuple[list[DType], list[DType], list[DType]] = ([], [], [])
    for value in operands:
        if isinstance(value, Tensor):
            ranks[0 if value.array.ndim else 1].append(value.array.dtype)
        elif isinstance(value, _NUMBERS):
            ranks[2].append(number_dtype(value))
        else:
            ranks[0].append(value)
    return promote_ranked(*ranks)


def _cast(value: Any, dtype: DType) -> Any:
    if isinstance(value, Tensor):
        return value if value.array.dtype == dtype else value.to(dtype)
    if dtype.kind in "iu" and not _fits(value, dtype):
        if not _fits(value, _WIDEST):
            raise RuntimeError(f"{value} does not fit into {_WIDEST}, nor into any other dtype of integers")
        return int(np.array(value).astype(dtype))  # wraps around, as in C and PyTorch
    return value


def _fits(number: Any, dtype: DType) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= number <= limits.max)


def fitted(name: str, number: Number, dtype: DType) -> Number:
    """A number to be stored as `dtype`, cut to an integer and wrapped to an unsigned one where that is asked for.

    Raises: RuntimeError, as PyTorch, where the dtype cannot hold it; arithmetic wraps instead, see `promoted`.
    """
    if dtype.kind == "b":
        return bool(number)
    if dtype.kind in "fV":
        if math.isfinite(number) and abs(number) > largest(dtype):
            raise RuntimeError(f"{name}: {number} is too large for {dtype}")
        return float(number)
    limits = np.iinfo(dtype)
    if limits.min <= number <= limits.max:
        return int(number)
    if limits.min == 0 and isinstance(number, int) and -limits.max <= number < 0:
        return number + limits.max + 1
    raise RuntimeError(f"{name}: {number} does not fit into {dtype}")


def floating_only(name: str, input: Tensor) -> Tensor:
    """The tensor itself.

    Raises: RuntimeError unless it is floating point; TypeError if it is no Tensor.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}")
    if input.array.dtype.kind not in "fV":
        raise RuntimeError(f"{name}: the input is {input.dtype}; cast it to a floating dtype first")
    return input


def one_dim(name: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front.

    Raises: IndexError if it is out of range; a 0-d tensor has dims -1 and 0, as in PyTorch.
    """
    if type(dim) is int and -ndim <= dim < ndim:
        return dim % ndim
    span = max(ndim, 1)
    if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool):
        raise TypeError(f"{name}: dim must be an int, got {type(dim).__name__}")
    if not -span <= dim < span:
        raise IndexError(f"{name}: dim {dim} is out of range for a {ndim}-d tensor; use {-span} to {span - 1}")
    return int(dim) % span


def dims_of(name: str, dim: Dim, ndim: int) -> tuple[int, ...]:
    """The dimensions that a reduction runs over, counted from the front; all of them for None and for ().

    Raises: IndexError if one is out of range, ShapeError if one stands twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (int, np.integer)):
        place = one_dim(name, int(dim), ndim)
        return (place,) if ndim else ()
    found = tuple(one_dim(name, each, ndim) for each in dim) or tuple(range(ndim))
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: dim {dim} names a dimension twice")
    return found if ndim else ()


def aliased(name: str, dim: Any, axis: Any) -> Any:
    """`dim`, or NumPy's `axis` given instead."""
    if axis is None:
        return dim
    if dim is not None:
        raise TypeError(f"{name}: give dim or its alias axis, not both")
    return axis


def counting(like: Array, count: int) -> Array:
    """0, 1, ... count - 1 where `like` is: an array, or a Tensor beside a Tensor."""
    if isinstance(like, Tensor):
        return wrap(xp_of(like.array).arange(count), None)
    return xp_of(like).arange(count)


def listed(name: str, given: tuple[Any, ...], named: Any = None) -> tuple[Any, ...]:
    """What may be given one by one, as one sequence, or by name: f(2, 3), f((2, 3)) and f(size=(2, 3)).

    Raises: TypeError if it is given twice or not at all.
    """
    if named is not None:
        if given:
            raise TypeError(f"{name}: an argument is given both by position and by name")
        given = (named,)
    elif not given:
        raise TypeError(f"{name}: an argument is missing")
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], Sequence) else given
