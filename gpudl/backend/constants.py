"""Small tables that operations compute on the host, on the device of an array: copied there once, then kept.

A copy to a device costs more than most operations there, and no copy may be in a step that is captured as a graph.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from gpudl.backend.arrays import Array
from gpudl.backend.device import Device, device_of, transfer

_LARGEST = 1 << 16  # bytes of a table that is kept
_MOST = 512  # tables


def constant(values: np.ndarray[Any, Any], like: Array) -> Array:
    """The values where `like` is; nobody may change them."""
    if type(like) is np.ndarray:
        return values
    if values.nbytes > _LARGEST:
        return transfer(values, device_of(like))
    return _kept(device_of(like), values.dtype, values.shape, values.tobytes())


@lru_cache(maxsize=_MOST)
def _kept(device: Device, dtype: Any, shape: tuple[int, ...], data: bytes) -> Array:
    return transfer(np.frombuffer(data, dtype).reshape(shape), device)
