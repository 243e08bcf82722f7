"""Bases of elementwise functions of one operand, by what their derivative is computed from."""

from __future__ import annotations

from typing import ClassVar

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.dtypes import get_default_dtype


class OfInput(Primitive):
    """function(x), whose derivative is computed from x.

    Attributes:
        function: NumPy's name of it.
    """

    __slots__ = ()
    function: ClassVar[str]

    def forward(ctx, x: Array) -> Array:
        ctx.save(x)
        return getattr(xp_of(x), ctx.function)(x)


class OfResult(Primitive):
    """function(x), whose derivative is computed from the result.

    Attributes:
        function: NumPy's name of it.
    """

    __slots__ = ()
    function: ClassVar[str]

    def forward(ctx, x: Array) -> Array:
        y = getattr(xp_of(x), ctx.function)(x)
        ctx.save(y)
        return y


class Step(Primitive):
    """function(x), constant between its jumps: the derivative is 0.

    Attributes:
        function: NumPy's name of it.
    """

    __slots__ = ()
    function: ClassVar[str]

    def forward(ctx, x: Array) -> Array:
        return getattr(xp_of(x), ctx.function)(x)

    def backward(ctx, dy: Array) -> Array:
        return xp_of(dy).zeros_like(dy)


def tensor_only(name: str, input: Tensor) -> Tensor:
    """The input itself.

    Raises: TypeError unless it is a Tensor.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a Tensor, got {type(input).__name__}; make one with gpudl.tensor")
    return input


def floating(name: str, input: Tensor) -> Tensor:
    """The input; integers and bools in the default floating dtype.

    Raises: TypeError unless it is a Tensor.
    """
    if isinstance(input, Tensor) and input.array.dtype.kind in "fV":
        return input
    return tensor_only(name, input).to(get_default_dtype())
