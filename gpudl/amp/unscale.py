"""What GradScaler does to gradients and to its scale, on bare arrays, without waiting for a device."""

from __future__ import annotations

import numpy as np

from gpudl.backend.arrays import Array, xp_of
from gpudl.backend.cuda_text import CudaText, spread
from gpudl.backend.device import Device, backend_of, device_of, guarded, transfer
from gpudl.backend.dtypes import float32
from gpudl.backend.kernel import kernel

_TEXT = CudaText("math/numbers.cuh", "math/packs.cuh", "cuda/unscale.cu", kernels=("unscale", "update_scale"))


@kernel
def unscale_(x: Array, scale: Array, found: Array) -> None:
    """x *= 1 / scale; found = 1 if x has an inf or nan. scale: (), float32 or wider; found: (1,) int32."""
    xp = xp_of(x)
    found[...] = xp.maximum(found, xp.logical_not(xp.isfinite(x).all()))
    x *= (1 / scale.astype(float32)).astype(x.dtype)


@unscale_.cuda("float32", "float64", "float16", "bfloat16", beside_half=True)
def unscale_cuda_(x: Array, scale: Array, found: Array) -> None:
    if x.flags.c_contiguous:
        _TEXT.launch("unscale", *spread(x), x, scale, found, x.size)
    else:
        unscale_.reference(x, scale, found)


@kernel
def update_scale_(scale: Array, tracker: Array, found: Array, growth: float, backoff: float, interval: int) -> None:
    """Change the scale, (), and the number of steps that went well, () int32, by what was found; found = 0 then."""
    xp = xp_of(scale)
    any_found, steps, larger = found.any(), tracker + 1, scale * scale.dtype.type(growth)
    is_due = steps >= interval
    grown = xp.where(is_due & xp.isfinite(larger), larger, scale)
    scale[...] = xp.where(any_found, scale * scale.dtype.type(backoff), grown)
    tracker[...] = xp.where(any_found | is_due, 0, steps)
    found.fill(0)


@update_scale_.cuda("float32")
def update_scale_cuda_(
    scale: Array, tracker: Array, found: Array, growth: float, backoff: float, interval: int
) -> None:
    settings = found.size, interval, float(growth), float(backoff)
    _TEXT.launch("update_scale", (1,), (1,), scale, tracker, found, *settings)


class Flags:
    """Whether the gradients of optimizers have an inf or nan: for each device an int32 array, 1 at those that have."""

    def __init__(self) -> None:
        self._arrays: dict[Device, Array] = {}

    def of(self, number: int, like: Array) -> Array:
        """The flag, (1,), of an optimizer on the device of an array."""
        device = device_of(like)
        flags = self._arrays.get(device)
        if flags is None or len(flags) <= number:
            larger = backend_of(like).full((2 * number + 8,), 0, np.dtype(np.int32), device)
            if flags is not None:
                larger[: len(flags)] = flags
            flags = self._arrays[device] = larger
        return flags[number : number + 1]

    def on(self, device: Device, number: int) -> Array:
        """The flag, (1,), of an optimizer on a device, where it has one."""
        return self._arrays[device][number : number + 1]

    def joined(self, like: Array) -> Array:
        """All flags of the device of an array, one of them 1 if there was a 1 on another one, where all are 0 then."""
        first = self.of(0, like)
        for device, flags in self._arrays.items():
            if device != device_of(like):
                with guarded(flags):
                    any_found = flags.max(keepdims=True)
                    flags.fill(0)
                first[...] = xp_of(first).maximum(first, transfer(any_found, device_of(like)))
        return self._arrays[device_of(like)]
