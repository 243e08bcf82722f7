"""Random tensors, evenly or normally distributed: rand, randn, randint, randperm and their kin.

The numbers come from gpudl.random's streams by operations whose every bit IEEE 754 fixes: one seed gives the same
tensor on every device and machine. A device makes its own; see gpudl.ops.random_fill. None has a gradient.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend.dtypes import DType, dtype_of, get_default_dtype, int64, largest
from gpudl.backend.errors import ShapeError
from gpudl.ops.create import Spec, lengths_of, place_of, placed
from gpudl.ops.generator import stream_of
from gpudl.ops.random_fill import drawn
from gpudl.random import Stream

__all__ = ["rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"]

Host = np.ndarray[Any, Any]


def floating(name: str, dtype: Any) -> DType:
    """A floating dtype, the default one for None.

    Raises: RuntimeError for any other.
    """
    kind = get_default_dtype() if dtype is None else dtype_of(dtype)
    if kind.kind not in "fV":
        raise RuntimeError(f"{name}: these random numbers are floating point; {kind} cannot hold them")
    return kind


def rand(
    *args: Any,
    size: Any = None,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1): the same after one manual_seed on every device.

    Args:
        args: lengths, or one sequence of them.
        size: the same by name.
        generator: draws from it in place of the program's own streams.
        dtype: floating point, float32 by default.
    Raises: RuntimeError for another dtype; ShapeError for negative lengths.
    """
    kind, lengths = floating("rand", dtype), lengths_of(args, size)
    return _sample(device, requires_grad, lengths, kind, stream_of(generator), "uniform", 0.0, 1.0)


def randn(
    *args: Any,
    size: Any = None,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers of mean 0 and standard deviation 1; arguments and errors as rand."""
    kind, lengths = floating("randn", dtype), lengths_of(args, size)
    return _sample(device, requires_grad, lengths, kind, stream_of(generator), "normal", 0.0, 1.0)


def rand_like(
    input: Tensor,
    *,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """rand in the input's shape, and its dtype and device unless given."""
    settings = {"dtype": _or(dtype, input.dtype), "device": _or(device, input.device), "requires_grad": requires_grad}
    return rand(input.shape, generator=generator, **settings)


def randn_like(
    input: Tensor,
    *,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """randn in the input's shape, and its dtype and device unless given."""
    settings = {"dtype": _or(dtype, input.dtype), "device": _or(device, input.device), "requires_grad": requires_grad}
    return randn(input.shape, generator=generator, **settings)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def randint(
    *args: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Stream | None = None,
    dtype: Any = int64,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random whole numbers, low <= number < high: randint(high, size) or randint(low, high, size).

    Args:
        args, low, high, size: by position or by name; low is 0 by default.
        generator: draws from it in place of the program's own streams.
        dtype: int64 by default; any that can hold low and high - 1.
    Raises: RuntimeError unless low < high, and for numbers that the dtype cannot hold; ShapeError for negative lengths.
    """
    given = list(args)
    if size is None and given:
        size = given.pop()
    if high is None and given:
        high = given.pop()
    if given:
        low = given.pop()
    if given or high is None or size is None:
        raise TypeError("randint: expected (high, size) or (low, high, size)")
    kind = dtype_of(dtype)
    stream, lengths = stream_of(generator), lengths_of((size,))
    bounds = whole_bounds("randint", low, high, kind)
    return _sample(device, requires_grad, lengths, kind, stream, "integers", *bounds)


def randint_like(
    input: Tensor,
    *args: int,
    low: int = 0,
    high: int | None = None,
    generator: Stream | None = None,
    dtype: Any = None,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """randint_like(input, high) or (input, low, high): randint in the input's shape, dtype and device unless given."""
    bounds = (*args, *(() if high is None else (high,)))
    settings = {"dtype": _or(dtype, input.dtype), "device": _or(device, input.device), "requires_grad": requires_grad}
    if len(bounds) == 1:
        bounds = (low, *bounds)
    return randint(*bounds, input.shape, generator=generator, **settings)


def _sample(device: Spec, requires_grad: bool, *what: Any) -> Tensor:
    """A tensor of what `drawn` takes after the device."""
    tensor = wrap(drawn(place_of(device), *what), None)
    return tensor.requires_grad_() if requires_grad else tensor


def whole_bounds(name: str, low: Any, high: Any, dtype: DType) -> tuple[int, int]:
    """The bounds of numbers low <= number < high of a dtype.

    Raises: RuntimeError for an empty range, or one that the dtype does not hold.
    """
    low, high = int(low), int(high)
    if low >= high:
        raise RuntimeError(f"{name}: there is no number with {low} <= number < {high}")
    if dtype.kind in "fV":
        least, most = -int(largest(dtype)), int(largest(dtype))
    else:
        least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if low < least or high - 1 > most:
        raise RuntimeError(f"{name}: the numbers {low} to {high - 1} do not fit into {dtype}")
    return low, high


def randperm(
    n: int,
    *,
    generator: Stream | None = None,
    dtype: Any = int64,
    device: Spec = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order.

    Raises: RuntimeError for a dtype that cannot hold n - 1; ShapeError for a negative n.
    """
    count, kind = operator.index(n), dtype_of(dtype)
    if count < 0:
        raise ShapeError(f"randperm: n must not be negative, got {count}")
    exact = 2 ** (np.finfo(kind).nmant + 1) if kind.kind == "f" else 2**8 if kind.kind == "V" else np.iinfo(kind).max
    if count - 1 > exact:
        raise RuntimeError(f"randperm: {kind} cannot hold the numbers up to {count - 1}")
    return placed(stream_of(generator).permutation(count).astype(kind, copy=False), device, requires_grad)
