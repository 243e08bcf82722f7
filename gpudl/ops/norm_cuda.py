"""What the CUDA bodies of the normalizations ask of their arguments and of the device."""

from __future__ import annotations

from functools import cache
from typing import Any

from gpudl.backend.arrays import Array
from gpudl.backend.device import backend_of
from gpudl.backend.dtypes import DType, float32, float64

_MULTIPROCESSORS = 16  # what the driver calls the attribute


def wide_dtype(x: Array) -> DType:
    """That of sums over elements of x."""
    return float64 if x.dtype == float64 else float32


def is_wide(x: Array, *factors: Array | None) -> bool:
    """Whether the factors beside x are float32 where x is half."""
    return any(each is not None and each.dtype != x.dtype for each in factors)


def fits(x: Array, *factors: Array | None) -> bool:
    """Whether there is something to do, with factors of one dtype."""
    return bool(x.size) and len({each.dtype for each in factors if each is not None}) < 2


def processors_of(x: Array) -> int:
    """How many multiprocessors the device of x has."""
    return _processors(backend_of(x).namespace, x.data.device_id)


@cache
def _processors(namespace: Any, device: int) -> int:
    return int(namespace.cuda.runtime.deviceGetAttribute(_MULTIPROCESSORS, device))
