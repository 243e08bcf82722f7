"""Questions about tensors and element types: their limits, and what may be cast to what."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.device import to_host
from gpudl.backend.dtypes import DType, category, dtype_of, float32, get_default_dtype, is_floating, largest

__all__ = ["can_cast", "finfo", "iinfo", "is_floating_point", "is_nonzero", "is_signed", "is_tensor"]


class finfo:
    """The limits of a floating dtype.

    Args:
        type: the dtype; the default one if not given.
    Attributes:
        bits: its length.
        eps: the distance from 1 to the next larger number.
        max, min: the largest finite number, and that negated.
        tiny, smallest_normal: the smallest positive number of full precision.
        resolution: 10**-n for n decimal digits that it keeps.
        dtype: its name.
    Raises: TypeError for a dtype that is not floating point.
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: Any = None):
        kind = get_default_dtype() if type is None else dtype_of(type)
        if not is_floating(kind):
            raise TypeError(f"finfo: {kind} is not floating point; use iinfo")
        self.bits, self.dtype = 8 * kind.itemsize, kind.name
        self.max = largest(kind)
        self.min = -self.max
        if kind.kind == "V":  # bfloat16: float32's exponents and 7 bits of fraction
            self.eps, self.resolution = 2.0**-7, 1e-2
            self.tiny = float(np.finfo(float32).tiny)
        else:
            limits = np.finfo(kind)
            self.eps, self.tiny, self.resolution = float(limits.eps), float(limits.tiny), 10.0**-limits.precision
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype.

    Args:
        type: the dtype.
    Attributes:
        bits: its length.
        max, min: the largest and the smallest number.
        dtype: its name.
    Raises: TypeError for a dtype that is not of integers.
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: Any):
        kind = dtype_of(type)
        if kind.kind not in "iu":
            raise TypeError(f"iinfo: {kind} is not of integers" + ("; use finfo" if is_floating(kind) else ""))
        limits = np.iinfo(kind)
        self.bits, self.dtype, self.max, self.min = limits.bits, kind.name, int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def can_cast(from_: Any, to: Any) -> bool:
    """True if PyTorch's promotion lets a result of one dtype be written into another: bool to integer to floating."""
    source, target = dtype_of(from_), dtype_of(to)
    return category(source) <= category(target)


def is_tensor(obj: Any) -> bool:
    """True for Tensors."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """True for tensors of the floating point dtypes."""
    return is_floating(_dtype(input))


def is_signed(input: Tensor) -> bool:
    """True unless the dtype is uint8 or bool."""
    return _dtype(input).kind in "ifV"


def is_nonzero(input: Tensor) -> bool:
    """True if the one element is not 0; waits for the device.

    Raises: RuntimeError unless there is exactly one element.
    """
    if input.array.size != 1:
        raise RuntimeError(f"is_nonzero: a tensor of shape {input.shape} has {input.array.size} elements, not one")
    return bool(to_host(input.array).item())


def _dtype(input: Tensor) -> DType:
    if not isinstance(input, Tensor):
        raise TypeError(f"expected a Tensor, got {type(input).__name__}")
    return input.dtype
