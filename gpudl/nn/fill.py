"""How gpudl.nn.init draws and writes: the same bits on every device for one seed, made where the tensor is.

But for truncated normal numbers: how often those are drawn again depends on what was drawn, so that the host does it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from gpudl.autograd.tensor import Tensor
from gpudl.backend.arrays import quiet
from gpudl.backend.device import transfer
from gpudl.backend.dtypes import float64
from gpudl.ops.random_fill import fill
from gpudl.random import Stream, init_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

_skipping = ContextVar("skipping", default=False)


@contextmanager
def skipping() -> Iterator[None]:
    """Let initializers do nothing within the block, and draw nothing."""
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


def skipped() -> bool:
    """Whether initializers do nothing at present."""
    return _skipping.get()


def require_floating(caller: str, tensor: Tensor) -> None:
    """Raise a TypeError unless the tensor is floating point."""
    if tensor.dtype.kind not in "fV":
        raise TypeError(f"{caller}: needs a floating point tensor, got {tensor.dtype}")


def stream_of(generator: Stream | None) -> Stream:
    """The generator, or the stream of the next tensor to be initialized."""
    return init_stream() if generator is None else generator


def fill_uniform(caller: str, tensor: Tensor, low: float, high: float, generator: Stream | None) -> Tensor:
    """Write numbers spread evenly over [low, high), or `low` if both are equal."""
    require_floating(caller, tensor)
    if skipped():
        return tensor
    stream = stream_of(generator)
    return write(tensor, low) if low == high else _filled(tensor, stream, "uniform", low, high)


def fill_normal(caller: str, tensor: Tensor, mean: float, std: float, generator: Stream | None) -> Tensor:
    """Write numbers of the normal distribution."""
    require_floating(caller, tensor)
    if skipped():
        return tensor
    return _filled(tensor, stream_of(generator), "normal", mean, std)


def _filled(tensor: Tensor, stream: Stream, law: str, *numbers: float) -> Tensor:
    """The tensor with numbers of a law in its memory, made where that is."""
    fill(tensor.array, stream, law, *numbers)
    return _changed(tensor)


def fill_truncated(tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Stream | None) -> Tensor:
    """Write numbers of the normal distribution cut to [a, b]; see gpudl.nn.init.trunc_normal_."""
    if skipped():
        return tensor
    stream = stream_of(generator)
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    likeliest = max(a, min(mean, b))
    peak = (likeliest - mean) / std
    if inside <= 0.3:
        # Beyond this the density is under 2**-60 of its peak; even numbers from so far out would hardly ever be kept.
        reach = std * math.sqrt(peak * peak + 84)
        a, b = max(a, mean - reach), min(b, mean + reach)
    values = np.empty(math.prod(tensor.shape), tensor.dtype)
    with quiet():
        low, high = (float(bound) for bound in np.array([a, b]).astype(tensor.dtype))
        if low >= high:
            return write(tensor, likeliest)
        pending = np.arange(values.size)
        while pending.size:
            if inside > 0.3:
                drawn = stream.normal(pending.size, mean, std, tensor.dtype)
                kept = (drawn >= low) & (drawn <= high)
            else:
                drawn = stream.uniform(pending.size, low, high, tensor.dtype)
                distance = (drawn.astype(np.float64) - mean) / std
                kept = stream.uniform(pending.size, dtype=float64) < np.exp((peak * peak - distance * distance) / 2)
            values[pending[kept]] = drawn[kept]
            pending = pending[~kept]
    return write(tensor, values.reshape(tensor.shape))


def write(tensor: Tensor, values: NDArray[Any] | float) -> Tensor:
    """Put values, which the host holds, into the tensor's memory, and count the change."""
    if skipped():
        return tensor
    if isinstance(values, np.ndarray):
        values = transfer(values.astype(tensor.dtype, copy=False), tensor.device)
    tensor.array[...] = values
    return _changed(tensor)


def _changed(tensor: Tensor) -> Tensor:
    if tensor._version is not None:
        tensor._version[0] += 1
    return tensor
