"""NumPy's functions for CuPy's arrays: CuPy's own, but for a few of which the results differ from NumPy's.

What reference bodies call through `xp_of(x)` then means one thing on all devices. Operators and methods of the arrays
stay CuPy's: for what stands here, references call the function.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import cupy

from gpudl.backend.arrays import Array
from gpudl.backend.unordered import alert_of_unordered


def cupy_namespace() -> Any:
    """CuPy with these functions in the place of its own."""
    space = ModuleType("cupy_namespace", __doc__)
    space.__dict__.update(vars(cupy), __getattr__=partial(getattr, cupy))
    for function in (argmax, argmin, left_shift, maximum, minimum, nextafter, remainder, right_shift, where):
        setattr(space, function.__name__, function)
    alert_of_unordered(space, cupy)
    return space


def left_shift(x: Array, y: Array) -> Array:
    """x << y for integers; 0 where y is negative or beyond the bits, which C++ leaves open, and CuPy to C++."""
    bits = 8 * x.dtype.itemsize
    return cupy.where(_unsigned(y) < bits, cupy.left_shift(x, _least(y, bits - 1)), 0).astype(x.dtype, copy=False)


def right_shift(x: Array, y: Array) -> Array:
    """x >> y for integers; the sign alone where y is negative or beyond the bits."""
    bits = 8 * x.dtype.itemsize
    return cupy.right_shift(x, _least(y, bits - 1 if x.dtype.kind == "i" else bits))  # C++ shifts a uint8 as an int


def _least(y: Array, limit: int) -> Array:
    """y, but the limit where it is larger or negative."""
    return cupy.minimum(_unsigned(y), limit).view(y.dtype)


def _unsigned(y: Array) -> Array:
    """The bits of y as an integer without sign, where negative numbers are the largest."""
    return y.view(f"u{y.dtype.itemsize}")


def remainder(x: Array, y: Array) -> Array:
    """x - floor(x / y) y, exactly, with the sign of y; CuPy computes just that, and gives nan for infinite y."""
    if cupy.result_type(x, y).kind != "f":
        return cupy.remainder(x, y)
    rest = cupy.fmod(x, y)
    turned = cupy.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)
    return cupy.where(rest == 0, cupy.copysign(rest, y), turned)


def nextafter(x: Array, y: Array) -> Array:
    """x moved by one step toward y; CuPy's goes from -inf to nan in float16, and not far in bfloat16."""
    if x.dtype.itemsize != 2:
        return cupy.nextafter(x, y)
    place, goal = _steps_from_zero(x), _steps_from_zero(y)
    place = place + (place < goal).astype("int16") - (place > goal).astype("int16")
    bits = cupy.where(place < 0, -place | -0x8000, place)
    return where(x == y, x, where((x != x) | (y != y), x + y, bits.view(x.dtype)))


def _steps_from_zero(x: Array) -> Array:
    """How many numbers of the dtype, which has 16 bits, lie between x and 0; a negative count below 0."""
    bits = x.view("int16")
    return cupy.where(bits < 0, -(bits & 0x7FFF), bits)


def where(condition: Array, *choices: Any) -> Any:
    """CuPy's, but for bfloat16, of which that makes float32."""
    return _bfloat16_again(cupy.where(condition, *choices), choices)


def maximum(x: Any, y: Any, **named: Any) -> Array:
    """CuPy's; as where."""
    return _bfloat16_again(cupy.maximum(x, y, **named), (x, y))


def minimum(x: Any, y: Any, **named: Any) -> Array:
    """CuPy's; as where."""
    return _bfloat16_again(cupy.minimum(x, y, **named), (x, y))


def _bfloat16_again(result: Any, operands: tuple[Any, ...]) -> Any:
    """A result of operands of which each array is bfloat16 as bfloat16, where it is not."""
    for each in operands:
        if isinstance(each, cupy.ndarray) and each.dtype.kind != "V":
            return result
    dtype = next((each.dtype for each in operands if isinstance(each, cupy.ndarray)), None)
    return result if dtype is None or result.dtype == dtype else result.astype(dtype)


def argmax(x: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Where the largest element is: the first one, and the first nan if there are any, of which CuPy finds one."""
    return _first(x, cupy.max, cupy.argmax, axis, keepdims)


def argmin(x: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Where the smallest element is; as argmax."""
    return _first(x, cupy.min, cupy.argmin, axis, keepdims)


def _first(x: Array, extreme: Any, place: Any, axis: int | None, keepdims: bool) -> Array:
    if x.dtype.kind not in "fV":
        return place(x, axis=axis, keepdims=keepdims)
    hit = (x == extreme(x, axis=axis, keepdims=True)) | (x != x)
    return hit.argmax(axis=axis, keepdims=keepdims)
