"""What activations share: the check of the input, the in-place form, and the logistic function."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.ops.maps import Map, mapped_over
from gpudl.ops.operands import floating_only
from gpudl.ops.sigmoid import sigmoid


def activated(cls: type[Map], name: str, input: Tensor, *numbers: Any, inplace: bool = False) -> Tensor:
    """cls.apply(input, None, *numbers) for floating point input, written over the input if asked for.

    Raises: RuntimeError for integers and bools, and as autograd.inplace.assign.
    """
    return applied(cls, name, floating_only(name, input), *numbers, inplace=inplace)


def applied(cls: type[Map], name: str, input: Tensor, *numbers: Any, inplace: bool = False) -> Tensor:
    """The same for input of any dtype."""
    if inplace:
        return mapped_over(cls, f"{name}_", input, *numbers)
    return cls.apply(input, None, *numbers)  # type: ignore[no-any-return]


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), of an array or a Tensor. exp may overflow, to a sigmoid of 0."""
    if isinstance(x, Tensor):
        return sigmoid(x)
    y = xp_of(x).exp(-x)
    y += 1
    return 1 / y


def logistic_(x: Array) -> None:
    """The same as (1 + tanh(x / 2)) / 2, written over an array: in half the time, to a rounding of 1, not of itself."""
    x *= 0.5
    xp_of(x).tanh(x, out=x)
    x *= 0.5
    x += 0.5
