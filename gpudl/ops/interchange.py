"""Sharing memory with PyTorch, JAX, CuPy and whoever else speaks DLPack or the CUDA array interface; pinned memory."""

from __future__ import annotations

from typing import Any

from gpudl.autograd.primitive import Primitive
from gpudl.autograd.tensor import Tensor, wrap
from gpudl.backend import interchange, pinning
from gpudl.backend.arrays import Array
from gpudl.backend.device import guarded, is_on_host

__all__ = ["from_dlpack"]


class Pin(Primitive):
    __slots__ = ()
    widens = False

    def forward(ctx, x: Array) -> Array:
        return pinning.pinned_copy(x)

    def backward(ctx, dy: Array) -> Array:
        return dy


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of another library's array: each sees the other's changes.

    Args:
        ext_tensor: an array with `__dlpack__`, on the CPU or a GPU. Work that was submitted for it before is waited
            for on the device, not by the host.
        device: move it there; by default it stays where it is.
        copy: True: copy in any case; False: refuse where a copy is needed; None: copy where it is needed.
    Raises: TypeError for what is no such array, or has elements of another type; BufferError for memory that gpudl
        cannot read; ValueError if copy is False and one is needed.
    """
    if isinstance(ext_tensor, Tensor):
        shared = ext_tensor.detach()
        shared = shared.clone() if copy else shared
    else:
        shared = wrap(interchange.from_dlpack(ext_tensor, copy), None)
    if device is None:
        return shared
    moved = shared.to(device)
    if copy is False and moved is not shared:
        raise ValueError(f"from_dlpack: the array is on {shared.device}, and {moved.device} needs a copy")
    return moved


def dlpack(
    input: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    """A DLPack capsule over the tensor's memory, for another library's from_dlpack.

    Args:
        stream: on a GPU, the address of the stream that will read it, by DLPack's rules.
        max_version, dl_device, copy: as DLPack has them.
    Raises: BufferError if the tensor requires grad, or its dtype cannot be exported.
    """
    if input.requires_grad:
        raise BufferError("a tensor that requires grad is not exported, as its history would be lost; detach() it")
    array = input.array
    with guarded(array):
        return interchange.to_dlpack(array, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def dlpack_device(input: Tensor) -> tuple[int, int]:
    """DLPack's (device type, number) of the tensor's memory."""
    kind, index = input.array.__dlpack_device__()
    return int(kind), int(index)


def cuda_array_interface(input: Tensor) -> dict[str, Any]:
    """The memory of a tensor on a GPU as other CUDA libraries read it: address, shape, dtype, strides and stream.

    Raises: AttributeError on the CPU, for bfloat16, which it cannot express, and if the tensor requires grad.
    """
    array = input.array
    if is_on_host(array):
        raise AttributeError("a tensor on the CPU has no __cuda_array_interface__")
    if array.dtype.kind == "V":
        raise AttributeError("__cuda_array_interface__ cannot express bfloat16; use DLPack")
    if input.requires_grad:
        raise AttributeError("a tensor that requires grad has no __cuda_array_interface__; detach() it")
    with guarded(array):
        return dict(array.__cuda_array_interface__)


def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """A copy of a CPU tensor in pinned memory, from which a GPU copies by itself; the tensor itself if it is there.

    Args:
        device: the type of device that will read it; by default the one that this process uses.
    Raises: RuntimeError for a tensor that is not on the CPU; DeviceError if there is no GPU to read it.
    Gradient: dy.
    """
    if not is_on_host(input.array):
        raise RuntimeError(f"pin_memory: only tensors on the CPU can be pinned, this one is on {input.device}")
    pinning.require_device(device)
    return input if is_pinned(input) else Pin.apply(input)


def is_pinned(input: Tensor, device: Any = None) -> bool:
    """True if the tensor lies in pinned memory."""
    return pinning.is_pinned(input.array)
