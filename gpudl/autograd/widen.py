"""Half floats: computed in float32 and rounded once, as PyTorch does.

NumPy's arithmetic on float16 is up to 500 times slower than on float32, it has none on bfloat16, and sums in either
would end where the numbers are coarser than what is added. On a device, where every operation of an array library is
a kernel that rounds its result, what takes several of them would overflow and cancel in between. What a device computes
in one kernel, in float32 inside, need not be widened, and is not, for a third of the memory traffic: see OneRounding
and ReadsHalf.
"""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import Array
from gpudl.backend.dtypes import DType, float32
from gpudl.backend.strided_copy import converted


class OneRounding(Primitive):
    """Base of what one kernel of CuPy computes from arrays: it reads half floats, and rounds its result once.

    A number beside the arrays would be rounded to half first, 70000 to infinity. With numbers they are widened.
    """

    __slots__ = ()

    @classmethod
    def keeps_half(cls, args: tuple[Any, ...]) -> bool:
        return not any(type(arg) in (int, float) for arg in args)


class ReadsHalf(Primitive):
    """Base of what has a way for half floats on a device: cuBLAS, CUDA text, or float32 where its sums need it."""

    __slots__ = ()

    @classmethod
    def keeps_half(cls, args: tuple[Any, ...]) -> bool:
        return True


class Cast(Primitive):
    """x as another floating dtype."""

    __slots__ = ("dtype",)
    widens = False
    dtype: DType

    def forward(ctx, x: Array, dtype: DType) -> Array:
        ctx.dtype = x.dtype
        return converted(x, dtype)

    def backward(ctx, dy: Array) -> Array:
        return dy.astype(ctx.dtype) if isinstance(dy, Tensor) else converted(dy, ctx.dtype)


def apply_widened(cls: type[Primitive], args: tuple[Any, ...], half: DType) -> Any:
    """cls.apply with half floats as float32, and float32 results as `half`."""
    result = cls.apply(*(Cast.apply(arg, float32) if _is_half(arg) else arg for arg in args))
    if type(result) is tuple:
        return tuple(_narrowed(each, half) for each in result)
    return _narrowed(result, half)


def _is_half(arg: Any) -> bool:
    return isinstance(arg, Tensor) and arg.array.dtype.char in "eE"


def _narrowed(result: Tensor, half: DType) -> Tensor:
    return Cast.apply(result, half) if result.array.dtype == float32 else result
