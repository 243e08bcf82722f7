"""Moving and copying: to, clone, contiguous, cpu, cuda, the dtype names, and the way out to NumPy and Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor
from gpudl.autograd.widen import Cast
from gpudl.backend.arrays import Array
from gpudl.backend.device import CPU, Device, device, device_of, is_on_host, to_host, transfer
from gpudl.backend.dtypes import dtype_of, float16, float32, float64, int8, int16, int32, int64, uint8
from gpudl.backend.errors import DeviceError
from gpudl.backend.strided_copy import copied

__all__ = ["clone", "detach"]


class Transfer(Primitive):
    __slots__ = ("device",)
    widens = False
    device: Device

    def forward(ctx, x: Array, target: Device, non_blocking: bool = False) -> Array:
        ctx.device = device_of(x)
        return transfer(x, target, non_blocking)

    def backward(ctx, dy: Array) -> Array:
        return dy.to(ctx.device) if isinstance(dy, Tensor) else transfer(dy, ctx.device)


class Clone(Primitive):
    __slots__ = ()
    widens = False

    def forward(ctx, x: Array) -> Array:
        return copied(x)

    def backward(ctx, dy: Array) -> Array:
        return dy


class Discretize(Cast):
    """A cast to integers or bools: no gradient comes back from there."""

    __slots__ = ()
    differentiable = False


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """The tensor with another dtype, on another device, or both; itself if nothing changes.

    Args:
        args: a dtype, a device, both in either order, or a Tensor to be like; then, as bools, non_blocking and copy.
        dtype, device: the same by name.
        non_blocking: from pinned memory to a GPU, do not wait for the copy; the tensor that is copied is kept until it
            is done, and must not be changed before. Operations on the result wait for it in any case.
        copy: give a copy in any case.
    Raises: DeviceError if the device is not available; TypeError for what is neither dtype nor device.
    Gradient: dy with the input's dtype, on its device.
    """
    flags: list[bool] = []
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, Device) or (isinstance(arg, str) and not _is_dtype_name(arg)):
            device = arg
        elif isinstance(arg, bool):
            flags.append(arg)
        elif arg is not None:
            dtype = arg
    non_blocking = flags[0] if flags else non_blocking
    copy = flags[1] if len(flags) > 1 else copy
    result = input
    if device is not None:
        target = _resolve(device)
        if target is not result.device:
            result = Transfer.apply(result, target, non_blocking)
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


def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor with another dtype; without one, the name of its own, such as "gpudl.float32"."""
    return f"gpudl.{input.dtype.name}" if dtype is None else to(input, dtype=dtype, non_blocking=non_blocking)


def clone(input: Tensor) -> Tensor:
    """A copy with memory of its own, in C order. Gradient: dy."""
    return Clone.apply(input)  # type: ignore[no-any-return]


def detach(input: Tensor) -> Tensor:
    """The same values without history: memory is shared, gradients do not pass."""
    return input.detach()


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


def bfloat16(input: Tensor) -> Tensor:
    """As bfloat16.

    Raises: ImportError if ml_dtypes is not installed.
    """
    return to(input, dtype="bfloat16")


def byte(input: Tensor) -> Tensor:
    """As uint8, fractions cut off."""
    return to(input, dtype=uint8)


def char(input: Tensor) -> Tensor:
    """As int8, fractions cut off."""
    return to(input, dtype=int8)


def short(input: Tensor) -> Tensor:
    """As int16, fractions cut off."""
    return to(input, dtype=int16)


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


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """On a CUDA device: the current one, one by number, or one by name.

    Raises: DeviceError if there is none, or it is of another type.
    """
    target = _resolve("cuda", device) if device is None or isinstance(device, int) else _resolve(device)
    if target is not Device("cuda", target.index):
        raise DeviceError(f"cuda(): {str(target)!r} is no CUDA device; use to() for others")
    return to(input, device=target, non_blocking=non_blocking)


def numpy(input: Tensor, *, force: bool = False) -> np.ndarray[Any, Any]:
    """The NumPy array behind a CPU tensor, sharing memory.

    Args:
        force: detach and copy to the CPU where that is needed.
    Raises: unless forced, RuntimeError if the tensor requires grad; TypeError if it is not on the CPU.
    """
    if force:
        return to_host(input.array)
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
    return to_host(input.array).item()  # type: ignore[no-any-return]


def tolist(input: Tensor) -> Any:
    """The elements as nested lists of Python numbers; a number for a 0-d tensor."""
    return to_host(input.array).tolist()
