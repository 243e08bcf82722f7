"""Comparisons and logic: bool results, no gradients."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.device import to_host
from gpudl.ops.operands import Number, promoted
from gpudl.ops.unary import tensor_only

__all__ = [
    "allclose", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "equal", "ge", "greater",
    "greater_equal", "gt", "isclose", "isfinite", "isinf", "isnan", "le", "less", "less_equal", "lt", "ne", "not_equal",
]  # fmt: skip


class Compare(Primitive):
    """relation(x, y), elementwise."""

    __slots__ = ()
    differentiable = False

    def forward(ctx, relation: Callable[[Array, Array], Array], x: Array, y: Array) -> Array:
        return relation(x, y)


_NAMES = ("eq", "ne", "lt", "le", "gt", "ge", "bitwise_and", "bitwise_or", "bitwise_xor", "isclose")
_PRIMITIVES: dict[str, Any] = {name: type(name, (Compare,), {"__slots__": ()}) for name in _NAMES}


def _compare(name: str, relation: Callable[[Any, Any], Any], x: Any, y: Any) -> Tensor:
    x, y = promoted(name, tensor_only(name, x), y)
    return _PRIMITIVES[name].apply(relation, x, y)  # type: ignore[no-any-return]


def eq(input: Tensor, other: Tensor | Number) -> Tensor:
    """input == other, elementwise; nan equals nothing."""
    return _compare("eq", operator.eq, input, other)


def ne(input: Tensor, other: Tensor | Number) -> Tensor:
    """input != other, elementwise."""
    return _compare("ne", operator.ne, input, other)


def lt(input: Tensor, other: Tensor | Number) -> Tensor:
    """input < other, elementwise."""
    return _compare("lt", operator.lt, input, other)


def le(input: Tensor, other: Tensor | Number) -> Tensor:
    """input <= other, elementwise."""
    return _compare("le", operator.le, input, other)


def gt(input: Tensor, other: Tensor | Number) -> Tensor:
    """input > other, elementwise."""
    return _compare("gt", operator.gt, input, other)


def ge(input: Tensor, other: Tensor | Number) -> Tensor:
    """input >= other, elementwise."""
    return _compare("ge", operator.ge, input, other)


def _bits(name: str, relation: Callable[[Any, Any], Any], x: Any, y: Any) -> Tensor:
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        raise TypeError(f"{name}: expected a Tensor among the operands, got {x!r} and {y!r}")
    x, y = promoted(name, x, y)
    for value in (x, y):
        if isinstance(value, float) or (isinstance(value, Tensor) and value.dtype.kind in "fV"):
            raise RuntimeError(f"{name}: bitwise operations need bools or integers, got a floating point operand")
    return _PRIMITIVES[name].apply(relation, x, y)  # type: ignore[no-any-return]


def bitwise_and(input: Tensor, other: Tensor | Number) -> Tensor:
    """input & other: logical for bools, bit by bit for integers."""
    return _bits("bitwise_and", operator.and_, input, other)


def bitwise_or(input: Tensor, other: Tensor | Number) -> Tensor:
    """input | other: logical for bools, bit by bit for integers."""
    return _bits("bitwise_or", operator.or_, input, other)


def bitwise_xor(input: Tensor, other: Tensor | Number) -> Tensor:
    """input ^ other: logical for bools, bit by bit for integers."""
    return _bits("bitwise_xor", operator.xor, input, other)


def bitwise_not(input: Tensor) -> Tensor:
    """~input: logical for bools, bit by bit for integers.

    Raises: RuntimeError for floating point.
    """
    if input.dtype.kind in "fV":
        raise RuntimeError(f"bitwise_not: bitwise operations need bools or integers, got {input.dtype}")
    return Compare.apply(lambda x, _: ~x, input, None)  # type: ignore[no-any-return]


def isnan(input: Tensor) -> Tensor:
    """True where the value is not a number."""
    return Compare.apply(lambda x, _: xp_of(x).isnan(x), input, None)  # type: ignore[no-any-return]


def isinf(input: Tensor) -> Tensor:
    """True where the value is inf or -inf."""
    return Compare.apply(lambda x, _: xp_of(x).isinf(x), input, None)  # type: ignore[no-any-return]


def isfinite(input: Tensor) -> Tensor:
    """True where the value is neither inf nor nan."""
    return Compare.apply(lambda x, _: xp_of(x).isfinite(x), input, None)  # type: ignore[no-any-return]


def equal(input: Tensor, other: Tensor) -> bool:
    """True if both have the same shape and elements; a Python bool.

    Raises: DeviceError if the devices differ.
    """
    return input.shape == other.shape and bool(to_host(eq(input, other).array).all())


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """abs(input - other) <= atol + rtol * abs(other), elementwise; equal infinities are close.

    Raises: ShapeError if the shapes do not broadcast; RuntimeError if the dtypes differ, as in PyTorch.
    """
    tensor_only("isclose", input), tensor_only("isclose", other)
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: the dtypes differ, {input.dtype} and {other.dtype}")

    def close(x: Array, y: Array) -> Array:
        return xp_of(x).isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)

    return _PRIMITIVES["isclose"].apply(close, input, other)  # type: ignore[no-any-return]


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """True if all elements are close; a Python bool. Arguments and errors as in isclose."""
    return bool(to_host(isclose(input, other, rtol, atol, equal_nan).array).all())


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
