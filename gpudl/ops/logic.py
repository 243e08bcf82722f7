"""Logic, whole numbers and membership: operations without gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.comparison import Compare
from gpudl.ops.operands import Number, as_tensors, operand, promoted, tensors
from gpudl.ops.unary import tensor_only

__all__ = [
    "bitwise_left_shift", "bitwise_right_shift", "gcd", "isin", "lcm", "logical_and", "logical_not", "logical_or",
    "logical_xor",
]  # fmt: skip


def _logical(name: str, x: Tensor, y: Tensor) -> Tensor:
    tensor_only(name, x)
    return Compare.apply(lambda x, y: getattr(xp_of(x), name)(x, y), x, tensor_only(name, y))  # type: ignore[no-any-return]


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """True where neither is 0; bool."""
    return _logical("logical_and", input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """True where one is not 0; bool."""
    return _logical("logical_or", input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """True where exactly one is not 0; bool."""
    return _logical("logical_xor", input, other)


def logical_not(input: Tensor) -> Tensor:
    """True where the input is 0; bool."""
    return Compare.apply(lambda x, _: xp_of(x).logical_not(x), tensor_only("logical_not", input), None)  # type: ignore[no-any-return]


def _whole(name: str, function: Callable[[Array, Array], Array], x: Any, y: Any) -> Tensor:
    x, y = as_tensors(name, x, y)
    if x.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: expected integers, got {x.dtype}")
    return Compare.apply(function, x, y)  # type: ignore[no-any-return]


def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input << other for integers; 0 for shifts that are negative or beyond the bits of the dtype."""
    return _whole("bitwise_left_shift", lambda x, y: xp_of(x).left_shift(x, y), input, other)


def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input >> other for integers, the sign kept; shifts that are negative or beyond the bits leave the sign alone."""
    return _whole("bitwise_right_shift", lambda x, y: xp_of(x).right_shift(x, y), input, other)


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, not negative; 0 for two zeros."""
    return _whole("gcd", lambda x, y: xp_of(x).gcd(x, y), *tensors("gcd", input, other))


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, not negative."""
    return _whole("lcm", lambda x, y: xp_of(x).lcm(x, y), *tensors("lcm", input, other))


def isin(
    elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """True for the elements that are among the others.

    Args:
        elements, test_elements: Tensors of any shape, or one of them a number.
        assume_unique: say that no element stands twice in either, which may be faster.
        invert: True for those that are not.
    Returns: bool, the shape of elements.
    Raises: TypeError for two numbers.
    """
    x, y = promoted("isin", operand("isin", elements), operand("isin", test_elements))

    def among(x: Array, y: Array) -> Array:
        return xp_of(x).isin(x, y, assume_unique=assume_unique, invert=invert)

    if not isinstance(x, Tensor):
        x = y.new_full((), x)
    return Compare.apply(among, x, y if isinstance(y, Tensor) else x.new_full((), y))  # type: ignore[no-any-return]
