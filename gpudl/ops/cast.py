"""Moving and copying: to, clone, contiguous, cpu, cuda, the dtype names, and the way out to NumPy and Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import Cast
from gpudl.backend.arrays import Array
from gpudl.backend.device import CPU, Device, device, device_of, is_on_host, to_host, transfer
from gpudl.backend.dtypes import dtype_of, float16, float32, float64, int32, int64

__all__ = ["clone"]


class Transfer(Primitive):
    __slots__ = ("device",)
    widens = False
    device: Device

    def forward(ctx, x: Array, target: Device) -> Array:
        ctx.device = device_of(x)
        return transfer(x, target)

    def backward(ctx, dy: Array) -> Array:
        return dy.to(ctx.device) if isinstance(dy, Tensor) else transfer(dy, ctx.device)


class Clone(Primitive):
    __slots__ = ()
    widens = False

    def forward(ctx, x: Array) -> Array:
        return x.copy()

    def backward(ctx, dy: Array) -> Array:
        return dy


class Discretize(Cast):
    """A cast to integers or bools: no gradient comes back from there."""

    __slots__ = ()
    differentiable = False


def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False) -> Tensor:
    """The tensor with another dtype, on another device, or both; itself if nothing changes.

    Args:
        args: a dtype, a device, both in either order, or a Tensor to be like.
        dtype, device: the same by name.
        copy: give a copy in any case.
    Raises: DeviceError if the device is not available; TypeError for what is neither dtype nor device.
    Gradient: dy with the input's dtype, on its device.
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, Device) or (isinstance(arg, str) and not _is_dtype_name(arg)):
            device = arg
        else:
            dtype = arg
    result = input
    if device is not None:
        target = _resolve(device)
        if target is not result.device:
            result = Transfer.apply(result, target)
    if dtype is not None:
        wanted = dtype_of(dtype)
        if wanted != result.array.dtype:
            result = (Cast if wanted.kind in "fV" else Discretize).apply(result, wanted)
    return clone(result) if copy and result is input else result


_resolve = device


def _is_dtype_name(name: str) -> bool:
    try:
        dtype_of(name)
    except TypeError:
        return False
    return True


def astype(input: Tensor, dtype: Any) -> Tensor:
    """The tensor with another dtype, NumPy's name for it; itself if it has that dtype."""
    return to(input, dtype=dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype of another."""
    return to(input, dtype=other.dtype)


def clone(input: Tensor) -> Tensor:
    """A copy with memory of its own, in C order. Gradient: dy."""
    return Clone.apply(input)  # type: ignore[no-any-return]


def contiguous(input: Tensor) -> Tensor:
    """Itself if its elements lie in C order without gaps, else such a copy."""
    return input if input.array.flags.c_contiguous else clone(input)


def is_contiguous(input: Tensor) -> bool:
    """True if the elements lie in C order without gaps."""
    return bool(input.array.flags.c_contiguous)


def double(input: Tensor) -> Tensor:
    """As float64."""
    return to(input, dtype=float64)


def float_(input: Tensor) -> Tensor:
    """As float32."""
    return to(input, dtype=float32)


def half(input: Tensor) -> Tensor:
    """As float16."""
    return to(input, dtype=float16)


def int_(input: Tensor) -> Tensor:
    """As int32, fractions cut off."""
    return to(input, dtype=int32)


def long(input: Tensor) -> Tensor:
    """As int64, fractions cut off."""
    return to(input, dtype=int64)


def bool_(input: Tensor) -> Tensor:
    """As bool: True where it is not 0."""
    return to(input, dtype=np.bool_)


def cpu(input: Tensor) -> Tensor:
    """On the CPU."""
    return to(input, device=CPU)


def cuda(input: Tensor, index: int = 0) -> Tensor:
    """On a CUDA device.

    Raises: DeviceError if there is none.
    """
    return to(input, device=Device("cuda", index))


def numpy(input: Tensor) -> np.ndarray[Any, Any]:
    """The NumPy array behind a CPU tensor, sharing memory.

    Raises: RuntimeError if the tensor requires grad (detach() first); TypeError if it is not on the CPU.
    """
    if input.requires_grad:
        raise RuntimeError("numpy() of a tensor that requires grad would lose its history; use detach().numpy()")
    if not is_on_host(input.array):
        raise TypeError(f"numpy(): the tensor is on {input.device}; copy it with cpu() first")
    return input.array  # type: ignore[no-any-return]


def array_interface(input: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """What np.asarray(tensor) gives; as numpy()."""
    array = numpy(input)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def item(input: Tensor) -> bool | int | float:
    """The one element as a Python number; waits for the device.

    Raises: RuntimeError unless there is exactly one element.
    """
    if input.array.size != 1:
        raise RuntimeError(f"item(): a tensor of shape {input.shape} has {input.array.size} elements, not one")
    return input.array.item()  # type: ignore[no-any-return]


def tolist(input: Tensor) -> Any:
    """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
    return to_host(input.array).tolist()
